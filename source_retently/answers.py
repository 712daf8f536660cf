"""What an answer means, and how long to wait before the next try: pure functions, and the sentences that users see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.config import TOKENS_URL
from source_retently.context import BASE_URL_VARIABLE


def failure(sentence: str, failure_type: FailureType) -> AirbyteTracedException:
    """A failure whose message is for the user."""
    return AirbyteTracedException(message=sentence, internal_message=sentence, failure_type=failure_type)


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
    """What a status other than 200 means (docs/api.md#errors)."""
    if status == 401 and oauth:
        return OAUTH_401
    if status in STATUS_MEANINGS:
        return STATUS_MEANINGS[status]
    return SERVER_FAULT if status >= 500 else REDIRECTED if 300 <= status < 400 else OTHER_STATUS


NO_PROXY_ADDRESS = Meaning(
    # The base URL was looked at before, so the address that does not do is the proxy's.
    _FAIL,
    _CONFIG,
    "HTTPS_PROXY holds no address of a proxy to reach {host} by: write it as http://proxy.example:8080, or unset it.",
)
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
    (requests.exceptions.InvalidURL, NO_PROXY_ADDRESS),
    (requests.exceptions.InvalidSchema, NO_PROXY_ADDRESS),
)
BROKEN_OFF = Meaning(_RETRY, _TRANSIENT, "{host} broke off its answer to {what}: try again later.")


def meaning_of_exception(error: Exception) -> Meaning:
    """What an exception on the way means."""
    return next((meaning for kind, meaning in _EXCEPTIONS if isinstance(error, kind)), BROKEN_OFF)


LARGEST_UNIX_TIME = 1e11
"""In seconds (the year 5138); a larger number is in milliseconds, or in a finer unit."""


def back_off(attempt: int, chance: float) -> float:
    """Seconds before the next try after a fault: 1, 2, 4 … 60, of which the upper half is left to chance (0 to 1)."""
    longest = min(60.0, 2.0 ** min(attempt - 1, 6))
    return longest / 2 + longest / 2 * chance


def rate_limit_wait(headers: Mapping[str, str], now: float, chance: float) -> float:
    """Seconds to wait after a 429: what the answer says (at most 10 minutes), else a minute and up to 10 s more.

    Either header is a count of seconds, a date, or UNIX time (in seconds, milliseconds or finer). Nobody has seen these headers
    on a real response (docs/api.md#rate-limit), so what can't be read is ignored.
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
    while LARGEST_UNIX_TIME < number < float("inf"):
        number /= 1000
    seconds = number - now if number > 1_000_000_000 else number
    return seconds if 0 <= seconds < float("inf") else None
