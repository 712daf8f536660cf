"""`ChangesStream`: a list that the API can't filter by change. All of it is read, and the rows that changed are emitted."""

from abc import ABC
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import requests

from source_retently.streams.base import PageToken, Records
from source_retently.streams.incremental import IncrementalStream
from source_retently.streams.pages import End, Row, Step
from source_retently.streams.paging import Paginator
from source_retently.values import date_or_none


class ChangesStream(IncrementalStream, ABC):
    """Emits the rows whose latest date is not before the last complete reading, and those without a date.

    Where no row has the cursor field, nothing is known of changes, and all rows are emitted each time.
    """

    filters_by_date = False
    created_field = "createdDate"
    """The date of a row without the cursor field."""
    change_fields: tuple[str, ...] = ()
    """Fields of any shape whose dates show a change, too."""

    _has_cursor_field: bool | None = None
    """Whether a row of this reading has the cursor field; None before the first row."""
    _is_resumed = False

    def begin(self, saved: PageToken) -> Paginator:
        self._has_cursor_field = None
        self._is_resumed = bool(self._cursor.unfinished)  # what the first part has shown is not known
        if self._cursor.lacks_updated_date:
            self.logger.info(f"{self.name}: no record has an {self.cursor_field}, so all are emitted in each sync.")
        return super().begin(saved)

    def emit(self, step: Step, response: requests.Response) -> Records:
        if step.rows:
            self._has_cursor_field = bool(self._has_cursor_field) or any(row.get(str(self.cursor_field)) for row in step.rows)
        return super().emit(step, response)

    def date_of(self, row: Row) -> str | None:
        """When the row changed last: the latest of its dates that are not in the future."""
        if self._cursor.lacks_updated_date:
            return None
        date: str | None = row.get(str(self.cursor_field)) or row.get(self.created_field)
        changes = [found for name in self.change_fields if row.get(name) for found in dates_in(row[name])]
        return max((found for found in changes if date and date < found <= self._reading.started), default=date)

    def end_reading(self, end: End) -> None:
        super().end_reading(end)
        if self._has_cursor_field is not None and (self._has_cursor_field or not self._is_resumed):
            self._set_cursor(replace(self._cursor, lacks_updated_date=not self._has_cursor_field))


def dates_in(value: Any) -> Iterator[str]:
    """Every date in a value of unknown shape, as `values.utc` writes it."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from dates_in(inner)
    elif isinstance(value, str) and (date := date_or_none(value)):
        yield date
