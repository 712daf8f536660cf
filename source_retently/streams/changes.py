"""`ChangesStream`: a list that the API can't filter by change.

What changed is asked for first, where the API is seen to sort by it (`ChangesFirst`). Else, and once a day, the whole list is
read, and the rows that changed are emitted.
"""

from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from heapq import nlargest
from operator import itemgetter
from typing import Any

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.http.handler import PageRefused
from source_retently.http.lenient_json import MAX_LEVELS
from source_retently.streams.base import Fetched, PageToken, Records, Slice, response_without_body
from source_retently.streams.changes_first import ChangesFirst
from source_retently.streams.cursor import is_due
from source_retently.streams.incremental import CHANGE_MARGIN, IncrementalStream, now
from source_retently.streams.pages import End, PageReader, Row, Step
from source_retently.streams.progress import Progress
from source_retently.values import date_or_none, date_text, datetime_of

NEWEST_ROWS = 5
"""How many rows a state names, so that the next sync can see whether the API shows changes where their date belongs."""

CLOCK_GRAIN = timedelta(seconds=2)
"""How much later than a cursor a row may be dated that was made before it: the `Date` header has whole seconds."""


class ChangesStream(IncrementalStream, ABC):
    """Emits the rows that changed, by the latest of their dates, and those without a date.

    A reading of the whole list emits what changed since the last such reading began, a reading of changes what changed since
    the last reading of either kind began. Where no row has the cursor field, nothing is known of changes, and all rows are
    emitted each time.
    """

    filters_by_date = False
    created_field = "createdDate"
    """The date of a row without the cursor field."""
    change_fields: tuple[str, ...] = ()
    """Fields of any shape whose dates show a change, too."""

    _changes: ChangesFirst | None = None
    """The reading of changes; None while the whole list is read."""
    _unsorted: str | None = None
    _is_resumed = False

    # ------------------------------------------------------------------------------------------------- which way to read

    def begin(self, saved: PageToken) -> PageReader:
        cursor = self._cursor
        self._newest: dict[str, str] = {}
        self._emitted: set[str] = set()
        self._dated = self._undated = 0
        self._unsorted = cursor.unsorted
        self._is_resumed = bool(cursor.unfinished)  # what the first part has shown is not known
        if cursor.lacks_updated_date:
            self.logger.info(f"{self.name}: no record has an {self.cursor_field}, so all are emitted in each sync.")
        why = self._why_whole()
        if why or not (cursor.date and cursor.whole and self._start):
            return self._begin_whole(why, saved)
        due = date_text(datetime_of(cursor.whole) + self._settings.full_read_every)
        self.logger.info(f"{self.name}: asking for what changed since {self._start}; the whole list is next read after {due}.")
        field, last = str(self.cursor_field), date_text(datetime_of(cursor.date) + CLOCK_GRAIN)
        self._progress = Progress(self.name, self.logger, None)
        self._changes = ChangesFirst(self.page_size, self._start, last, cursor.newest or {}, field, self.created_field)
        self._paginator = self._changes
        return self._changes

    def _why_whole(self) -> str:
        """Why the whole list is read, and changes are not asked for; empty where they are."""
        cursor = self._cursor
        if cursor.unfinished:
            return "the last sync did not read all of it"
        if not cursor.date:
            return self.why_everything
        if is_due(cursor.whole, now(), self._settings.full_read_every):
            return f"it was last read at {cursor.whole}"
        if not is_due(cursor.unsorted, now()):
            return f"the API does not sort by {self.cursor_field}, as it showed at {cursor.unsorted}"
        return "" if cursor.newest else f"it has one page, or the last reading showed no order by {self.cursor_field}"

    def _begin_whole(self, why: str, saved: PageToken = None) -> PageReader:
        if self._changes:
            self._outcome.read[self.name] = 0  # the whole list has these rows again
        self._changes, self._start = None, self._lower_bound(self._cursor.whole)
        changes = f" for what changed since {self._start}" if self._start else ""
        self.logger.info(f"{self.name}: reading the whole list{changes}, because {why}.")
        return super().begin(saved)

    def fetch(self, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        try:
            return super().fetch(stream_slice, next_page_token)
        except AirbyteTracedException as error:
            if self._changes is None or isinstance(error, PageRefused) or error.failure_type is FailureType.config_error:
                raise
            self.logger.warning(f"{self.name}: {error.message} Reading the whole list instead.")
            return response_without_body(504)  # perhaps it is the sort that the API can't do

    # ------------------------------------------------------------------------------------------------------ the response

    def records(self, response: requests.Response, stream_slice: Slice = None) -> Records:
        """The rows of a page that changed. After one that proves nothing, the whole list is read."""
        records = super().records(response, stream_slice)  # it notes when the reading started before it takes a row
        started = self._reading.started
        if started and self._cursor.date and datetime_of(self._cursor.date) > datetime_of(started) + CHANGE_MARGIN:
            if self._changes:
                self._step = Step()
                self._begin_whole("the API's clock was set back")
                return
            self._start = self._lower_bound(None)  # dates tell nothing about the last sync
        yield from records
        if self._changes and self._changes.doubt:
            self._unsorted = date_text(now()) if self._changes.is_unsorted else self._unsorted
            self._begin_whole(self._changes.doubt)

    def emit(self, step: Step, response: requests.Response) -> Records:
        dates = {str(row[str(self.primary_key)]): row.get(str(self.cursor_field)) for row in step.rows}
        dated = {key: date for key, date in dates.items() if date}
        self._dated += len(dated)
        self._undated += len(dates) - len(dated)
        # Not those of the moment in which the reading began, or of the future: they would push out the other rows.
        past = {key: date for key, date in dated.items() if date <= self._reading.started}
        self._newest = dict(nlargest(NEWEST_ROWS, {**self._newest, **past}.items(), key=itemgetter(1)))
        rows = super().emit(step, response)
        return self._once(rows) if self._changes or self._emitted else rows

    def _once(self, rows: Records) -> Records:
        """Leaves out what was emitted before the whole list had to be read; a later change comes with the next sync."""
        for row in rows:
            key = str(row[str(self.primary_key)]) if isinstance(row, dict) else None
            if key not in self._emitted:
                yield row
            if key and self._changes:
                self._emitted.add(key)

    def date_of(self, row: Row) -> str | None:
        """When the row changed last: the latest of its dates that are not in the future."""
        if self._cursor.lacks_updated_date:
            created: str | None = row.get(self.created_field)
            return created if created and created < (self._start_date or "") else None
        date: str | None = row.get(str(self.cursor_field)) or row.get(self.created_field)
        changes = [found for name in self.change_fields if row.get(name) for found in dates_in(row[name])]
        return max((found for found in changes if date and date < found <= self._reading.started), default=date)

    # ----------------------------------------------------------------------------------------------------------- the end

    def keep_position(self, saved: Mapping[str, Any]) -> None:
        if self._changes is None:
            super().keep_position(saved)

    def end_reading(self, end: End) -> None:
        if self._changes:
            self._set_cursor(self._cursor.after_changes(self._reading, self._newest, self._start))
            return
        super().end_reading(end)
        if self._dated or (self._undated and not self._is_resumed):
            self._set_cursor(replace(self._cursor, lacks_updated_date=not self._dated))
        shows_order = not (self._is_resumed or self._undated or end.may_lack_rows) and end.position > self.page_size
        self._set_cursor(replace(self._cursor, newest=self._newest if shows_order else None, unsorted=self._unsorted))

    def _finish(self, end: End) -> None:
        if self._changes is None:
            super()._finish(end)
        else:
            self.logger.info(f"{self.name}: {len(self._emitted):,} records, changes since {self._start}")


def dates_in(value: Any, levels: int = MAX_LEVELS) -> Iterator[str]:
    """Every date in a value of unknown shape, as `values.utc` writes it; none below the levels that a record keeps."""
    if isinstance(value, (dict, list)):
        for inner in (value.values() if isinstance(value, dict) else value) if levels else ():
            yield from dates_in(inner, levels - 1)
    elif isinstance(value, str) and (date := date_or_none(value)):
        yield date
