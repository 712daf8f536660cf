"""`RetentlyStream`: what every stream does. A concrete stream only says where, what and what next."""

import hashlib
import json
import time
from abc import ABC
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import Any

import requests
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    EstimateType,
    TraceType,
    Type,
)
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import FULL_REFRESH_COMPLETE_STATE
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler
from requests.auth import AuthBase

from source_retently import odd_json
from source_retently.auth import OAuthAuthenticator
from source_retently.bodies import payload
from source_retently.context import HttpContext
from source_retently.http import PageRefused, RetentlyBackoff, RetentlyErrorHandler
from source_retently.streams.ahead import PagesAhead
from source_retently.streams.walk import LARGEST_PAGE, Page, PageWalk, Row
from source_retently.values import Fitter, date_text

Token = Mapping[str, Any] | None
Fetched = tuple[requests.PreparedRequest, requests.Response]

MOST_UNKNOWN = 50
"""Unknown fields that are named in the log; an API may make up new ones in every row."""

REPORT_EVERY = 10.0
"""Seconds between two lines on the progress of a stream; the first and the last page always have theirs."""


class RetentlyStream(HttpStream, ABC):
    """A list endpoint of the Retently API, read whole in every sync and resumable by page.

    Subclasses override `path`, `parse_response` (`return self.records(response)`) and `next_page_token`
    (`return self.next_page(response)`, or None where the endpoint answers everything at once), and declare the attributes
    below. The walk from page to page is `PageWalk`'s, the fitting of values `Fitter`'s, the loop and the checkpoints are
    the CDK's: both of its page loops go through `_fetch_next_page`, the one private seam that is used here.
    """

    primary_key = "id"
    records_at: tuple[str, ...] = ()
    """Where the rows stand in the body, with dots between the keys; the most likely place first (reference 1.6)."""
    answers_one_object = False
    """Whether a single object in place of the list is one row."""
    is_paged = False
    """Whether the endpoint knows `page` and `limit`; one that ignores them must never be asked for page 2."""
    sort: str | None = None
    """The field to sort by, oldest first, so that rows that come in during the walk are behind it."""
    page_size = LARGEST_PAGE
    birth: str | None = None
    """The field that says when a row was made, where the API can't leave rows out that come in during the walk."""

    def __init__(self, authenticator: AuthBase | None = None, context: HttpContext | None = None) -> None:
        """
        :param authenticator: signs each request; made by `source_retently.auth.authenticator`
        :param context: what all streams of a run share; one of its own where nothing is given
        """
        self._context = context or HttpContext()
        self._has_oauth = isinstance(authenticator, OAuthAuthenticator)
        self._walk: PageWalk | None = None
        self._ahead: PagesAhead[Fetched]
        self._reported = 0.0
        self._unknown: set[str] = set()
        self._unfit: set[str] = set()
        super().__init__(authenticator, api_budget=self._context.budget)

    # ------------------------------------------------------------------------------------------------- the request

    @property
    def url_base(self) -> str:
        return self._context.api

    def request_params(
        self, stream_state: Token, stream_slice: Token = None, next_page_token: Token = None
    ) -> MutableMapping[str, Any]:
        if not self.is_paged:
            return {}
        page = next_page_token or {"page": 1, "limit": self.page_size}
        return {"page": page["page"], "limit": page["limit"], **({"sort": self.sort} if self.sort else {})}

    def request_kwargs(
        self, stream_state: Token, stream_slice: Token = None, next_page_token: Token = None
    ) -> Mapping[str, Any]:
        patience = self._context.patience
        # The error handler reads the body of a streamed response itself: within a time, and past the CDK's debug log.
        return {"timeout": (patience.connect, patience.read), "stream": True}

    def get_error_handler(self) -> ErrorHandler:
        return RetentlyErrorHandler(
            self.name, self._context, oauth=self._has_oauth, is_expected=lambda body: self.rows_in(body) is not None
        )

    def get_backoff_strategy(self) -> BackoffStrategy:
        return RetentlyBackoff(self.name, self._context, self.logger)

    # -------------------------------------------------------------------------------------------------- the answer

    def records(self, response: requests.Response) -> Iterable[Row]:
        """The new records of a page, fitted to the schema."""
        return self._page(response).rows

    def next_page(self, response: requests.Response) -> Token:
        """The token of the page after this one."""
        return self._page(response).next_token

    def complete(self, row: Row) -> None:
        """Adds what the API leaves out of a row; override where a stream needs it."""

    def identify(self, row: Row) -> None:
        """Gives the row a key where the API gave it none: a hash of all that it says, so that it is stable at least."""
        if not row.get(self.primary_key):
            row[self.primary_key] = stable_hash(row)

    @cached_property
    def _fitter(self) -> Fitter:
        # Made when the first row comes: most streams that the CDK makes for a sync are not in its catalog.
        return Fitter(self.get_json_schema(), self._warn_unfit, self._note_unknown)

    def _page(self, response: requests.Response) -> Page:
        """The page of a response: what the walk made of it, or for a response from elsewhere what stands in it."""
        page = vars(response).get("retently_page")
        if page is None:
            page = self._read(response, 1)
            PageWalk(self.primary_key, self.page_size).take(page)
            vars(response)["retently_page"] = page
        return page

    def _read(self, response: requests.Response, number: int) -> Page:
        body = payload(response)
        rows, unusable = [], []
        for row in self.rows_in(body) or []:
            if not isinstance(row, dict):
                self._warn_unfit("a row", "an object", row)
                unusable.append(stable_hash(row))
                continue
            try:
                self._prepare(row)
            except RecursionError:
                row = odd_json.clean(row)
                self._prepare(row)
            rows.append(row)
        total, pages = paging_number(body, "total"), paging_number(body, "pages")
        return Page(number, rows, total, pages, _answered(response), unusable)

    def _prepare(self, row: Row) -> None:
        self.complete(row)
        self._fitter.fit(row)
        self.identify(row)

    def rows_in(self, body: Any) -> list[Any] | None:
        """The rows of a parsed body; None when it has none of this endpoint's shapes."""
        for place in self.records_at:
            found = value_at(body, place)
            if isinstance(found, list):
                return found
            if isinstance(found, dict) and self.answers_one_object:
                return [found]
        return None

    # ---------------------------------------------------------------------------------------------------- the walk

    def _fetch_next_page(
        self, stream_slice: Token = None, stream_state: Token = None, next_page_token: Token = None
    ) -> Fetched:
        """The next page that has something to say: the CDK's seam, through which both of its page loops go."""
        walk = self._walk
        if walk is None or walk.token != next_page_token:
            token = next_page_token or self._first_token()
            walk = self._walk = PageWalk(self.primary_key, self.page_size, token, birth=self.birth)
            self._ahead = PagesAhead(partial(self._fetch, stream_slice, stream_state))
        while True:
            # What is finished must not wait in a buffer for as long as the next answer may take.
            PRINT_BUFFER.flush()
            try:
                request, response = self._ahead.get((walk.number, walk.limit))
            except PageRefused as refusal:
                if not (self.is_paged and walk.recover(refusal.status)):
                    return self._skip(refusal, walk)
                self.logger.info(f"{self.name}: going on with page {walk.number} of {walk.limit} rows after a refusal.")
                continue
            page = self._read(response, walk.number)
            if not walk.take(page):
                self._ahead.expect(())  # they show the list as it was before
                self.logger.info(f"{self.name}: rows were deleted meanwhile, going back to page {walk.number}.")
                continue
            if walk.is_stuck:
                self.logger.warning(f"{self.name}: the API answers every page with the same rows; there may be more of them.")
            if page.next_token and walk.number == 1:
                self.logger.info(f"{self.name}: rows came and went at the same time, reading all pages once more.")
            if page.next_token and self._context.workers > 1:
                self._ahead.expect((number, walk.limit) for number in walk.numbers_ahead(self._context.workers))
            self._report(walk, page)
            vars(response)["retently_page"] = page
            return request, response

    def _fetch(self, stream_slice: Token, stream_state: Token, number: int, limit: int) -> Fetched:
        """One page, by the CDK; several of them may be under way in threads."""
        return super()._fetch_next_page(stream_slice, stream_state, {"page": number, "limit": limit})

    def _skip(self, refusal: PageRefused, walk: PageWalk) -> Fetched:
        """An empty answer in place of one that the account's plan has no right to; the other streams go on.

        :raises PageRefused: when something else is wrong
        """
        if self._context.skipped is None or refusal.status == 400 or walk.number > 1:
            raise refusal
        self._context.skipped.add(self.name)
        self.logger.warning(f"{self.name} is skipped. {refusal}")
        return self._nothing()

    @staticmethod
    def _nothing() -> Fetched:
        """An answer without rows that nobody has asked for."""
        response = requests.Response()
        vars(response)["retently_page"] = Page(1, [])
        return requests.PreparedRequest(), response

    def _first_token(self) -> Token:
        """Where the first page of a sync is, for streams that keep it in a state of their own."""
        return None

    # --------------------------------------------------------------------------------------------------- the state

    @property
    def state(self) -> MutableMapping[str, Any]:
        return super().state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        # Clients hand the mark of a finished full refresh back, and the CDK would read nothing, for ever.
        HttpStream.state.fset(self, {} if value == FULL_REFRESH_COMPLETE_STATE else value)  # type: ignore[attr-defined]

    # ------------------------------------------------------------------------------------------------------ the log

    def _report(self, walk: PageWalk, page: Page) -> None:
        """How far the stream has come: an estimate for the platform with the first page, and lines for who reads logs."""
        messages = self._context.messages
        if messages is None or not self.is_paged or page.total is None:
            return
        is_first = page.number == 1
        if is_first:
            estimate = AirbyteEstimateTraceMessage(name=self.name, type=EstimateType.STREAM, row_estimate=page.total)
            trace = AirbyteTraceMessage(type=TraceType.ESTIMATE, emitted_at=time.time() * 1000, estimate=estimate)
            messages.emit_message(AirbyteMessage(type=Type.TRACE, trace=trace))
        now = time.monotonic()
        if is_first or page.next_token is None or now - self._reported >= REPORT_EVERY:
            self._reported = now
            read = min(walk.rows_passed, page.total)
            self.logger.info(
                f"{self.name}: page {page.number} of {max(walk.last_page, page.number)}, {read:,} of {page.total:,} records"
            )

    def _warn_unfit(self, path: str, wanted: str, value: Any) -> None:
        if path not in self._unfit:
            self._unfit.add(path)
            self.logger.warning(
                f"{self.name}: {path} should be {wanted} but came as {type(value).__name__}; such values become null."
            )

    def _note_unknown(self, names: set[str]) -> None:
        new = names - self._unknown
        if new and len(self._unknown) < MOST_UNKNOWN:
            self._unknown |= new
            shown = ", ".join(sorted(name[:60] for name in new)[:MOST_UNKNOWN])
            self.logger.info(f"{self.name}: fields that the schema does not know are passed on: {shown}.")


class OneAnswer(RetentlyStream, ABC):
    """An endpoint that answers everything at once: it knows no pages, and is never asked for a second one."""

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return None


def value_at(body: Any, place: str) -> Any:
    """What stands at a place of a parsed body, with dots between the keys; None where there is no such place."""
    for key in place.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def paging_number(body: Any, name: str) -> int | None:
    """A paging number: in `data`, or beside it where the newest documentation has them (contradiction 2)."""
    numbers = (value_at(body, place) for place in (f"data.{name}", name))
    return next((number for number in numbers if type(number) is int and number >= 0), None)


def _answered(response: requests.Response) -> str:
    """When a response was sent, by the server's clock where it says so, as `source_retently.values.date_text` writes it."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
        return date_text(date.replace(tzinfo=date.tzinfo or timezone.utc))
    except (KeyError, TypeError, ValueError, OverflowError):
        return date_text(datetime.now(timezone.utc))


def stable_hash(value: Any) -> str:
    """32 hexadecimal digits that are the same for the same JSON value, in every run and on every machine."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
