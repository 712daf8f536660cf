"""Paging that proves itself: which page to ask for next, which of its rows are new, and when the list has been read to its end.

Pages are numbered, and rows come and go while they are read. The rules (docs/architecture.md, "Paging"):

1. Every page after the first is asked for so that it begins with a row that has already been read. Page numbers can do that,
   because the limit is ours to choose: page 3 of 998 begins at row 1,996. A known first row proves, in a list of stable order,
   that no row was pulled onto an earlier page. An unknown one means going back, by doubling distances, until one is known.
2. The list ends with a page shorter than asked whose last position equals its own total, or that begins with a known row and
   has no unseen one. An empty page, or a full one without an unseen row, is asked for again, and then the stream fails.
3. Where a known row comes behind an unknown one, the order itself changes (ties broken anew at each request). The list is then
   read again as long as that brings unseen rows; after that, only a total that never moved and equals the rows seen is proof.
4. Totals decide nothing else. One that differs from the position of the last row is reported, and otherwise ignored.
5. A resumed reading looks for the last rows of the page taken last, going back, and goes on from the first of the same date.

Nothing here knows HTTP or the CDK. `Paginator.take` changes no page.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

LARGEST_PAGE = 1000
"""Rows a page that the API documents as its maximum (docs/api.md#page-size)."""
SAFE_PAGE = 100
"""Rows a page that every source agrees on (docs/api.md#companies-page-size)."""
SMALLEST_PAGE = 20
"""Rows a page where no limit is given (docs/api.md#page-size)."""
PAGE_SIZES = (LARGEST_PAGE, 500, SAFE_PAGE, SMALLEST_PAGE)
"""The largest page becomes the next smaller of these where the API can't serve it in time."""
MADE_KEY = "#"
"""How a key begins that was made of what the row holds, because the API gave none: equal rows have equal ones."""
REMEMBERED_KEYS = 20
"""Keys of the last page that a state holds."""
MOST_READINGS = 8
"""How often a list whose order changes is read at the most, the first time included."""
MOST_STALE_PAGES = 3
"""How often a full page without an unseen row is asked for again."""
MOST_STEPS_BACK = 8
"""How often one position may send the paginator back."""


@dataclass(frozen=True)
class Request:
    """What to ask for."""

    number: int
    """Page number, from 1."""
    limit: int
    """Rows a page."""

    @property
    def begin(self) -> int:
        """Rows of the list before this page."""
        return (self.number - 1) * self.limit


@dataclass(frozen=True)
class Page:
    """One response of a list endpoint, to the request that the paginator had out."""

    keys: Sequence[str] = ()
    """The key of each row; of what can't be read as a row, a hash."""
    rows: Sequence[Row | None] = ()
    """The rows, in the order of their keys; None for what can't be read as a row."""
    total: int | None = None
    """Rows of the whole list, as the response counts them."""
    limit: int | None = None
    """Rows a page, as the response repeats them."""
    status: int = 200
    """400 or 404 where the API refused the page, 504 where it can't serve it in time."""


@dataclass(frozen=True)
class End:
    """How a reading ended."""

    position: int
    """Rows of the list, counted by their places."""
    seen: int
    """Rows that were read; fewer where some never came."""
    total: int | None
    """Rows of the list as its last page counts them."""
    order_changed: bool
    """Whether the API put rows into another order while they were read."""
    may_lack_rows: bool
    """Whether the order changed, or fewer rows than positions came, and the total does not prove that none is missing."""
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


def page_for(position: int, size: int, overlap: int = 0) -> Request:
    """The page that begins more than `overlap` rows before the position, ends behind it and wastes the fewest rows.

    :param position: rows read so far
    :param size: rows of the largest page; limits from half of it are tried
    """
    if position <= 1 + overlap:
        return Request(1, size)
    target, best, least = position - 1 - overlap, None, math.inf
    for limit in range(size, max(2, size // 2) - 1, -1):
        begin = target // limit * limit
        waste = (position - begin) + (size - limit)
        if begin + limit > position and waste < least:
            best, least = Request(target // limit + 1, limit), waste
    # Pages of a handful of rows may have no such limit: then the page begins behind the last row, and proves nothing.
    return best or Request(position // size + 1, size)


class Paginator:
    """One reading of one list.

    Ask for `request`, give the response to `take`, emit the rows of its step, and go on until the step has an end.
    """

    def __init__(
        self,
        size: int = LARGEST_PAGE,
        saved: Mapping[str, Any] | None = None,
        *,
        date_field: str = "",
        most_readings: int = MOST_READINGS,
    ) -> None:
        """
        :param size: rows of the largest page to ask for
        :param saved: `saved` of an unfinished reading; anything else starts at page 1
        :param date_field: the field of a row by which the list is sorted, or one close to it
        :param most_readings: how often a list whose order changes is read, at the most
        """
        clamp = (saved or {}).get("size")
        self._clamp = clamp if type(clamp) is int and 3 <= clamp < size else None  # rows of the largest page that the API gives
        self._size = self._clamp or size
        self._date_field = date_field
        self._most_readings = most_readings
        self._anchors, self._position = _anchors_in(saved)
        self._anchor_date, self._stopped_at = "", self._position
        self._saved: dict[str, Any] = dict(saved or {}) if self._anchors else {"keys": [], "position": 0}
        self._seen: set[int] = set()
        self._uncounted = 0  # rows that are in no position of this run's keys: before a resumed page, twice on a page, new
        self._first_total: int | None = None
        self._total: int | None = None
        self._total_moved = False
        self._overlap = 0
        self._back = 0
        self._steps_back: dict[int, int] = {}
        self._stale = 0
        self._is_catching_up = False
        self._one_size = self._tries_one_size = False
        self._ignores_limit = False
        self._overlaps = True
        self._was_short = self._has_hidden_rows = False
        self._total_too_small = False
        self._empty_first_pages = 0
        self._first_of_list: int | None = None
        self._readings = 1
        self._unseen_in_reading = 0
        self._order_changed = self._order_changes_now = False
        self._pages = 0
        self._requests = self._last_unseen = 0
        self._largest = 0
        self._foresees = False
        self._early: set[Request] = set()  # foreseen, and therefore perhaps fetched before the page in front of it
        self.request = self._next_request()
        """What to ask for next."""

    # --------------------------------------------------------------------------------------------------- what is known

    @property
    def saved(self) -> dict[str, Any]:
        """What a later run needs to go on: `position` (rows read), `keys` (the last ones), `size`, `order_changes`."""
        return self._saved

    @property
    def position(self) -> int:
        """Rows of the list up to the page taken last."""
        return self._position

    @property
    def size(self) -> int:
        """Rows of the largest page."""
        return self._size

    def can_take(self, status: int) -> bool:
        """Whether a response with this status says something about the page, and not about the stream."""
        if status == 504:
            return self.request.limit > SMALLEST_PAGE
        is_too_large = status == 400 and self._size > SAFE_PAGE and self._pages == 0
        return status in (400, 404) and (self.request.number > 1 or is_too_large)

    def foreseen(self, total: int | None) -> Iterator[Request]:
        """The next requests, if every page comes full: `request` first; nothing after a page that came short.

        :param total: rows of the list, as its last page counts them
        """
        request, early, self._early = self.request, self._early, set()
        while self._foresees and total is not None:
            if request != self.request or request in early:
                self._early.add(request)
            yield request
            position = request.begin + request.limit
            if position >= total:
                return
            request = self._request_at(position)

    # ------------------------------------------------------------------------------------------------------- the steps

    def take(self, page: Page) -> Step:
        """Moves on by one response."""
        self._requests += 1
        self._foresees = False
        lists = 2 * self._readings * len(self._seen) / max(1, self._size // 2)
        if not self._anchors and self._requests - self._last_unseen > 20 + lists:
            return Step(failure="the API gave no unseen row in more requests than its whole list takes twice")
        if page.status == 504:
            self._size = next(size for size in PAGE_SIZES if size < self.request.limit)
            return self._ask(f"the API can't serve pages of {self.request.limit} rows in time, asking for {self._size}")
        if page.status == 400 and self.request.number == 1:
            self._size = self._clamp = SAFE_PAGE
            return self._ask(f"the API refuses pages of {self.request.limit} rows, asking for {SAFE_PAGE}")
        limit = self._effective_limit(page)
        begin = (self.request.number - 1) * limit
        self._note_total(page)
        keys = [hash(key) for key in page.keys]
        if self.request.number == 1 and not keys:
            step = self._check_empty_list(page)
        elif self._anchors:
            step = self._look_for_anchors(page, keys, begin, limit)
        else:
            is_first = self.request.number == 1
            step = self._check_first_page(keys) if is_first else self._check_first_row(page, keys, begin, limit)
        return step or self._check_early_page(page, keys) or self._accept(page, keys, begin, limit)

    def _check_first_row(self, page: Page, keys: list[int], begin: int, limit: int) -> Step | None:
        """What to do where a page does not begin with a known row; None when it does, and is to be taken."""
        if self._empty_first_pages == 2:
            if keys:
                return Step(failure="the first page has no rows, although the second has some")
            return self._finish(self._total)
        if page.status == 400 and not self._one_size and not self._tries_one_size and self.request.limit != self._size:
            self._tries_one_size = True
            return self._ask("the API refuses a page, trying one of the largest size")
        gives_all = self._ignores_limit and (self._total is None or self._total <= len(keys))
        if gives_all and self._seen.issuperset(keys):
            return self._finish(self._total)  # the API knows no pages, and gives everything at once
        if begin >= self._position:
            is_past_end = not keys or (self._total is not None and begin >= self._total and self._seen.issuperset(keys))
            if not is_past_end:
                return None
            promised = self._position + self._tries_one_size if self._total is None else self._total
            if promised <= self._position:
                self._overlaps = False
                return self._finish(self._total)
            return self._step_back(keys, begin, limit)
        if keys and (keys[0] in self._seen or self._order_changed):
            is_past_end = page.total is not None and begin >= page.total and not self._total_too_small
            if not (is_past_end and self._seen.issuperset(keys)):
                return None
        return self._step_back(keys, begin, limit)

    def _check_first_page(self, keys: list[int]) -> Step | None:
        """After a step back to page 1, nothing proves that it is the list's first; so it has to come twice."""
        is_known = not self._back or keys[0] in self._seen or self._order_changed
        if not self._seen or is_known or self._first_of_list == keys[0]:
            return None
        self._first_of_list = keys[0]
        return Step(event="the API gave a first page that begins with an unknown row, asking again")

    def _check_early_page(self, page: Page, keys: list[int]) -> Step | None:
        """A page that was fetched before the one in front of it may show rows deleted since, among known ones."""
        if self.request not in self._early:
            return None
        unseen = [key not in self._seen for key, text in zip(keys, page.keys, strict=True) if text[:1] != MADE_KEY]
        if True not in unseen or all(unseen[unseen.index(True) :]):
            return None
        return Step(event="a page that was fetched early shows deleted rows, asking again")

    def _check_empty_list(self, page: Page) -> Step | None:
        """A list without rows is asked for again, then for its second page; None when it is to be taken.

        One that counts no rows is empty, unless some were read before, and one that counts nothing when it came twice so.
        """
        had_rows = bool(self._seen or self._anchors or self._saved["position"])
        most_looks = 2 if page.total or had_rows else int(page.total is None)
        if self._empty_first_pages == most_looks:
            self._anchors = frozenset()
            return None
        self._empty_first_pages += 1
        if self._empty_first_pages == 1:
            return Step(event="the API gave a first page without rows, asking again")
        self.request = Request(2, self._size)
        return Step(event="the API gave a first page without rows again, asking for the second")

    def _accept(self, page: Page, keys: list[int], begin: int, limit: int) -> Step:
        """Takes a page that is in its place: emits what is unseen, and decides whether the list ends here."""
        was_back, self._back = self._back > 0, 0
        unseen = self._unseen(page, keys, begin, is_behind=was_back)
        rows = [row for row in unseen.values() if row is not None]
        self._pages += 1
        self._one_size, self._tries_one_size = self._one_size or self._tries_one_size, False
        self._overlaps &= self.request.number == 1 or begin < self._position or self._readings > 1
        total, is_short = page.total, len(keys) < limit
        self._total_too_small |= total is not None and begin + len(keys) > total and bool(unseen)
        most_looks = 1 if total is None else 2
        if self.request.number == 1 and self._pages <= most_looks and 0 < len(keys) < limit and total != len(keys):
            self._move_to(page, len(keys))
            if self._pages == 1 and total is not None:
                return Step(rows, event=f"the API counts {total:,} rows but gave {len(keys):,}, asking again")
            # Perhaps the API gives no more at once. Pages of fewer than 3 rows can't overlap.
            self._size = self._clamp = max(len(keys), 3)
            return self._ask(rows=rows)
        # A list that goes on behind a page that came short hides rows: it takes them out after paging.
        self._has_hidden_rows |= self._was_short and bool(unseen)
        self._was_short = is_short
        self._is_catching_up = (self._is_catching_up or was_back) and not unseen
        if not (unseen or is_short or self._is_catching_up) and self.request.number > 1 and self._readings == 1:
            self._stale += 1
            if self._stale > MOST_STALE_PAGES:
                return Step(failure="different page numbers bring the same rows")
            return Step(event="the API gave a page without an unseen row, asking again")
        self._stale = 0
        self._move_to(page, begin + len(keys))
        is_later = self.request.number > 1 or not keys or self._readings == 1 < self._pages
        is_nothing_new = is_later and not (unseen or was_back)
        if is_short and (total == self._position or is_nothing_new):
            return self._finish(total, rows)
        self._foresees = not is_short
        return self._ask(rows=rows)

    def _step_back(self, keys: list[int], begin: int, limit: int) -> Step:
        tries = self._steps_back[self._position] = self._steps_back.get(self._position, 0) + 1
        was_trial, self._tries_one_size = self._tries_one_size, False
        if not keys and tries == 1 and not was_trial:
            return Step(event="the API gave a page without rows, asking again")
        if tries > MOST_STEPS_BACK:
            return Step(failure=f"no page goes on behind row {self._position:,}, where the last one ended")
        self._saved = {"keys": [], "position": 0}  # until a known row is found, nothing that was read is sure to go on
        self._overlap = max(1, 2 * self._overlap)
        return self._go_back(begin, limit, "rows were deleted while reading")

    def _go_back(self, begin: int, limit: int, why: str) -> Step:
        self._back += 1
        self._position = max(0, begin - (2 ** (self._back - 1) - 1) * limit)
        self.request = self._next_request()
        return Step(event=f"{why}, going back to row {self.request.begin + 1:,}")

    def _look_for_anchors(self, page: Page, keys: list[int], begin: int, limit: int) -> Step | None:
        """Finds the place where an earlier run stopped; None when the page is to be taken."""
        is_past_end = self.request.number > 1 and page.total is not None and begin >= page.total
        found = -1 if is_past_end else max((i for i, key in enumerate(page.keys) if key in self._anchors), default=-1)
        if found >= 0 and begin + found >= self._stopped_at:
            # Rows came in before, or the page that was taken last was not the one asked for: nothing before is sure to be read.
            self._anchors, self._position = frozenset(), 0
            return self._ask("the list is not as the last sync left it, starting anew") if self.request.number > 1 else None
        dates = [str((row or {}).get(self._date_field) or "") for row in page.rows]
        self._anchor_date = dates[found] if found >= 0 and not self._anchor_date else self._anchor_date
        first = found
        if self._anchor_date and not is_past_end:
            # Rows of one date may be in another order now, so all of them are read once more.
            is_falling = self._is_newest_first(page)
            is_before = [date > self._anchor_date if is_falling else date < self._anchor_date for date in dates]
            first = is_before.index(False) if False in is_before else len(dates)
            self._back = 0
        if first > 0:
            self._seen.update(keys[:first])
            self._uncounted = begin
        elif self.request.number > 1:
            begin = begin if page.status == 200 else 0
            return self._go_back(begin, limit, "looking for the row at which the last sync stopped")
        self._anchors, self._back, self._position = frozenset(), 0, begin + max(first, 0)
        return None

    def _finish(self, total: int | None, rows: Sequence[Row] = ()) -> Step:
        """The list has been read to its end, or is read again because its order changes."""
        changes, self._order_changes_now = self._order_changes_now, False
        is_fruitful = self._readings == 1 or self._unseen_in_reading > 0
        if changes and is_fruitful and self._readings < self._most_readings:
            self._readings += 1
            self._unseen_in_reading = self._position = self._uncounted = 0
            self._steps_back.clear()
            return self._ask("the API changed the order of rows while they were read, reading the list again", rows)
        seen = self._uncounted + len(self._seen)
        is_proved = not self._total_moved and self._first_total == len(self._seen)
        position = min(self._position, seen) if self._has_hidden_rows else self._position
        may_lack_rows = seen < position or (self._order_changed and not is_proved)
        return Step(rows, End(position, seen, total, self._order_changed, may_lack_rows, self._overlaps))

    def _ask(self, event: str = "", rows: Sequence[Row] = ()) -> Step:
        self.request = self._next_request()
        return Step(rows, event=event)

    # ------------------------------------------------------------------------------------------------------- the pieces

    def _next_request(self) -> Request:
        return self._request_at(self._position)

    def _request_at(self, position: int) -> Request:
        if self._one_size or self._tries_one_size:
            return Request(position // self._size + 1, self._size)
        return page_for(position, self._size, min(self._overlap, self._size // 4))

    def _effective_limit(self, page: Page) -> int:
        """Rows a page as the API counts them: fewer than asked for where it says so and its rows agree, or more."""
        count, asked = len(page.keys), self.request.limit
        is_clamp = page.limit is not None and 0 < page.limit == count < asked and count >= self._largest
        self._largest = max(self._largest, count)
        if is_clamp:
            self._size = self._clamp = min(self._size, count)
        if count > asked:
            self._ignores_limit, self._one_size, self._size = True, True, count
        return count if is_clamp or count > asked else asked

    def _note_total(self, page: Page) -> None:
        if self._requests == 1:
            self._first_total = page.total
        self._total_moved |= page.total != self._first_total
        self._total = self._total if page.total is None else page.total

    def _unseen(self, page: Page, keys: list[int], begin: int, *, is_behind: bool) -> dict[int, Row | None]:
        """The rows that were not seen before, each once: the last of several with one key, in the place of the first."""
        latest: dict[int, Row | None] = {}
        is_in_order = self._readings == 1 and not (is_behind or self._is_catching_up)
        came_in = is_in_order and self._pages > 0 and self._is_newest_first(page)
        for i, (key, row) in enumerate(zip(keys, page.rows, strict=True)):
            if key in latest:
                self._uncounted += 1  # two rows with one key on one page are two
            elif key in self._seen:
                # Behind what was read, a known key is that of another row, or new rows have come in before this page.
                is_other = page.keys[i].startswith(MADE_KEY) or (i > 0 and key == keys[i - 1])
                is_behind_position = is_in_order and begin + i >= self._position
                self._uncounted += is_behind_position and (is_other or (came_in and not latest))
                changes = bool(latest) and not is_other
                self._order_changed |= changes
                self._order_changes_now |= changes
                continue
            latest[key] = row
        self._seen.update(latest)
        if latest:
            self._last_unseen = self._requests
            self._unseen_in_reading += len(latest)
        return latest

    def _is_newest_first(self, page: Page) -> bool:
        """Whether the API ignores the sort, so that new rows come in at the front."""
        dates = [(row or {}).get(self._date_field) for row in page.rows]
        known = [date for date in dates if isinstance(date, str)]
        return bool(known) and known[0] > known[-1]

    def _move_to(self, page: Page, position: int) -> None:
        self._position = position
        # Fewer rows than positions: some may be missing, so a later run has to start anew.
        is_doubtful = self._order_changed or self._uncounted + len(self._seen) < position
        changes = {"order_changes": True} if is_doubtful else {}
        clamp = {"size": self._clamp} if self._clamp else {}
        self._saved = {"position": position, "keys": list(page.keys[-REMEMBERED_KEYS:]), **clamp, **changes}


def _anchors_in(saved: Mapping[str, Any] | None) -> tuple[frozenset[str], int]:
    """The keys and the position of an unfinished reading; none where there is none to go on from."""
    keys, position = (saved or {}).get("keys"), (saved or {}).get("position")
    anchors = frozenset(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else frozenset()
    if anchors and type(position) is int and position > 0 and not (saved or {}).get("order_changes"):
        return anchors, position
    return frozenset(), 0
