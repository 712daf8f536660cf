"""`IncrementalStream`: the CDK's side of a `Cursor`: slices, state, and which rows of a page are emitted."""

from abc import ABC
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import requests
from airbyte_cdk.models import SyncMode
from requests.auth import AuthBase

from source_retently.http.clock import api_time
from source_retently.run_context import Outcome, Settings
from source_retently.streams.base import PageToken, Records, Slice, State
from source_retently.streams.cursor import Cursor, Reading, is_due
from source_retently.streams.paged import PagedStream
from source_retently.streams.pages import End, PageReader, Row, Step
from source_retently.streams.saved_position import SavedPosition
from source_retently.values import date_text, datetime_of

BOUND_MARGIN = timedelta(seconds=1)
"""Whether the API's date bounds are inclusive is unknown (docs/api.md#date-bounds), so a second more is asked for."""
CHANGE_MARGIN = timedelta(minutes=5)
"""How long before the last sync began a change counts as new: a replica may show it late, with its earlier date."""


class IncrementalStream(PagedStream, ABC):
    """A stream whose state is a date, up to which everything was emitted.

    The date moves once, when the list was read to its end; so it does not matter in which order the API sorts the rows, nor
    whether it filters them (they are filtered here again). Until then the state contains the keys of the rows read last, so
    that a killed sync can be resumed. The date never moves past the time, by the API's clock, at which the first page was asked
    for: a row dated 2099 must not end all future syncs.

    Subclasses declare `cursor_field` beside what `RetentlyStream` asks for.
    """

    filters_by_date = True
    """Whether `startDate` is known to filter by the cursor field. Else the whole list is read, and what changed is emitted."""

    def __init__(
        self, authenticator: AuthBase | None = None, settings: Settings | None = None, outcome: Outcome | None = None
    ) -> None:
        super().__init__(authenticator, settings, outcome)
        self._cursor = Cursor()
        self._reading = Reading()
        self._start: str | None = None
        self._has_state = False

    # ------------------------------------------------------------------------------------------------------ the state

    @property
    def state(self) -> MutableMapping[str, Any]:
        return self._state  # the CDK asks for it after each record

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        field = str(self.cursor_field)
        self._has_state = bool(value)
        try:
            self._set_cursor(Cursor.of(value, field, now()))
        except ValueError:
            self.logger.warning(f"{self.name}: the state's {field} is not a date of the past; reading everything again.")
            self._set_cursor(Cursor())

    def _set_cursor(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._state = cursor.state(str(self.cursor_field))

    # ------------------------------------------------------------------------------------------------------- the sync

    def stream_slices(
        self, *, sync_mode: SyncMode, cursor_field: list[str] | None = None, stream_state: State = None
    ) -> Iterable[Mapping[str, Any]]:
        """One slice: the date from which this sync asks for rows, where there is one."""
        if sync_mode == SyncMode.full_refresh:
            self._set_cursor(replace(self._cursor, date=None, whole_read=None))
        self._start = self._lower_bound(self._cursor.date)
        asked_from = self._start if self.filters_by_date else None
        is_without_dates = bool(asked_from and self._cursor.undated_read and is_due(self._cursor.undated_read, now()))
        if is_without_dates:
            asked_from = None
        sync = "incremental" if sync_mode == SyncMode.incremental else f"full refresh {self._sync_id}"
        start_date = self._start_date
        fresh = Reading(asked_from, sync=sync, start_date=start_date)
        reading = fresh.resumed(self._cursor.unfinished or {})
        self._reading = reading or fresh
        if reading is None:
            self._set_cursor(replace(self._cursor, unfinished=None))
        is_earlier = self._cursor.date and self._cursor.start_date and (start_date or "") < self._cursor.start_date
        if is_earlier and self._start != start_date:
            self.logger.warning(
                f"{self.name}: start_date was moved back, but what is older than {self._cursor.start_date} was not read, and "
                "an incremental sync does not bring it: refresh the stream, or set the old start_date again."
            )
        if self.filters_by_date:
            self.logger.info(f"{self.name}: {self._why(is_without_dates=is_without_dates)}.")
        yield _bounds(asked_from)

    def _why(self, *, is_without_dates: bool) -> str:
        """What is read, and why; the first line of the stream in the log."""
        if saved := SavedPosition(self._cursor.unfinished, self.date_field):
            return f"resuming after record {saved.position:,}, where the last sync stopped"
        if is_without_dates:
            return f"reading everything, as once a day, because some records have no {self.cursor_field}"
        if self._start is None:
            return f"reading everything, because {self.why_everything}"
        if self._start == self._reading.start_date:
            return f"from {self._start}, the start_date"
        return f"from {self._start}, the newest record less {self._settings.lookback.days} days of look-back"

    @property
    def why_everything(self) -> str:
        """Why the sync has no date to begin at."""
        is_full = self._reading.sync != "incremental"
        return "this is a full refresh" if is_full else "no sync has read it to its end yet"

    @property
    def _start_date(self) -> str | None:
        return date_text(self._settings.start_date) if self._settings.start_date else None

    def _lower_bound(self, cursor: str | None) -> str | None:
        """The date before which no row is emitted, where everything up to the cursor was; None for none."""
        start = self._start_date
        if not cursor:
            return start
        try:
            margin = self._settings.lookback if self.filters_by_date else CHANGE_MARGIN
            return max(date_text(min(datetime_of(cursor), now()) - margin), start or "")
        except OverflowError:
            return start

    def request_params(
        self, stream_state: State, stream_slice: Slice = None, next_page_token: PageToken = None
    ) -> MutableMapping[str, object]:
        bounds = {name: value for name, value in (stream_slice or {}).items() if name == "startDate"}
        return {**super().request_params(stream_state, stream_slice, next_page_token), **bounds}

    def begin(self, saved: PageToken) -> PageReader:
        return super().begin(saved or self._cursor.unfinished)

    @property
    def date_field(self) -> str:
        return str(self.cursor_field) if self.filters_by_date else super().date_field

    @property
    def most_readings(self) -> int:
        return super().most_readings if is_due(self._cursor.order_changed, now()) else 1

    def records(self, response: requests.Response, stream_slice: Slice = None) -> Records:
        if response.status_code == 200 and not self._reading.started:
            self._reading = replace(self._reading, started=date_text(api_time(response)))
        return super().records(response, stream_slice)

    def emit(self, step: Step, response: requests.Response) -> Records:
        """The rows of a step that are in the sync's dates, or have no date, and a state."""
        reading, start = self._reading, self._start
        dates = [self.date_of(row) for row in step.rows]
        newest = max((date for date in dates if date and date <= reading.started), default="")
        self._reading = replace(
            reading,
            newest=max(reading.newest, newest),
            has_undated_rows=reading.has_undated_rows or (self.filters_by_date and None in dates),
        )
        yield from (row for row, date in zip(step.rows, dates, strict=True) if not start or date is None or date >= start)
        if step.end:
            self.end_reading(step.end)
        elif self._paginator:
            self.keep_position(self._paginator.saved)
            self._has_state = True
            if self._state_manager:
                # With each page, whether it has rows to emit or not: platforms stop a source without a message for too long.
                yield self._checkpoint_state(self._state, self._state_manager)  # type: ignore[misc]

    def keep_position(self, saved: Mapping[str, Any]) -> None:
        """Keeps in the state how far the list was read."""
        self._set_cursor(self._cursor.after_page(saved, self._reading))

    def forget_other_syncs(self) -> None:
        pass  # `Reading.sync` says which syncs may resume it

    def date_of(self, row: Row) -> str | None:
        """The date of a row, to compare with the cursor; None where it has none."""
        date: str | None = row.get(str(self.cursor_field))
        return date

    def end_reading(self, end: End) -> None:
        """Moves the cursor, over rows that were emitted."""
        # An empty list does not prove that nothing changed: the date stays, for the changes that come when the rows are back.
        date = self._reading.newest if self.filters_by_date or not end.seen else self._reading.started
        repeated = self.most_readings > 1
        self._set_cursor(self._cursor.after_end(date, end, self._reading, since=self._start, repeated=repeated))
        if self._has_state and not self._state:
            # The CDK emits no empty state, so the last one would be that of an unfinished reading.
            self._state = {str(self.cursor_field): None}

    def warn_wrong_total(self, end: End) -> None:
        if self._cursor.is_news(end):
            super().warn_wrong_total(end)
            self._set_cursor(replace(self._cursor, wrong_total={"rows": end.position, "total": end.total or 0}))
        else:
            self.logger.debug(f"{self.name}: the API counts {end.total} records, its list has {end.position}, as before.")


def now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(timezone.utc)


def _bounds(start: str | None) -> dict[str, str]:
    """The date bound of a request: ISO 8601 in whole seconds (docs/api.md#dates), and not in the future, which the API may
    refuse.

    There is no `endDate`: rows that are inserted meanwhile do no harm, and the clocks of this machine and the API may differ.
    """
    with suppress(OverflowError):  # there is nothing before the first second of the year 1
        if start:
            return {"startDate": date_text(min(datetime_of(start), now()) - BOUND_MARGIN)[:19] + "Z"}
    return {}
