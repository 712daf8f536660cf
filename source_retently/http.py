"""How the connector talks to Retently: where, how long it waits, and what each answer means.

The decisions are pure functions (`base_url`, `meaning`, `back_off`, `rate_limit_wait`); `RetentlyErrorHandler` and
`RetentlyBackoff` put them where the CDK's `HttpClient` asks. Everything that can't be mended by asking again ends as an
`AirbyteTracedException` whose message is one sentence for the user; no message or log line carries a body.
"""

import ipaddress
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from json import loads
from typing import Any
from urllib.parse import parse_qs, urlsplit
from weakref import WeakKeyDictionary

import orjson
import requests
import urllib3
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.message import MessageRepository
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler, ErrorResolution, ResponseAction
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.budget import RateBudget
from source_retently.config import TOKENS_URL, ConfigError

BASE_URL_VARIABLE = "RETENTLY_BASE_URL"
DEFAULT_BASE_URL = "https://app.retently.com"

Answer = requests.Response | Exception | None


def base_url(environment: Mapping[str, str] = os.environ) -> str:
    """Where the API and the token endpoint live, without a slash at the end.

    It is an environment variable and no option, so that nobody can be talked into sending a key elsewhere.

    :raises ConfigError: when it isn't https (plain http only for loopback addresses) or no URL at all
    """
    value = environment.get(BASE_URL_VARIABLE, "").strip() or DEFAULT_BASE_URL
    remedy = f"unset the environment variable, or set it to a URL like {DEFAULT_BASE_URL}."
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        raise ConfigError(f"{BASE_URL_VARIABLE} is not a URL: {remedy}") from None
    if url.scheme not in ("http", "https") or not host or url.query or url.fragment or url.username or url.password:
        raise ConfigError(f"{BASE_URL_VARIABLE} must be http(s)://host[:port][/path] and nothing else: {remedy}")
    if url.scheme == "http" and not _is_loopback(host):
        raise ConfigError(f"{BASE_URL_VARIABLE} must use https, or the key would travel in the open: {remedy}")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Patience:
    """How long the connector waits, in seconds."""

    connect: float = 10
    """For a connection."""
    read: float = 60
    """For the next bytes of an answer."""
    answer: float = 300
    """For a whole answer, however steadily it drips."""
    retry: float = 300
    """From the first fault of a request to its last try."""
    rate_limit: float = 600
    """From the last success to giving up on an API that answers nothing but 429."""


SYNC_PATIENCE = Patience()
CHECK_PATIENCE = Patience(connect=5, read=8, answer=8, retry=3, rate_limit=0)
"""A check answers within 20 s, whatever the host does: somebody is looking at a spinner."""


@dataclass
class HttpContext:
    """What all streams of one run share: where the API is, how patient and how busy to be."""

    base: str = field(default_factory=base_url)
    patience: Patience = SYNC_PATIENCE
    budget: RateBudget = field(default_factory=RateBudget)
    workers: int = 4
    """Pages of a stream that are fetched at the same time."""
    messages: MessageRepository | None = None
    """Where a stream reports its progress, for the source to emit; None where nobody wants to know."""

    @property
    def api(self) -> str:
        """Base of all paths (reference 1.1)."""
        return f"{self.base}/api/v2/"


def failure(sentence: str, failure_type: FailureType) -> AirbyteTracedException:
    """A failure whose message is for the user."""
    return AirbyteTracedException(message=sentence, internal_message=sentence, failure_type=failure_type)


class PageRefused(AirbyteTracedException):
    """The API refuses the page asked for (400 or 404): too many rows at once, or a page past the end.

    The page walk may know a way around; where it doesn't, this is the failure itself.
    """

    def __init__(self, sentence: str, failure_type: FailureType, status: int) -> None:
        super().__init__(message=sentence, internal_message=sentence, failure_type=failure_type)
        self.status = status


# ---------------------------------------------------------------------------------------------- what an answer means


@dataclass(frozen=True)
class Meaning:
    """What an answer means: what to do, and what to tell the user if doing it does not help.

    `{what}` in the sentence is the stream and its request, `{host}` where it went.
    """

    action: ResponseAction
    failure_type: FailureType | None = None
    sentence: str = ""


_FAIL, _RETRY = ResponseAction.FAIL, ResponseAction.RETRY
_CONFIG, _TRANSIENT, _SYSTEM = FailureType.config_error, FailureType.transient_error, FailureType.system_error

SUCCESS = Meaning(ResponseAction.SUCCESS)
NOT_RETENTLY = Meaning(
    _RETRY,
    _TRANSIENT,
    "{host} answered {what} with something that is not Retently's: "
    f"if {BASE_URL_VARIABLE} is set, correct it; else a proxy may stand between, so try again later.",
)
STATUS_MEANINGS: Mapping[int, Meaning] = {
    400: Meaning(_FAIL, _SYSTEM, "Retently refused {what} as malformed (HTTP 400): please report it with the log."),
    401: Meaning(
        _FAIL,
        _CONFIG,
        f"Retently does not accept the API key (HTTP 401): create one at {TOKENS_URL} and put it into the connection.",
    ),
    403: Meaning(
        _FAIL,
        _CONFIG,
        "The credentials have no permission for {what} (HTTP 403): "
        "use a key or an application of an account whose plan includes it.",
    ),
    404: Meaning(
        _FAIL,
        _CONFIG,
        f"{{host}} knows nothing of {{what}} (HTTP 404): if {BASE_URL_VARIABLE} is set, correct it; "
        "else the account's plan may lack it.",
    ),
    408: Meaning(_RETRY, _TRANSIENT, "{host} gave up waiting for {what} (HTTP 408): try again later."),
    429: Meaning(
        ResponseAction.RATE_LIMITED,
        _TRANSIENT,
        "Retently's rate limit leaves no room for {what} (HTTP 429): let fewer programs use the account at once.",
    ),
}
OAUTH_401 = Meaning(
    ResponseAction.REFRESH_TOKEN_THEN_RETRY,
    _CONFIG,
    "Retently does not accept the OAuth access token (HTTP 401): sign in to the OAuth application again.",
)
SERVER_FAULT = Meaning(_RETRY, _TRANSIENT, "{host} failed to answer {what} (HTTP {status}): try again later.")
OTHER_STATUS = Meaning(_FAIL, _SYSTEM, "{host} answered {what} unexpectedly (HTTP {status}): please report it with the log.")
REDIRECTED = Meaning(
    _FAIL,
    _CONFIG,
    f"{{host}} sent {{what}} on to another address: if {BASE_URL_VARIABLE} is set, correct it; else check the proxy.",
)


def meaning_of_status(status: int, *, oauth: bool = False) -> Meaning:
    """What a status other than 200 means (reference 1.5)."""
    if status == 401 and oauth:
        return OAUTH_401
    if status in STATUS_MEANINGS:
        return STATUS_MEANINGS[status]
    return SERVER_FAULT if status >= 500 else REDIRECTED if 300 <= status < 400 else OTHER_STATUS


_EXCEPTIONS: tuple[tuple[type[Exception], Meaning], ...] = (
    # From the special to the general: several of them inherit from requests' ConnectionError.
    (
        requests.exceptions.SSLError,
        Meaning(
            _RETRY,
            _TRANSIENT,
            "No trusted TLS connection to {host} for {what}: "
            "if a proxy signs connections here, set REQUESTS_CA_BUNDLE to its certificate.",
        ),
    ),
    (
        requests.exceptions.ProxyError,
        Meaning(_RETRY, _TRANSIENT, "The proxy let no request through to {host} for {what}: check HTTPS_PROXY."),
    ),
    (
        requests.exceptions.Timeout,
        Meaning(_RETRY, _TRANSIENT, "{host} did not answer {what} in time: try again later."),
    ),
    (
        requests.exceptions.ConnectionError,
        Meaning(_RETRY, _TRANSIENT, "No connection to {host} for {what}: check the network and the name of the host."),
    ),
    (requests.exceptions.TooManyRedirects, REDIRECTED),
    (
        requests.exceptions.InvalidURL,
        Meaning(_FAIL, _CONFIG, f"{{host}} is no address to send {{what}} to: correct {BASE_URL_VARIABLE}."),
    ),
)
BROKEN_OFF = Meaning(_RETRY, _TRANSIENT, "{host} broke off its answer to {what}: try again later.")


def meaning_of_exception(error: Exception) -> Meaning:
    """What an exception on the way means."""
    return next((meaning for kind, meaning in _EXCEPTIONS if isinstance(error, kind)), BROKEN_OFF)


# ------------------------------------------------------------------------------------------------ how long to wait


def back_off(attempt: int, chance: float) -> float:
    """Seconds before the next try after a fault: 1, 2, 4 … 60, of which the upper half is left to chance (0 to 1)."""
    longest = min(60.0, 2.0 ** min(attempt - 1, 6))
    return longest / 2 + longest / 2 * chance


def rate_limit_wait(headers: Mapping[str, str], now: float, chance: float) -> float:
    """Seconds to wait after a 429: what the answer says (at most 10 minutes), else a minute and up to 10 s more.

    `Retry-After` counts seconds or is a date; `X-RateLimit-Reset` is UNIX time or counts seconds. Nobody has seen these
    headers on a real answer (reference 1.4), so nonsense in them is ignored.
    """
    said = _seconds(headers.get("Retry-After"), now)
    if said is None:
        said = _seconds(headers.get("X-RateLimit-Reset"), now)
    return min(said, 600.0) if said is not None else 60 + 10 * chance


def _seconds(value: str | None, now: float) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        try:
            number = parsedate_to_datetime(value or "").astimezone(timezone.utc).timestamp()
        except (ValueError, TypeError):
            return None
    seconds = number - now if number > 1_000_000_000 else number
    return seconds if 0 <= seconds < float("inf") else None


# ------------------------------------------------------------------------------------------------- reading an answer


def payload(response: requests.Response) -> Any:
    """The body, parsed once an answer.

    :raises ValueError: when it is not JSON
    """
    if "retently_payload" not in vars(response):
        vars(response)["retently_payload"] = response.json()
    return vars(response)["retently_payload"]


def _receive(response: requests.Response, seconds: float) -> None:
    """Reads and parses the body of a streamed response, within a time for all of it.

    :raises requests.RequestException: when it breaks off or takes too long
    :raises ValueError: when it is not JSON
    """
    until = time.monotonic() + seconds
    body = bytearray()
    try:
        # What has come by now, not a full chunk: a server that drips would be waited for beyond any time.
        while chunk := response.raw.read1(1 << 20, decode_content=True):
            body += chunk
            if time.monotonic() > until:
                response.close()
                raise requests.exceptions.ReadTimeout("the answer takes too long", request=response.request)
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from error
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = loads(body.decode("utf-8", "replace"))  # slower, but takes NaN, 1e400 and lone surrogates
    vars(response)["retently_payload"] = parsed


# ------------------------------------------------------------------------------------------- where the CDK asks for it


class RetentlyErrorHandler(ErrorHandler):
    """Tells the CDK's `HttpClient` what an answer means to one stream.

    Final failures are raised here instead of returned as `FAIL`, because the CDK would log the body with them.
    """

    # The handler itself knows when to give up (a time, not a number of tries), so the CDK's limits are out of the way.
    max_retries = 1_000_000
    max_time = 1_000_000

    def __init__(self, stream: str, context: HttpContext, *, oauth: bool, is_expected: Callable[[Any], bool]) -> None:
        """
        :param stream: name of the stream, for the sentences
        :param oauth: whether a 401 may be mended by a new access token
        :param is_expected: whether a parsed body has the shape of this stream's answers
        """
        self._stream = stream
        self._context = context
        self._oauth = oauth
        self._is_expected = is_expected
        # By request; the key is the handler itself for exceptions that don't say what they are about.
        self._failing_since: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def interpret_response(self, response: Answer) -> ErrorResolution:
        """
        :raises AirbyteTracedException: when asking again is of no use, or has been for too long
        :raises PageRefused: when another page or page size may help
        """
        meaning, status = self._meaning(response)
        if meaning is SUCCESS:
            self._failing_since.pop(self, None)
            return ErrorResolution(ResponseAction.SUCCESS)
        request = _original_request(response)
        what = self._what(request)
        host = urlsplit(self._context.base).hostname
        sentence = meaning.sentence.format(what=what, host=host, status=status)
        if meaning.action is _FAIL or self._is_out_of_patience(meaning, request):
            failure_type = meaning.failure_type or FailureType.system_error
            raise PageRefused(sentence, failure_type, status) if status in (400, 404) else failure(sentence, failure_type)
        return ErrorResolution(meaning.action, meaning.failure_type, sentence)

    def _meaning(self, answer: Answer) -> tuple[Meaning, int | None]:
        if not isinstance(answer, requests.Response):
            return meaning_of_exception(answer or ConnectionError()), None
        status = answer.status_code
        if answer.history and urlsplit(str(answer.url)).netloc != urlsplit(self._context.base).netloc:
            answer.close()
            return REDIRECTED, answer.history[0].status_code
        if status != 200:
            answer.close()
            return meaning_of_status(status, oauth=self._oauth), status
        try:
            if "retently_payload" not in vars(answer):
                _receive(answer, self._context.patience.answer)
        except requests.RequestException as error:
            return meaning_of_exception(error), status
        except (ValueError, RecursionError):
            return NOT_RETENTLY, status
        body = payload(answer)
        if self._is_expected(body):
            return SUCCESS, status
        # An error may come with status 200 around it and its own code inside (reference 1.5).
        code = body.get("code") if isinstance(body, dict) else None
        if isinstance(code, int) and 400 <= code < 600:
            return meaning_of_status(code, oauth=self._oauth), code
        return NOT_RETENTLY, status

    def _what(self, request: requests.PreparedRequest | None) -> str:
        page = parse_qs(urlsplit(request.url or "").query).get("page") if request is not None else None
        return f"the request for {self._stream}" + (f" (page {page[0]})" if page else "")

    def _is_out_of_patience(self, meaning: Meaning, request: requests.PreparedRequest | None) -> bool:
        if meaning.action is ResponseAction.REFRESH_TOKEN_THEN_RETRY:
            return False  # the CDK refreshes once a request and then gives up by itself
        now = time.monotonic()
        since = self._failing_since.setdefault(request or self, now)
        if meaning.action is ResponseAction.RATE_LIMITED:
            return now - max(since, self._context.budget.last_success) >= self._context.patience.rate_limit
        return now - since >= self._context.patience.retry


def _original_request(answer: Answer) -> requests.PreparedRequest | None:
    """The request as it was sent first: a redirect makes a new one in each try."""
    if isinstance(answer, requests.Response) and answer.history:
        return answer.history[0].request
    return getattr(answer, "request", None)


class RetentlyBackoff(BackoffStrategy):
    """Tells the CDK's `HttpClient` how long to wait before it asks again, and the user why."""

    def __init__(self, stream: str, context: HttpContext, logger: logging.Logger) -> None:
        self._stream = stream
        self._context = context
        self._logger = logger

    def backoff_time(self, response_or_exception: Answer, attempt_count: int) -> float:
        """Seconds to wait; one less than meant, since the CDK adds one."""
        status = response_or_exception.status_code if isinstance(response_or_exception, requests.Response) else None
        if status == 429 and isinstance(response_or_exception, requests.Response):
            wait = rate_limit_wait(response_or_exception.headers, time.time(), random.random())
            self._context.budget.pause(wait)
        else:
            wait = back_off(attempt_count, random.random())
        until = datetime.fromtimestamp(time.time() + wait, timezone.utc).strftime("%H:%M:%S")
        why = f"HTTP {status}" if status else type(response_or_exception).__name__
        self._logger.info(f"{self._stream}: waiting until {until} UTC after try {attempt_count}: {why}.")
        return max(wait - 1, 0.01)
