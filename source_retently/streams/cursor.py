"""`Cursor`: the state of an incremental stream, a frozen value with pure transitions. Nothing here knows HTTP or the CDK."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from source_retently.streams.pages import End
from source_retently.values import NotCoercible, date_or_none, date_text, datetime_of, utc

CLOCK_TOLERANCE = timedelta(days=1)
"""How far a cursor may lie ahead of this machine's clock before it is ignored."""
REMEMBERED_FOR = timedelta(days=1)
"""How long a sync remembers what costs more requests than it should take each hour."""


@dataclass(frozen=True)
class Reading:
    """What one reading of a list has shown so far."""

    asked_from: str | None = None
    """The `startDate` of its requests; None for none."""
    started: str = ""
    """When the first page was asked for, by the API's clock."""
    newest: str = ""
    """The newest date of a row that was read, if it is not later than that."""
    has_undated_rows: bool = False
    """Whether a row has no date, so that a filter by date would hide it."""
    sync: str = "incremental"
    """Which syncs may resume it: incremental ones, or the attempts of one full refresh."""
    start_date: str | None = None
    """The configured start date, before which no row is emitted."""

    def resumed(self, unfinished: Mapping[str, Any]) -> "Reading | None":
        """The reading that an earlier sync did not finish; None where it asked for other rows, or belongs to another sync."""
        started, newest = unfinished.get("started"), unfinished.get("newest")
        is_same = all(unfinished.get(name) == getattr(self, name) for name in ("asked_from", "sync", "start_date"))
        if not (is_same and unfinished.get("keys") and _is_date(started) and (newest == "" or _is_date(newest))):
            return None
        return replace(
            self, started=str(started), newest=str(newest), has_undated_rows=unfinished.get("has_undated_rows") is True
        )


@dataclass(frozen=True)
class Cursor:
    """The state of an incremental stream."""

    date: str | None = None
    """Up to where everything was emitted; None before the first complete sync."""
    unfinished: Mapping[str, Any] | None = None
    """A reading that is not finished, with the paginator's position."""
    undated_read: str | None = None
    """When the list was last read without dates, because some of its rows have none."""
    order_changed: str | None = None
    """When the list was last read several times, because its order changes."""
    wrong_total: Mapping[str, int] | None = None
    """The last total that differed from the rows of the list, and their number."""
    lacks_updated_date: bool = False
    """Whether no row of the last complete reading had an `updatedDate`."""
    whole_read: str | None = None
    """Up to where the whole list was read, where later readings asked for changes only; `date` where it is None."""
    newest: Mapping[str, str] | None = None
    """Keys and dates of the newest rows of the last reading; None where changes can't be asked for."""
    unsorted: str | None = None
    """When the API last refused or ignored to sort by change, or had rows without that date."""
    start_date: str | None = None
    """The configured start date when the rows were first read; older ones were not emitted. None where all were."""

    @property
    def whole(self) -> str | None:
        """Up to where the whole list was read."""
        return self.whole_read or self.date

    @classmethod
    def of(cls, state: Mapping[str, Any], field: str, now: datetime) -> "Cursor":
        """The cursor in a state; anything else in it is ignored.

        :raises ValueError: when its date is not a date, or far in the future
        """
        date, unfinished, wrong = state.get(field), state.get("unfinished"), state.get("wrong_total")
        newest = state.get("newest")
        try:
            date = utc(date) if date is not None else None
        except NotCoercible:
            date = ""
        if date is not None and not "" < date <= date_text(now + CLOCK_TOLERANCE):
            raise ValueError("not a date of the past")
        is_count = isinstance(wrong, Mapping) and all(type(wrong.get(name)) is int for name in ("rows", "total"))
        return cls(
            date,
            dict(unfinished) if isinstance(unfinished, Mapping) else None,
            _text(state.get("undated_read")),
            _text(state.get("order_changed")),
            dict(wrong) if is_count and isinstance(wrong, Mapping) else None,
            state.get("lacks_updated_date") is True,
            date_or_none(state.get("whole_read")),
            {str(key): str(at) for key, at in newest.items()} if isinstance(newest, Mapping) else None,
            _text(state.get("unsorted")),
            date_or_none(state.get("start_date")),
        )

    def state(self, field: str) -> dict[str, Any]:
        """The state that `of` reads; the date under the name of the cursor field."""
        return {(field if name == "date" else name): value for name, value in asdict(self).items() if value}

    def after_page(self, saved: Mapping[str, Any], reading: Reading) -> "Cursor":
        """The cursor while a list is read: only the position moves."""
        return replace(self, unfinished={**saved, **asdict(reading)})

    def after_end(self, date: str | None, end: End, reading: Reading, *, since: str | None, repeated: bool) -> "Cursor":
        """The cursor after a list was read to its end.

        :param date: up to where everything was emitted, if nothing is missing
        :param since: rows from before it were not emitted
        :param repeated: whether the list would have been read again if its order had changed
        """
        undated = reading.started if reading.has_undated_rows else None
        # A date in the future, from a state, would hide all changes until then.
        before = min(self.date, reading.started) if self.date else ""
        return replace(
            self,
            date=self.date if end.may_lack_rows else max(before, date or "") or None,
            unfinished=None,
            start_date=self._first_date(reading, since),
            whole_read=self.whole_read if end.may_lack_rows else None,
            undated_read=self.undated_read if reading.asked_from else undated,
            order_changed=(reading.started if repeated else self.order_changed) if end.order_changed else None,
        )

    def after_changes(self, reading: Reading, newest: Mapping[str, str], since: str | None) -> "Cursor":
        """The cursor after what changed was read: the whole list is still due as before."""
        start_date = self._first_date(reading, since)
        return replace(self, date=reading.started, whole_read=self.whole, newest=newest, start_date=start_date)

    def _first_date(self, reading: Reading, since: str | None) -> str | None:
        """The start date before which rows were left out, after a reading that emitted rows since a date."""
        if self.date is None or (reading.start_date or "") > self.date:
            return reading.start_date
        if self.start_date and since:
            return min(self.start_date, since)  # the look-back window brought what was left out
        return self.start_date

    def is_news(self, end: End) -> bool:
        """Whether a wrong total differs from the list by much more than the last wrong one."""
        if self.wrong_total is None or end.total is None:
            return True
        last, current = self.wrong_total["total"] - self.wrong_total["rows"], end.total - end.position
        return last * current < 0 or abs(current) > 2 * abs(last)


def is_due(last: str | None, now: datetime, every: timedelta = REMEMBERED_FOR) -> bool:
    """Whether `last` is None, that long ago, or that far in the future, as after a clock was set back."""
    try:
        return last is None or not now - every < datetime_of(last) <= now + every
    except ValueError:
        return True


def _is_date(value: Any) -> bool:
    """Whether a value is a date as `date_text` writes it."""
    return isinstance(value, str) and date_or_none(value) == value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
