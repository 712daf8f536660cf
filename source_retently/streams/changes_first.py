"""`ChangesFirst`: reads the rows that changed, newest change first, as long as the rows themselves prove that the API sorts so.

Whether the API sorts by the date of the last change is unknown (docs/api.md#sort-by-change). So nothing is assumed: what does
not prove it ends in `doubt`, and the whole list has to be read. Nothing here knows HTTP or the CDK.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from source_retently.streams.page_sizes import PageSizes
from source_retently.streams.pages import End, Page, Request, Row, Step
from source_retently.streams.paging_moves import NOTHING_SAVED

LEAST_DATES = 10
"""How many dates of a first page must differ: fewer may be in order by chance."""


class ChangesFirst:
    """Reads what changed: ask for `request`, give the response to `take`, until its step has an end, or `doubt` is set."""

    saved = NOTHING_SAVED
    """A reading that was killed starts anew."""
    position = 0
    """Rows of the list up to the page taken last."""

    def __init__(self, size: int, since: str, last: str, known: Mapping[str, str], date_field: str, created_field: str) -> None:
        """
        :param since: rows that changed before this date are not wanted
        :param last: rows that changed later than this are new to this reading; `since` is earlier by a margin
        :param known: keys and dates of the newest rows of the last reading: one of them must come, where its date belongs
        """
        self._sizes = PageSizes(size, None)
        self._since, self._last, self._known = since, last, known
        self._date_field, self._created_field = date_field, created_field
        self.seen: set[str] = set()
        """Keys of all rows that came."""
        self._first_key = self._last_date = ""
        self._is_known = self._is_confirming = False
        self.doubt = ""
        """Why the whole list has to be read, for the log."""
        self.is_unsorted = False
        """Whether that will be so for a while: the API refuses the sort, ignores it, or has rows without the date."""
        self.request = Request(1, size, f"-{date_field}")
        """What to ask for next."""

    @property
    def size(self) -> int:
        """Rows of the largest page."""
        return self._sizes.largest

    def can_take(self, status: int) -> bool:
        """Whether a response with this status is about the page, and not about the stream."""
        return status in (400, 504) or self.request.number > 1

    def foreseen(self, total: int | None) -> Iterator[Request]:
        """Nothing is asked for early: one page is enough as a rule."""
        return iter(())

    def take(self, page: Page) -> Step:
        """Moves on by one response. Its rows are in the order of their changes, as far as the pages up to this one prove it."""
        if page.status != 200:
            return self._end_in("the API refuses that sort, or can't serve it", is_lasting=True)
        limit = self._sizes.effective_limit(page, self.request.limit)
        begin, is_first = (self.request.number - 1) * limit, self.request.number == 1
        rows = [row for row in page.rows if row is not None]
        if len(rows) < len(page.rows) or not rows:
            return self._end_in("a page has no rows, or some that can't be read")
        if self._is_confirming:
            is_same = self._first_key in page.keys
            return self._end(page) if is_same else self._end_in("the first page is not the same twice")
        if not is_first and (begin >= self.position or page.keys[0] not in self.seen):
            return self._end_in("rows moved while they were read")
        # Rows that changed since the page before was read have pushed known ones onto this page.
        unseen = {key: row for key, row in zip(page.keys, rows, strict=True) if key not in self.seen}
        changed = list(unseen.values())
        dates = [str(row.get(self._date_field) or "") for row in changed]
        if not all(dates):
            return self._end_in(f"some records have no {self._date_field}", is_lasting=is_first)
        if dates != sorted(dates, reverse=True):
            return self._end_in(f"records are not in the order of their {self._date_field}", is_lasting=is_first)
        if doubt := self._doubt_about_first(changed, dates) if is_first else self._doubt_about_later(dates):
            return self._end_in(doubt)
        self.seen.update(unseen)
        self._last_date = dates[-1]
        self._is_known |= any(key in self._known and date >= self._known[key] for key, date in zip(unseen, dates, strict=True))
        self.position = begin + len(page.keys)
        if self._last_date >= self._since:
            if len(page.keys) < limit:
                return self._end_in("no page ends with an older record")
            self.request = replace(self._sizes.request_at(self.position), sort=self.request.sort)
            return Step(changed)
        if not self._is_known:
            return self._end_in("none of the newest records of the last sync came")
        if is_first and dates[0] > self._last:
            # Without a second page, nothing else shows that no page comes before this one.
            self._is_confirming, self._first_key = True, page.keys[0]
            return Step(changed)
        return self._end(page, changed)

    def _doubt_about_first(self, rows: list[Row], dates: list[str]) -> str:
        """Why the order of a first page may be there by chance, or be another one; empty where it proves itself."""
        if len(set(dates)) < LEAST_DATES:
            return f"too few records differ in their {self._date_field}"
        created = [str(row.get(self._created_field) or "") for row in rows]
        return f"the order may be that of {self._created_field}" if created == sorted(created, reverse=True) else ""

    def _doubt_about_later(self, dates: list[str]) -> str:
        """Why the new rows of a later page may not be those after the page before; empty where they are."""
        if not dates or dates[0] > self._last_date:
            return f"records are not in the order of their {self._date_field}"
        return "many records changed at the same time" if dates[0] == self._last_date else ""

    def _end(self, page: Page, rows: Sequence[Row] = ()) -> Step:
        return Step(rows, End(self.position, len(self.seen), page.total, False, False, True))

    def _end_in(self, doubt: str, *, is_lasting: bool = False) -> Step:
        self.doubt, self.is_unsorted = doubt, is_lasting
        return Step()
