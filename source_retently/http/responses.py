"""What a response means, and how long to wait before the next try: pure functions, and the messages that users see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.config import OAUTH_URL, TOKENS_URL
from source_retently.environment import BASE_URL_VARIABLE


def failure(message: str, failure_type: FailureType) -> AirbyteTracedException:
    """A failure whose message is for the user."""
    return AirbyteTracedException(message=message, internal_message=message, failure_type=failure_type)


@dataclass(frozen=True)
class Meaning:
    """What a response means: what to do, and what to tell the user if that does not help.

    `{what}` in the message is the request, `{host}` the host that it went to.
    """

    action: ResponseAction
    failure_type: FailureType | None = None
    message: str = ""


_FAIL, _RETRY = ResponseAction.FAIL, ResponseAction.RETRY
_CONFIG, _TRANSIENT, _SYSTEM = FailureType.config_error, FailureType.transient_error, FailureType.system_error

SUCCESS = Meaning(ResponseAction.SUCCESS)
NOT_RETENTLY = Meaning(
    _RETRY,
    _TRANSIENT,
    "{host} did not return a Retently response to {what}: "
    f"if {BASE_URL_VARIABLE} is set, correct it; else a proxy may be in between, so try again later.",
)
OTHER_JSON = Meaning(
    _RETRY,
    _TRANSIENT,
    "{host} returned JSON without the data of {what}: "
    f"if {BASE_URL_VARIABLE} is set, correct it; else try again later, and report it if it stays so.",
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
        f"{{host}} does not know {{what}} (HTTP 404): if {BASE_URL_VARIABLE} is set, correct it; "
        "else the account's plan may not include it.",
    ),
    408: Meaning(_RETRY, _TRANSIENT, "{host} did not wait for the end of {what} (HTTP 408): try again later."),
    429: Meaning(
        ResponseAction.RATE_LIMITED,
        _TRANSIENT,
        "Retently's rate limit left no room for {what} (HTTP 429): let fewer programs use the account at once.",
    ),
}
OAUTH_401 = Meaning(
    ResponseAction.REFRESH_TOKEN_THEN_RETRY,
    _CONFIG,
    "Retently does not accept the OAuth access token (HTTP 401): sign in to the OAuth application again.",
)
REFRESH_TOKEN_REFUSED = Meaning(
    _FAIL,
    _CONFIG,
    "Retently does not accept the OAuth application's refresh token (HTTP {status}): "
    f"check client_id and client_secret at {OAUTH_URL}, and sign in to the application again.",
)
SERVER_ERROR = Meaning(_RETRY, _TRANSIENT, "{host} could not serve {what} (HTTP {status}): try again later.")
OTHER_STATUS = Meaning(
    _FAIL, _SYSTEM, "{host} returned an unexpected status to {what} (HTTP {status}): please report it with the log."
)
REDIRECTED = Meaning(
    _FAIL,
    _CONFIG,
    f"{{host}} redirected {{what}} to another address: if {BASE_URL_VARIABLE} is set, correct it; else check the proxy.",
)


def meaning_of_status(status: int, *, oauth: bool = False) -> Meaning:
    """What a status other than 200 means (docs/api.md#errors)."""
    if status == 401 and oauth:
        return OAUTH_401
    if status in STATUS_MEANINGS:
        return STATUS_MEANINGS[status]
    return SERVER_ERROR if status >= 500 else REDIRECTED if 300 <= status < 400 else OTHER_STATUS


INVALID_PROXY = Meaning(
    # The base URL was checked before, so the invalid URL is the proxy's.
    _FAIL,
    _CONFIG,
    "HTTPS_PROXY is not a valid proxy URL for {host}: write it as proxy.example:8080, or unset it.",
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
        Meaning(_RETRY, _TRANSIENT, "The proxy did not connect to {host} for {what}: check HTTPS_PROXY."),
    ),
    (
        requests.exceptions.Timeout,
        Meaning(_RETRY, _TRANSIENT, "{host} did not respond to {what} in time: try again later."),
    ),
    (
        requests.exceptions.ConnectionError,
        Meaning(_RETRY, _TRANSIENT, "No connection to {host} for {what}: check the network and the name of the host."),
    ),
    (requests.exceptions.TooManyRedirects, REDIRECTED),
    (requests.exceptions.InvalidURL, INVALID_PROXY),
    (requests.exceptions.InvalidSchema, INVALID_PROXY),
)
CUT_OFF = Meaning(_RETRY, _TRANSIENT, "{host} cut off its response to {what}: try again later.")


def meaning_of_exception(error: Exception) -> Meaning:
    """What an exception of requests means."""
    return next((meaning for kind, meaning in _EXCEPTIONS if isinstance(error, kind)), CUT_OFF)


MAX_UNIX_TIME = 1e11
"""In seconds (the year 5138); a larger number is in milliseconds, or in a finer unit."""


def back_off(attempt: int, chance: float) -> float:
    """Seconds before the next try after an error: 1, 2, 4 … 60, of which the upper half is random (`chance` from 0 to 1)."""
    longest = min(60.0, 2.0 ** min(attempt - 1, 6))
    return longest / 2 + longest / 2 * chance


def rate_limit_wait(headers: Mapping[str, str], now: float, chance: float) -> float:
    """Seconds to wait after a 429: as its headers say (at most 10 minutes), else a minute and up to 10 s more.

    Either header is a count of seconds, a date, or UNIX time (in seconds, milliseconds or finer). No real response with these
    headers is known (docs/api.md#rate-limit), so what can't be read is ignored.
    """
    seconds = _seconds(headers.get("Retry-After"), now)
    if seconds is None:
        seconds = _seconds(headers.get("X-RateLimit-Reset"), now)
    return min(seconds, 600.0) if seconds is not None else 60 + 10 * chance


def _seconds(value: str | None, now: float) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        try:
            number = parsedate_to_datetime(value or "").astimezone(timezone.utc).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
    while MAX_UNIX_TIME < number < float("inf"):
        number /= 1000
    seconds = number - now if number > 1_000_000_000 else number
    return seconds if 0 <= seconds < float("inf") else None
