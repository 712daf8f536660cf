"""What the paginator takes and gives, as frozen values: a `Request` for a page, the `Page`, the `Step` after it, the `End`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Row = dict[str, Any]

GENERATED_KEY_PREFIX = "#"
"""How a key begins that was generated from the content of the row, because the API gave none: equal rows have equal ones."""


@dataclass(frozen=True)
class Request:
    """A page to ask for."""

    number: int
    """Page number, from 1."""
    limit: int
    """Rows a page."""
    sort: str = ""
    """What to sort by in place of the stream's own field."""

    @property
    def begin(self) -> int:
        """Rows of the list before this page."""
        return (self.number - 1) * self.limit


@dataclass(frozen=True)
class Page:
    """One response of a list endpoint."""

    keys: Sequence[str] = ()
    """The key of each row; of what can't be read as a row, a hash."""
    rows: Sequence[Row | None] = ()
    """The rows, in the order of their keys; None for what can't be read as a row."""
    total: int | None = None
    """Rows of the whole list, as the response counts them."""
    limit: int | None = None
    """Rows a page, as the response repeats them."""
    size: int = 0
    """Bytes of the response."""
    status: int = 200
    """400 or 404 where the API refused the page, 504 where it can't serve it in time."""


@dataclass(frozen=True)
class End:
    """How a reading ended."""

    position: int
    """Rows of the list, counted by their positions."""
    seen: int
    """Rows that were read; fewer where some are missing."""
    total: int | None
    """Rows of the list as its last page counts them."""
    order_changed: bool
    """Whether the API changed the order of rows while they were read."""
    may_lack_rows: bool
    """Whether fewer rows than positions were read, the API leaves rows out of its pages, or the order changed and no total
    proves that all were read."""
    overlaps: bool
    """Whether every page after the first began with a row that had been read."""

    @property
    def total_is_wrong(self) -> bool:
        return self.total is not None and self.total != self.position


@dataclass(frozen=True)
class Step:
    """What follows from a page."""

    rows: Sequence[Row] = ()
    """The rows to emit: those that were not seen before."""
    end: End | None = None
    """Set when the list has been read to its end."""
    event: str = ""
    """What happened, for the log."""
    failure: str = ""
    """Why the list can't be read; nothing more can be asked."""


class PageReader(Protocol):
    """Reads a list: ask for `request`, give the response to `take`, emit the rows of its step."""

    request: Request
    """What to ask for next."""
    saved: Mapping[str, Any]
    """What a later run needs to go on."""
    position: int
    """Rows of the list up to the page taken last."""

    @property
    def size(self) -> int:
        """Rows of the largest page."""

    def can_take(self, status: int) -> bool:
        """Whether a response with this status is about the page, and not about the stream."""

    def foreseen(self, total: int | None) -> Iterator[Request]:
        """The next requests, if every page comes full."""

    def take(self, page: Page) -> Step:
        """Moves on by one response."""


def dates_of(page: Page, date_field: str) -> list[str]:
    """The date of each row, empty where it has none."""
    return [_date_of(row, date_field) for row in page.rows]


def is_falling(page: Page, date_field: str) -> bool | None:
    """Whether the newest row comes first; None where all rows are of one date, or have none."""
    first, last = (
        next((date for row in rows if (date := _date_of(row, date_field))), "") for rows in (page.rows, reversed(page.rows))
    )
    return None if first == last else first > last


def is_newest_first(page: Page, date_field: str) -> bool:
    """Whether the API ignores the sort, so that new rows are inserted at the front."""
    return is_falling(page, date_field) is True


def _date_of(row: Row | None, date_field: str) -> str:
    return str((row or {}).get(date_field) or "")
