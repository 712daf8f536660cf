"""`IncrementalStream`: cursor state on top of the page walk."""

from abc import ABC
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import requests
from airbyte_cdk.models import SyncMode
from requests.auth import AuthBase

from source_retently.context import HttpContext
from source_retently.streams.base import RetentlyStream, Token
from source_retently.streams.walk import Row
from source_retently.values import Unfit, date_of, date_text, utc

CLOCK_TOLERANCE = timedelta(days=1)
"""How far a cursor may lie ahead of this machine's clock before it is taken for nonsense."""
BOUND_MARGIN = timedelta(seconds=1)
"""Whether the API's date bounds are inclusive is unknown (contradiction 15), so a second more is asked for."""
UNFINISHED = "unfinished"
"""The key of a state under which an unfinished sync keeps where it stopped."""


@dataclass(frozen=True)
class Span:
    """The dates between which one sync reads, as text of 24 characters; `start` None means from the beginning."""

    start: str | None
    end: str


class IncrementalStream(RetentlyStream, ABC):
    """A stream whose state is one date: the cursor of the newest row that was emitted.

    The date moves once, when all pages were read and emitted; so it does not matter in which order the API sorts them, nor
    whether it filters as asked (rows are filtered here again). Until then the state says beside it where the walk stands,
    so that a killed sync goes on with the next page. A date after the sync's start never becomes the state: a row dated
    2099 must not end all future syncs.

    Subclasses declare `cursor_field` beside what `RetentlyStream` asks for.
    """

    is_paged = True
    filters_by_date = True
    """Whether `startDate` and `endDate` are known to filter by the cursor field."""
    has_late_changes = True
    """Whether rows change without a new cursor date, so that the look-back window applies."""

    def __init__(self, authenticator: AuthBase | None = None, context: HttpContext | None = None) -> None:
        super().__init__(authenticator, context)
        self._window = self._context.window
        self._remember(None, {})
        self._span = Span(None, date_text(_now()))
        self._newest = ""
        self._is_checkpoint_due = False

    # ------------------------------------------------------------------------------------------------------ the state

    @property
    def state(self) -> MutableMapping[str, Any]:
        return self._state  # asked for after each record

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        position = self._readable(value.get(str(self.cursor_field)))
        unfinished = value.get(UNFINISHED)
        self._remember(position, dict(unfinished) if isinstance(unfinished, Mapping) else {})

    def _remember(self, position: str | None, unfinished: Mapping[str, Any]) -> None:
        self._position = position
        self._unfinished = unfinished
        self._state = {
            **({str(self.cursor_field): position} if position else {}),
            **({UNFINISHED: unfinished} if unfinished else {}),
        }

    def _readable(self, position: Any) -> str | None:
        """The cursor of a state, or None (read everything) where it is none or lies far in the future."""
        if position is None:
            return None
        try:
            date = utc(position)
        except Unfit:
            date = None
        if date is None or date > date_text(_now() + CLOCK_TOLERANCE):
            field = self.cursor_field
            self.logger.warning(f"{self.name}: the state's {field} is not a date of the past; reading everything again.")
            return None
        return date

    @property
    def state_checkpoint_interval(self) -> int | None:
        # The CDK asks after every record: a state goes out with the last record of a page.
        return 1 if self._is_checkpoint_due else None

    # ------------------------------------------------------------------------------------------------------- the sync

    def stream_slices(
        self, *, sync_mode: SyncMode, cursor_field: list[str] | None = None, stream_state: Token = None
    ) -> Iterable[Mapping[str, Any]]:
        """One slice: the dates between which this sync asks for rows."""
        stopped = self._unfinished
        self._remember(None if sync_mode == SyncMode.full_refresh else self._position, stopped)
        self._span = Span(self._lower_bound(), date_text(_now()))
        # Page numbers only mean the same rows within the same dates.
        if isinstance(stopped.get("end"), str) and stopped.get("start") == self._span.start:
            self._span = Span(self._span.start, stopped["end"])
            self._newest = str(stopped.get("newest", ""))
        else:
            self._newest = ""
            self._remember(self._position, {})
        yield self._bounds() if self.filters_by_date else {}

    def _lower_bound(self) -> str | None:
        start = date_text(self._window.start_date) if self._window.start_date else None
        if not self._position:
            return start
        lookback = self._window.lookback if self.has_late_changes else timedelta(0)
        try:
            return max(date_text(date_of(self._position) - lookback), start or "")
        except OverflowError:
            return start

    def _bounds(self) -> dict[str, str]:
        bounds = {"endDate": _seconds(date_of(self._span.end) + BOUND_MARGIN)}
        with suppress(OverflowError):  # nothing lies before the first second of the year 1
            if self._span.start:
                bounds["startDate"] = _seconds(date_of(self._span.start) - BOUND_MARGIN)
        return bounds

    def request_params(
        self, stream_state: Token, stream_slice: Token = None, next_page_token: Token = None
    ) -> MutableMapping[str, Any]:
        bounds = {name: value for name, value in (stream_slice or {}).items() if name in ("startDate", "endDate")}
        return {**super().request_params(stream_state, stream_slice, next_page_token), **bounds}

    def _first_token(self) -> Token:
        return self._unfinished or None

    def records(self, response: requests.Response) -> Iterable[Row]:
        """The new records of a page that lie in the sync's dates; rows without a date are always among them."""
        page = self._page(response)
        rows, dates = page.rows, self._dates_of(page.rows)
        self._newest = max(self._newest, max((date for date in dates if date and date <= self._span.end), default=""))
        if start := self._span.start:
            rows = [row for row, date in zip(rows, dates, strict=True) if date is None or date >= start]
        yield from rows[:-1]
        if page.next_token:
            self._remember(self._position, {**page.next_token, **asdict(self._span), "newest": self._newest})
        else:
            self._remember(max(self._position or "", self._newest) or None, {})
        self._is_checkpoint_due = bool(page.next_token)
        yield from rows[-1:]
        self._is_checkpoint_due = False

    def _dates_of(self, rows: list[Row]) -> list[str | None]:
        """The place of each row in the order of the cursor; None where it has no date."""
        field = str(self.cursor_field)
        return [row.get(field) for row in rows]


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _seconds(date: datetime) -> str:
    """A date as the API takes it: ISO 8601 in whole seconds (reference 1.7)."""
    return date_text(date)[:19] + "Z"
