"""`RetentlyStream`: what all streams do. A concrete stream declares its path, the key paths of its rows and its primary key."""

from abc import ABC
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler
from requests.auth import AuthBase

from source_retently.http import lenient_json
from source_retently.http.auth import OAuthAuthenticator
from source_retently.http.body import parsed_body
from source_retently.http.handler import PageRefused, RetentlyBackoff, RetentlyErrorHandler
from source_retently.http.responses import REDIRECTED, failure
from source_retently.run_context import Outcome, Settings
from source_retently.streams.envelope import paging_number, rows_at, stable_hash
from source_retently.streams.full_refresh import FullRefreshStream
from source_retently.streams.page_sizes import SMALLEST_PAGE
from source_retently.streams.pages import Row
from source_retently.streams.schema_log import SchemaLog
from source_retently.values import Coercion

PageToken = Mapping[str, Any] | None
Slice = Mapping[str, Any] | None
State = Mapping[str, Any] | None
Fetched = tuple[requests.PreparedRequest, requests.Response]
Records = Iterable[Mapping[str, Any]]
"""What `parse_response` returns to the CDK; an AirbyteMessage among them is passed on as it is."""

NO_CONTENT = 204
"""Status of a response without rows, made here in place of a refused one."""


class RetentlyStream(FullRefreshStream, ABC):
    """An endpoint of the Retently API, read whole in every sync.

    Subclasses override `path`, `parse_response` (`return self.records(response, stream_slice)`) and `next_page_token` (`return
    self.next_page(response)`), and declare the attributes below. The page loop and the checkpoints are the CDK's: it calls
    `_fetch_next_page`, `parse_response` and `next_page_token` in turn.
    """

    primary_key = "id"
    record_paths: tuple[str, ...] = ()
    """Key paths of the rows in the body, with dots between the keys; the most likely first (docs/api.md#envelopes)."""
    accepts_single_object = False
    """Whether a single object in place of the list is one row, if it has one of the schema's fields."""
    sort: str | None = None
    """The field to sort by, oldest first, so that rows that are inserted while a list is read are at its end."""
    is_optional = False
    """Whether an account may be without the endpoint: then a refusal skips the stream instead of failing it. A `PagedStream` is
    never skipped."""
    first_row: PageToken = None
    """The token of a request for as little as the endpoint gives, where it has pages."""
    old_path: str | None = None
    """The path of the endpoint in older documentation; asked for where the present one is not found."""
    uses_old_path = False
    """Whether the present path was not found in this run."""
    _path_is_known = False
    """Whether one of the two paths has given a page, or neither is found."""

    def __init__(
        self, authenticator: AuthBase | None = None, settings: Settings | None = None, outcome: Outcome | None = None
    ) -> None:
        """
        :param authenticator: signs each request; made by `source_retently.http.auth.authenticator`
        :param settings: shared by all streams of a run; the defaults where nothing is given
        :param outcome: shared by all streams of a run; one of its own where nothing is given
        """
        self._settings = settings or Settings()
        self._outcome = outcome or Outcome()
        self._has_oauth = isinstance(authenticator, OAuthAuthenticator)
        super().__init__(authenticator, api_budget=self._settings.budget)

    # ------------------------------------------------------------------------------------------------- the request

    @property
    def url_base(self) -> str:
        return self._settings.api

    def request_kwargs(
        self, stream_state: State, stream_slice: Slice = None, next_page_token: PageToken = None
    ) -> Mapping[str, Any]:
        timeouts = self._settings.timeouts
        # The error handler reads the body of a streamed response itself: within a time, and past the CDK's debug log.
        return {"timeout": (timeouts.connect, timeouts.read), "stream": True}

    def get_error_handler(self) -> ErrorHandler:
        return RetentlyErrorHandler(
            self.name,
            self._settings,
            is_expected=lambda body: self.rows_in(body) is not None,
            oauth=self._has_oauth,
            is_optional=self.is_optional,
            has_other_path=lambda: self._has_other_path,
            smallest_page=SMALLEST_PAGE,
        )

    @property
    def _has_other_path(self) -> bool:
        return self.old_path is not None and not self._path_is_known

    def get_backoff_strategy(self) -> BackoffStrategy:
        return RetentlyBackoff(self.name, self._settings, self.logger)

    def _fetch_next_page(
        self, stream_slice: Slice = None, stream_state: State = None, next_page_token: PageToken = None
    ) -> Fetched:
        """Fetches one response. Both page loops of the CDK call it (unit_tests/test_cdk_seams.py)."""
        # Records must not wait in a buffer for as long as the next response may take.
        PRINT_BUFFER.flush()
        try:
            return self.fetch(stream_slice, next_page_token)
        except PageRefused as refusal:
            return self.replace_refused(refusal, stream_slice, next_page_token)

    def fetch(self, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        """Fetches one response.

        :raises PageRefused: when the API refuses it
        """
        try:
            return super()._fetch_next_page(stream_slice, None, next_page_token)
        except ValueError:  # of requests or urllib3, about the address of a redirect
            host = urlsplit(self._settings.base_url).hostname
            message = REDIRECTED.message.format(host=host, what=f"the request for {self.name}")
            raise failure(message, FailureType.config_error) from None

    def replace_refused(self, refusal: PageRefused, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        """A response without rows in place of one that the account's plan lacks; the other streams go on.

        :raises PageRefused: for any other refusal, and where every account has the endpoint: no rows would empty a table
        """
        if not self.is_optional or refusal.status not in (403, 404):
            raise refusal
        self._outcome.skipped.add(self.name)
        self.logger.warning(f"{self.name} is skipped. {refusal}")
        return response_without_body(NO_CONTENT)

    @property
    def is_skipped(self) -> bool:
        return self.name in self._outcome.skipped

    def check(self) -> None:
        """Asks once, and checks that the response has the shape of this endpoint.

        :raises AirbyteTracedException: when it has not
        """
        self._fetch_next_page(next_page_token=self.first_row)

    # ------------------------------------------------------------------------------------------------ the response

    def records(self, response: requests.Response, stream_slice: Slice = None) -> Records:
        """The rows of a response, coerced to the schema, each key once."""
        rows = self.distinct(self.rows(response, stream_slice))
        self._outcome.read[self.name] += len(rows)
        if response.status_code != NO_CONTENT and not self.accepts_single_object:
            self._warn_of_missing(len(rows), paging_number(parsed_body(response).value, "total"))
        return rows

    def _warn_of_missing(self, count: int, total: int | None) -> None:
        """Logs that the API counts more rows than it gave, as if the endpoint had pages."""
        if total is not None and total > count:
            self._outcome.may_lack_rows.add(self.name)
            self.logger.warning(f"{self.name}: the API counts {total:,} records but gave {count:,}; the others are missing.")

    def distinct(self, rows: Iterable[Row]) -> Collection[Row]:
        """The rows with different keys: of several with one key the last."""
        return {row[self.primary_key]: row for row in rows}.values()

    def next_page(self, response: requests.Response) -> PageToken:
        """The token of the page after this one; None, since the endpoint gives everything in one response."""
        return None

    def rows(self, response: requests.Response, stream_slice: Slice) -> Iterable[Row]:
        """The rows of a response, each with all its fields and its key."""
        parent = (stream_slice or {}).get("parent") or {}
        rows = [] if response.status_code == NO_CONTENT else self.rows_in(self.body_of(response)) or []
        prepared = (self.prepare(row, parent) for row in rows)
        return (row for row in prepared if row is not None)

    def body_of(self, response: requests.Response) -> Any:
        """The parsed body; the NUL characters that were removed from it are counted."""
        body = parsed_body(response)
        self._outcome.nuls[self.name] += body.nuls
        return body.value

    def rows_in(self, body: Any) -> list[Any] | None:
        """The rows of a parsed body; None when it has none of this endpoint's shapes."""
        return rows_at(body, self.record_paths, self._object_fields)

    def prepare(self, row: Any, parent: Row) -> Row | None:
        """A row with all its fields and its key, coerced to the schema; None, with a warning, where it is not an object."""
        if not isinstance(row, dict):
            self._outcome.may_lack_rows.add(self.name)
            self._schema_log.left_out(row)
            return None
        try:
            return self._prepare(row, parent)
        except RecursionError:
            return self._prepare(lenient_json.clean(row), parent)

    def _prepare(self, row: Row, parent: Row) -> Row:
        self.fill_in(row, parent)
        self._coercion.coerce(row)
        self.set_primary_key(row)
        return row

    def fill_in(self, row: Row, parent: Row) -> None:
        """Adds what the API leaves out of a row; `parent` is the row that the request was about, else empty."""

    def has_own_key(self, row: Row) -> bool:
        """Whether the API gave the row a key."""
        return bool(row.get(self.primary_key))

    def set_primary_key(self, row: Row) -> None:
        """Gives the row a key where the API gave it none: a hash of the whole row."""
        if not row.get(self.primary_key):
            row[self.primary_key] = stable_hash(row)

    @cached_property
    def _object_fields(self) -> frozenset[str]:
        # Any other object may be an envelope of an unknown shape.
        return frozenset(self.get_json_schema()["properties"] if self.accepts_single_object else ())

    @cached_property
    def _coercion(self) -> Coercion:
        # Made when the first row comes: most streams that the CDK creates for a sync are not in its catalog.
        return Coercion(self.get_json_schema(), self._schema_log.became_null, self._schema_log.unknown)

    @cached_property
    def _schema_log(self) -> SchemaLog:
        return SchemaLog(self.name, self.logger, self._outcome.nulled.setdefault(self.name, set()))


def response_without_body(status: int) -> Fetched:
    """A request and its response, made here; only the status means something."""
    response = requests.Response()
    response.status_code = status
    return requests.PreparedRequest(), response
