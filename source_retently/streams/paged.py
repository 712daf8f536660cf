"""`PagedStream`: a list that comes in pages. The paginator decides what to ask for; this class asks, and says what happened."""

from abc import ABC
from collections.abc import MutableMapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from typing import Any

import requests
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import FailureType

from source_retently.answers import failure
from source_retently.http import PageRefused
from source_retently.streams.base import (
    NO_CONTENT,
    SYNC_ID,
    Fetched,
    Records,
    RetentlyStream,
    Token,
    stable_hash,
    value_at,
    without_body,
)
from source_retently.streams.paging import MADE_KEY, MOST_READINGS, End, Page, Paginator, Request, Step
from source_retently.streams.prefetch import Prefetch
from source_retently.streams.progress import Progress


class PagedStream(RetentlyStream, ABC):
    """A list endpoint that comes in pages: `next_page_token` returns `self.next_page(response)`.

    The token of the next page is the paginator's `saved`, which a killed sync can go on from. Where a page goes wrong (the
    list changed, the API refused it), its step has no rows and an earlier page.
    """

    is_paged = True

    _paginator: Paginator | None = None
    _step: Step
    _prefetch: Prefetch[Request, Fetched] | None = None
    _progress: Progress

    # ------------------------------------------------------------------------------------------------- the request

    def request_params(
        self, stream_state: Token, stream_slice: Token = None, next_page_token: Token = None
    ) -> MutableMapping[str, Any]:
        page = next_page_token or {"page": 1, "limit": self.page_size}
        return {"page": page["page"], "limit": page["limit"], **({"sort": self.sort} if self.sort else {})}

    def _fetch_next_page(
        self, stream_slice: Token = None, stream_state: Token = None, next_page_token: Token = None
    ) -> Fetched:
        paginator, prefetch = self._paginator, self._prefetch
        next_page_token = {name: value for name, value in (next_page_token or {}).items() if name != SYNC_ID} or None
        if paginator is None or prefetch is None or next_page_token is None or next_page_token != paginator.saved:
            paginator = self._begin(next_page_token)
            prefetch = self._prefetch = Prefetch(partial(self._fetch, stream_slice, stream_state))
        # What is finished must not wait in a buffer for as long as the next response may take.
        PRINT_BUFFER.flush()
        try:
            return prefetch.get(paginator.request)
        except PageRefused as refusal:
            if paginator.can_take(refusal.status):
                return without_body(refusal.status)
            if refusal.status != 404 or paginator.request.number > 1 or not self.old_path or self.uses_old_path:
                raise
            self.logger.info(f"{self.name}: {self.path()} was not found (HTTP 404), asking for {self.old_path}.")
            self.uses_old_path = True
            return self._fetch_next_page(stream_slice, stream_state, next_page_token)

    def _fetch(self, stream_slice: Token, stream_state: Token, request: Request) -> Fetched:
        """One page, by the CDK; several of them may be under way in threads."""
        token = {"page": request.number, "limit": request.limit}
        return super(RetentlyStream, self)._fetch_next_page(stream_slice, stream_state, token)

    def _begin(self, saved: Token) -> Paginator:
        self._paginator = Paginator(self.page_size, saved, date_field=self.date_field, most_readings=self.most_readings)
        self._progress = Progress(self.name, self.logger, self._context.messages)
        return self._paginator

    @property
    def date_field(self) -> str:
        """The field by which rows that are sorted alike are told apart when a killed sync goes on."""
        return self.sort or ""

    @property
    def most_readings(self) -> int:
        """How often a list whose order changes is read, at the most."""
        return MOST_READINGS

    # ------------------------------------------------------------------------------------------------ the response

    def records(self, response: requests.Response, stream_slice: Token = None) -> Records:
        """The rows of a page that were not read before.

        :raises AirbyteTracedException: when the list can't be read to its end
        """
        if response.status_code == NO_CONTENT:
            self._step = Step(end=End(0, 0, None, order_changed=False, may_lack_rows=False, overlaps=True))
            return
        paginator = self._paginator or self._begin(None)
        page = self._page(response)
        self._step = step = paginator.take(page)
        self._prefetch_after(page.total)
        if step.event:
            self.logger.info(f"{self.name}: {step.event}.")
        if step.failure:
            self._paginator = None
            raise failure(
                f"Retently's list of {self.name} can't be read to its end, because {step.failure}: "
                "try again later, and report it if it stays so.",
                FailureType.transient_error,
            )
        if page.status == 200:
            self._progress.page(paginator.position, paginator.size, page.total)
        yield from self.emit(step, response)
        if step.end:
            self._finish(step.end)

    def next_page(self, response: requests.Response) -> Token:
        """The token of the page after this one; None after the last."""
        if self._step.end or self._paginator is None:
            return None
        return {**self._paginator.saved, **({SYNC_ID: self._sync_id} if self._sync_id else {})}

    def emit(self, step: Step, response: requests.Response) -> Records:
        """What to emit of a step."""
        return step.rows

    def _page(self, response: requests.Response) -> Page:
        if response.status_code != 200:
            return Page(status=response.status_code)
        body = self.body_of(response)
        keys, rows = [], []
        for item in self.rows_in(body) or []:
            mark = "" if isinstance(item, dict) and self.has_own_key(item) else MADE_KEY
            row = self.prepare(item, {})
            keys.append(mark + (stable_hash(item) if row is None else str(row[self.primary_key])))
            rows.append(row)
        return Page(keys, rows, paging_number(body, "total"), paging_number(body, "limit"))

    def _prefetch_after(self, total: int | None) -> None:
        if self._paginator and self._prefetch and self._context.workers > 1:
            # Nothing is foreseen after a page that went wrong: what was fetched ahead shows the list as it was before.
            self._prefetch.expect(islice(self._paginator.foreseen(total), self._context.workers))

    def _finish(self, end: End) -> None:
        """Says how the reading ended."""
        if end.may_lack_rows:
            self.logger.warning(
                f"{self.name}: {end.seen:,} of {end.position:,} records came, because the API "
                f"{'changed the order of rows' if end.order_changed else 'moved rows'} while they were read; "
                "the others will be looked for in later syncs."
            )
        elif end.total_is_wrong:
            self._warn_wrong_total(end)
        self._progress.end(end)

    def _warn_wrong_total(self, end: End) -> None:
        self.logger.warning(
            f"{self.name}: the API counts {end.total:,} records, but its list has {end.position:,}; the list is believed."
        )


def paging_number(body: Any, name: str) -> int | None:
    """A paging number: in `data`, or beside it where the newest documentation has them (docs/api.md#paging-place)."""
    numbers = (value_at(body, path) for path in (f"data.{name}", name))
    return next((number for number in numbers if type(number) is int and number >= 0), None)


def api_time(response: requests.Response) -> datetime:
    """When a request was made, by the server's clock where it says so; never later than that."""
    try:
        answered = parsedate_to_datetime(response.headers["Date"])
        return answered.replace(tzinfo=answered.tzinfo or timezone.utc).astimezone(timezone.utc) - response.elapsed
    except (KeyError, TypeError, ValueError, OverflowError):
        return datetime.now(timezone.utc) - response.elapsed
