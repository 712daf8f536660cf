"""What the CDK's `HttpClient` calls after each response: the error handler and the back-off of every stream.

`source_retently.http.responses` has the rules. What another try can't help ends as an `AirbyteTracedException` with one message
for the user; no message or log line contains a body.
"""

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime, timezone
from threading import get_ident
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler, ErrorResolution, ResponseAction
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.http.body import read_body
from source_retently.http.responses import (
    NOT_RETENTLY,
    OTHER_JSON,
    REDIRECTED,
    SUCCESS,
    Meaning,
    back_off,
    failure,
    meaning_of_exception,
    meaning_of_status,
    rate_limit_wait,
)
from source_retently.run_context import Settings

ResponseOrError = requests.Response | Exception | None

_random = random.Random()  # not the module's: where a program seeds that one, all its syncs would try again at the same moments

MISSING_AFTER = 60.0
"""Seconds after which an endpoint counts as missing from an account, if a 404 that is not the API's own stays."""


class PageRefused(AirbyteTracedException):
    """The API refuses the page: 400 or 404 for too many rows at once or a page past the end, 403 or 404 for an endpoint that
    the account's plan lacks, 404 or 410 for a row that was deleted, 504 (or two read time-outs) for a page that it can't serve
    in time.

    The paginator may ask for another page, or the stream be skipped; where neither is so, this is the failure itself.
    """

    def __init__(self, message: str, failure_type: FailureType, status: int, *, is_own: bool = True) -> None:
        super().__init__(message=message, internal_message=message, failure_type=failure_type)
        self.status = status
        self.is_own = is_own
        """Whether the API itself refused; else its server does not know the path."""


class RetentlyErrorHandler(ErrorHandler):
    """Tells the CDK's `HttpClient` what a response means to one stream.

    Final failures are raised here instead of returned as `FAIL`, because the CDK would log the body with them.
    """

    # The handler itself gives up, after a time and not after a number of tries, so the CDK's limits are out of the way.
    max_retries = 1_000_000
    max_time = 1_000_000

    def __init__(
        self,
        stream: str,
        settings: Settings,
        *,
        is_expected: Callable[[Any], bool],
        oauth: bool = False,
        is_optional: bool = False,
        has_other_path: Callable[[], bool] = lambda: False,
        smallest_page: int = 0,
    ) -> None:
        """
        :param stream: name of the stream, for the messages
        :param is_expected: whether a parsed body has the shape of this stream's responses
        :param oauth: whether a new access token may help after a 401
        :param is_optional: whether an account may be without the endpoint
        :param has_other_path: whether the endpoint may be at another path, which was not tried yet
        :param smallest_page: rows of a page that is never too heavy
        """
        self._stream = stream
        self._settings = settings
        self._is_expected = is_expected
        self._oauth = oauth
        self._is_optional = is_optional
        self._has_other_path = has_other_path
        self._smallest_page = smallest_page
        # By thread: all tries of one request are made in one thread, and a redirect makes another request of each.
        self._failing_since: dict[int, float] = {}
        self._timed_out: dict[int, int] = {}
        self._too_heavy_since: float | None = None
        self._refused_token: dict[int, str] = {}

    def interpret_response(self, response: ResponseOrError) -> ErrorResolution:
        """
        :raises AirbyteTracedException: when another try can't help, or there was no success for too long
        :raises PageRefused: when another page or page size may help
        """
        meaning, status = self._meaning(response)
        if meaning is SUCCESS:
            self._forget()
            self._refused_token.pop(get_ident(), None)
            self._too_heavy_since = None
            return ErrorResolution(ResponseAction.SUCCESS)
        what = self._what(getattr(response, "request", None))
        host = urlsplit(self._settings.base_url).hostname
        message = meaning.message.format(what=what, host=host, status=status)
        if (
            meaning.action is ResponseAction.FAIL
            or (isinstance(response, requests.Response) and self._is_new_token_refused(meaning, response))
            or self._is_out_of_time(meaning, status)
        ):
            self._forget()
            failure_type = meaning.failure_type or FailureType.system_error
            if status in (400, 403, 404, 410) and (meaning is not NOT_RETENTLY or (self._is_optional and status == 404)):
                raise PageRefused(message, failure_type, status, is_own=meaning is not NOT_RETENTLY)
            raise failure(message, failure_type)
        if self._is_too_heavy(response, status):
            self._forget()
            raise PageRefused(message, FailureType.transient_error, 504)
        return ErrorResolution(meaning.action, meaning.failure_type, message)

    def _meaning(self, response: ResponseOrError) -> tuple[Meaning, int | None]:
        if not isinstance(response, requests.Response):
            if self._is_elsewhere(getattr(getattr(response, "request", None), "url", None)):
                return REDIRECTED, None
            return meaning_of_exception(response or ConnectionError()), None
        status = response.status_code
        if response.history and self._is_elsewhere(response.url):
            response.close()
            return REDIRECTED, response.history[0].status_code
        if status in (403, 404) and not self._is_about_page(response) and not self._is_the_apis_own(response):
            return NOT_RETENTLY, status
        if status != 200:
            response.close()
            return meaning_of_status(status, oauth=self._oauth), status
        try:
            body = read_body(response, self._settings.timeouts.response)
        except requests.RequestException as error:
            return meaning_of_exception(error), status
        except ValueError:
            return NOT_RETENTLY, status
        # An error may have status 200, and its own code in the body (docs/api.md#errors).
        code = body.get("code") if isinstance(body, dict) else None
        if isinstance(code, int) and 400 <= code < 600:
            return meaning_of_status(code, oauth=self._oauth), code
        is_error = isinstance(body, dict) and body.get("success") is False
        return (SUCCESS if self._is_expected(body) and not is_error else OTHER_JSON), status

    def _is_about_page(self, response: requests.Response) -> bool:
        """Whether a 404 is about the page asked for, or about one of two paths, whatever its body is."""
        page = parse_qs(urlsplit(response.url or "").query).get("page", ["1"])[0]
        return response.status_code == 404 and (page != "1" or self._has_other_path())

    def _is_the_apis_own(self, response: requests.Response) -> bool:
        """Whether a refusal is the API's: a JSON object with a message, and with the status as its code, or without success.

        Anything else comes from a firewall, or from a balancer during a deployment, and is temporary.
        """
        try:
            body = read_body(response, self._settings.timeouts.response)
        except (requests.RequestException, ValueError):
            return False
        if not isinstance(body, dict):
            return False
        return body.get("success") is False or ("message" in body and body.get("code") == response.status_code)

    def _is_elsewhere(self, url: str | None) -> bool:
        """Whether a redirect has led to another host."""
        return bool(url) and _origin(str(url)) != _origin(self._settings.base_url)

    def _what(self, request: requests.PreparedRequest | None) -> str:
        page = parse_qs(urlsplit(request.url or "").query).get("page") if request is not None else None
        return f"the request for {self._stream}" + (f" (page {page[0]})" if page else "")

    def _is_new_token_refused(self, meaning: Meaning, response: requests.Response) -> bool:
        """Whether the API has refused an access token and then the new one, too.

        Where the token did not change, the CDK itself gives up.
        """
        if meaning.action is not ResponseAction.REFRESH_TOKEN_THEN_RETRY:
            return False
        token = response.request.headers.get("Authorization", "")
        return self._refused_token.setdefault(get_ident(), token) != token

    def _is_too_heavy(self, response: ResponseOrError, status: int | None) -> bool:
        """Whether a page has timed out twice, at the server (504) or here, so that a smaller one should be asked for."""
        if status != 504 and not isinstance(response, requests.exceptions.ReadTimeout):
            return False
        request = getattr(response, "request", None)
        limit = parse_qs(urlsplit(getattr(request, "url", None) or "").query).get("limit", ["0"])[0]
        self._timed_out[get_ident()] = self._timed_out.get(get_ident(), 0) + 1
        if self._timed_out[get_ident()] < 2 or not limit.isdigit() or int(limit) <= self._smallest_page:
            return False
        # The time for all sizes together is that of one request.
        self._too_heavy_since = self._too_heavy_since or self._failing_since.get(get_ident())
        return True

    def _forget(self) -> None:
        """Resets the counters for the next request of this thread."""
        self._failing_since.pop(get_ident(), None)
        self._timed_out.pop(get_ident(), None)

    def _is_out_of_time(self, meaning: Meaning, status: int | None) -> bool:
        if meaning.action is ResponseAction.REFRESH_TOKEN_THEN_RETRY:
            return False  # the CDK refreshes once a request and then gives up by itself
        now = time.monotonic()
        since = self._failing_since.setdefault(get_ident(), now)
        if meaning.action is ResponseAction.RATE_LIMITED:
            return now - max(since, self._settings.budget.last_success) >= self._settings.timeouts.rate_limit
        longest = self._settings.timeouts.retry
        if status == 404 and self._is_optional:
            longest = min(longest, MISSING_AFTER)
        return now - min(since, self._too_heavy_since or since) >= longest


def _origin(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class RetentlyBackoff(BackoffStrategy):
    """Tells the CDK's `HttpClient` how long to wait before the next try, and logs why."""

    def __init__(self, stream: str, settings: Settings, logger: logging.Logger) -> None:
        self._stream = stream
        self._settings = settings
        self._logger = logger

    def backoff_time(self, response_or_exception: ResponseOrError, attempt_count: int) -> float:
        """Seconds to wait, less the one that the CDK adds."""
        status = response_or_exception.status_code if isinstance(response_or_exception, requests.Response) else None
        if status == 429 and isinstance(response_or_exception, requests.Response):
            wait = rate_limit_wait(response_or_exception.headers, time.time(), _random.random())
            self._settings.budget.pause(wait)
        else:
            wait = back_off(attempt_count, _random.random())
        until = datetime.fromtimestamp(time.time() + wait, timezone.utc).strftime("%H:%M:%S")
        why = f"HTTP {status}" if status else type(response_or_exception).__name__
        self._logger.info(f"{self._stream}: waiting until {until} UTC after try {attempt_count}: {why}.")
        return max(wait - 1, 0.01)
