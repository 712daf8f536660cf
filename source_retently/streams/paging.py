"""Paging that proves itself: which page to ask for next, which of its rows are new, and when the list has been read to its end.

Rows come and go while they are read. Nothing here knows HTTP or the CDK. The rules (docs/architecture.md, "Paging"):

1. Every page after the first is asked for so that it begins with a row that has already been read. Page numbers can do that,
   because the limit is ours to choose: page 3 of 998 begins at row 1,996. A known first row proves, in a list of stable order,
   that no row moved onto an earlier page. After an unknown one the paginator goes back, by doubling distances, to a known one.
   The first page is asked for again where the second does not begin with the very row that the first had there.
2. The list ends with a page shorter than asked whose last position equals its own total, or that begins with a known row and
   has no unseen one. An empty page, or a full one without an unseen row, is asked for again, and then the stream fails.
3. Where a known row comes behind an unknown one, the order itself changes (ties broken differently each time). The list is read
   again as long as that brings unseen rows; after that, only a total that never moved and equals the rows seen is proof.
4. Totals decide nothing else. One that differs from the position of the last row is reported, and otherwise ignored.
5. A resumed reading looks for the last rows of the page taken last, going back, and goes on from the first of the same date.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from source_retently.streams.page_sizes import LARGEST_PAGE, LEAST_OVERLAPPING, SAFE_PAGE, SMALLEST_PAGE, PageSizes
from source_retently.streams.pages import End, Page, Request, Row, Step
from source_retently.streams.saved_position import SavedPosition
from source_retently.streams.seen_keys import SeenKeys
from source_retently.streams.totals import Totals

REMEMBERED_KEYS = 20
"""Keys of the last page that a state contains."""
MOST_READINGS = 8
"""How often a list whose order changes is read at the most."""
MOST_STALE_PAGES = 3
"""How often a full page without an unseen row is asked for again."""
MOST_STEPS_BACK = 8  # from one position
NOTHING_SAVED: Mapping[str, Any] = {"keys": [], "position": 0}


class Paginator:
    """Reads a list: ask for `request`, give the response to `take`, emit the rows of its step, until the step has an end."""

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
        self._sizes = PageSizes(size, saved)
        self._date_field, self._most_readings = date_field, most_readings
        self._resumed = SavedPosition(saved, date_field)
        self.position = self._resumed.position
        """Rows of the list up to the page taken last."""
        self.saved: Mapping[str, Any] = saved if saved and self._resumed else NOTHING_SAVED
        """What a later run needs to go on: `position` (rows read), `keys` (the last ones), `size`, `order_changes`."""
        self._seen, self._totals = SeenKeys(), Totals()
        self._steps_back: dict[int, int] = {}
        self._is_catching_up = self._has_come_short = self._foresees = False
        self._known_page: tuple[Any, ...] = ()
        self._back = self._pages = self._stale_pages = self._empty_first_pages = 0
        self._first_of_list: int | None = None
        self._first_page: list[int] = []  # until the second one is there
        self._overlaps, self._was_short, self._has_hidden_rows = True, False, False
        self._readings, self._unseen_in_reading, self._requests, self._last_unseen = 1, 0, 0, 0
        self._early: set[Request] = set()  # foreseen, and therefore perhaps fetched before the page in front of it
        self.request = self._sizes.request_at(self.position)
        """What to ask for next."""

    @property
    def size(self) -> int:
        """Rows of the largest page."""
        return self._sizes.largest

    def can_take(self, status: int) -> bool:
        """Whether a response with this status is about the page, and not about the stream."""
        if status == 504:
            return self.request.limit > SMALLEST_PAGE
        is_too_large = status == 400 and self.size > SAFE_PAGE and self._pages == 0
        return status in (400, 404) and (self.request.number > 1 or is_too_large)

    def foreseen(self, total: int | None) -> Iterator[Request]:
        """The next requests, if every page comes full; nothing after a page that came short. `total` is the last one."""
        request, early, self._early = self.request, self._early, set()
        while self._foresees and total is not None:
            if request != self.request or request in early:
                self._early.add(request)
            yield request
            position = request.begin + request.limit
            if position >= total:
                return
            request = self._sizes.request_at(position)

    def take(self, page: Page) -> Step:
        """Moves on by one response."""
        self._requests += 1
        self._foresees = False
        most = 20 + 2 * self._readings * len(self._seen) / max(1, self.size // 2)
        if not self._resumed and self._requests - self._last_unseen > most:
            return Step(failure="the API gave no unseen row in more requests than its whole list takes twice")
        if page.status == 504:
            self._sizes.shrink(self.request.limit)
            return self._ask(f"the API can't serve pages of {self.request.limit} rows in time, asking for {self.size}")
        if page.status == 400 and self.request.number == 1:
            self._sizes.clamp_to(SAFE_PAGE)
            return self._ask(f"the API refuses pages of {self.request.limit} rows, asking for {SAFE_PAGE}")
        limit = self._sizes.effective_limit(page, self.request.limit)
        begin = (self.request.number - 1) * limit
        self._totals.note(page)
        keys = [hash(key) for key in page.keys]
        if self.request.number == 1 and not keys:
            step = self._check_empty_list(page)
        elif self._resumed:
            step = self._look_for_saved_position(page, keys, begin, limit)
        elif self.request.number == 1:
            step = self._check_first_page(keys)
        else:
            step = self._check_first_row(page, keys, begin, limit)
        if not step and self.request in self._early and self._seen.shows_deletion(page, keys):
            return Step(event="a page that was fetched early shows deleted rows, asking again")
        return step or self._accept(page, keys, begin, limit)

    def _check_first_row(self, page: Page, keys: list[int], begin: int, limit: int) -> Step | None:
        """What to do where a page does not begin with a known row; None when it does, and is to be taken."""
        sizes = self._sizes
        if self._empty_first_pages == 2:
            return Step(failure="the first page has no rows, although the second has some") if keys else self._finish()
        if page.status == 400 and not sizes.is_fixed and not sizes.is_trial and self.request.limit != sizes.largest:
            sizes.is_trial = True
            return self._ask("the API refuses a page, trying one of the largest size")
        total = self._totals.last
        gives_all = sizes.ignores_limit and (total is None or total <= len(keys))
        if gives_all and self._seen.has_all(keys):
            return self._finish()  # the API has no pages, and gives everything at once
        first_page, self._first_page = self._first_page, []
        if keys and begin < len(first_page) and keys[0] != first_page[begin]:
            self.position, self._back, self.saved = 0, 1, NOTHING_SAVED
            return self._ask("the list changed after its first page, asking for that again")
        if begin >= self.position:
            is_past_end = not keys or (total is not None and begin >= total and self._seen.has_all(keys))
            if not is_past_end:
                return None
            if (self.position + sizes.is_trial if total is None else total) <= self.position:
                self._overlaps = False
                return self._finish()
            return self._step_back(keys, begin, limit)
        if keys and (keys[0] in self._seen or self._seen.order_changed):
            is_past_end = page.total is not None and begin >= page.total and not self._totals.is_too_small
            if not (is_past_end and self._seen.has_all(keys)):
                return None
        return self._step_back(keys, begin, limit)

    def _check_first_page(self, keys: list[int]) -> Step | None:
        """After a step back to page 1, nothing proves that it is the list's first; so it has to come twice."""
        is_known = not self._back or keys[0] in self._seen or self._seen.order_changed
        if not self._seen or is_known or self._first_of_list == keys[0]:
            return None
        self._first_of_list = keys[0]
        return Step(event="the API gave a first page that begins with an unknown row, asking again")

    def _check_empty_list(self, page: Page) -> Step | None:
        """A list without rows is asked for again, then for its second page; None when it is to be taken.

        One with a total of 0 is empty, unless some rows were read before, and one without a total when it came twice so.
        """
        had_rows = bool(self._seen or self._resumed or self.saved["position"] or self._has_come_short)
        most_looks = 2 if page.total or had_rows else int(page.total is None)
        if self._empty_first_pages == most_looks:
            self._resumed.clear()
            return None
        self._empty_first_pages += 1
        if self._empty_first_pages == 1:
            return Step(event="the API gave a first page without rows, asking again")
        self.request = Request(2, self.size)
        return Step(event="the API gave a first page without rows again, asking for the second")

    def _accept(self, page: Page, keys: list[int], begin: int, limit: int) -> Step:
        """Takes a page that is in its place: emits what is unseen, and decides whether the list ends here."""
        is_first, is_short = self.request.number == 1, len(keys) < limit
        has_fewer = is_first and is_short and self._pages == 0 and bool(keys) and page.total != len(keys)
        if has_fewer and page.total is not None and not self._has_come_short:
            self._has_come_short = True
            return Step(event=f"the API counts {page.total:,} rows but gave {len(keys):,}, asking again")
        was_back, self._back = self._back > 0, 0
        unseen = self._unseen(page, keys, begin, is_behind=was_back)
        rows = [row for row in unseen.values() if row is not None]
        self._is_catching_up = (self._is_catching_up or was_back) and not unseen
        if self._is_catching_up and keys and self._known_page != (known_page := (self.request, *keys)):
            self._known_page = known_page
            return Step(event="the API gave a page without an unseen row after a step back, asking again")
        self._pages += 1
        self._sizes.end_trial(is_successful=True)
        self._overlaps &= is_first or begin < self.position or self._readings > 1
        self._totals.is_too_small |= page.total is not None and begin + len(keys) > page.total and bool(unseen)
        if has_fewer:  # perhaps the API gives no more at once
            self._move_to(page, len(keys))
            self._sizes.clamp_to(max(len(keys), LEAST_OVERLAPPING))
            return self._ask(rows=rows)
        # A list that goes on behind a page that came short hides rows: it removes them after paging.
        self._has_hidden_rows, self._was_short = self._has_hidden_rows or (self._was_short and bool(unseen)), is_short
        if not (unseen or is_short or self._is_catching_up or is_first) and self._readings == 1:
            self._stale_pages += 1
            if self._stale_pages > MOST_STALE_PAGES:
                return Step(failure="different page numbers bring the same rows")
            return Step(event="the API gave a page without an unseen row, asking again")
        self._stale_pages = 0
        self._sizes.limit_bytes(page)
        self._first_page = keys if self._pages == 1 and is_first else []
        self._move_to(page, begin + len(keys))
        is_later = not is_first or not keys or self._readings == 1 < self._pages
        is_nothing_new = is_later and not (unseen or was_back)
        if is_short and (page.total == self.position or is_nothing_new):
            return self._finish(rows)
        self._foresees = not is_short
        return self._ask(rows=rows)

    def _step_back(self, keys: list[int], begin: int, limit: int) -> Step:
        tries = self._steps_back[self.position] = self._steps_back.get(self.position, 0) + 1
        was_trial = self._sizes.is_trial
        self._sizes.end_trial(is_successful=False)
        if not keys and tries == 1 and not was_trial:
            return Step(event="the API gave a page without rows, asking again")
        if tries > MOST_STEPS_BACK:
            return Step(failure=f"no page goes on behind row {self.position:,}, where the last one ended")
        self.saved = NOTHING_SAVED  # until a known row is found, the list may not go on behind what was read
        self._sizes.overlap = max(1, 2 * self._sizes.overlap)
        return self._go_back(begin, limit, "rows were deleted while reading")

    def _go_back(self, begin: int, limit: int, why: str) -> Step:
        self._back += 1
        self.position = max(0, begin - (2 ** (self._back - 1) - 1) * limit)
        self.request = self._sizes.request_at(self.position)
        return Step(event=f"{why}, going back to row {self.request.begin + 1:,}")

    def _look_for_saved_position(self, page: Page, keys: list[int], begin: int, limit: int) -> Step | None:
        """Finds the row at which an earlier run stopped; None when the page is to be taken."""
        is_past_end = self.request.number > 1 and page.total is not None and begin >= page.total
        first = found = -1 if is_past_end else self._resumed.last_index(page)
        if found >= 0 and begin + found >= self._resumed.position:
            # Rows were inserted before, or the page taken last was not the one asked for: rows before it may be unread.
            self._resumed.clear()
            self.position = 0
            is_first = self.request.number == 1
            return None if is_first else self._ask("the list is not as the last sync left it, reading it from the start")
        if not is_past_end:
            first = self._resumed.first_unread(page, found)
            self._back = 0 if self._resumed.date else self._back
        if first > 0:
            self._seen.add(keys[:first])
            self._seen.uncounted = begin
        elif self.request.number > 1:
            begin = begin if page.status == 200 else 0
            return self._go_back(begin, limit, "looking for the row at which the last sync stopped")
        self._resumed.clear()
        self._is_catching_up = 0 < first == len(keys)  # a page that was read whole
        self._back, self.position = 0, begin + max(first, 0)
        return None

    def _finish(self, rows: Sequence[Row] = ()) -> Step:
        """The list has been read to its end, or is read again because its order changes."""
        seen = self._seen
        changes, seen.order_changes_now = seen.order_changes_now, False
        is_fruitful = self._readings == 1 or self._unseen_in_reading > 0
        if changes and is_fruitful and self._readings < self._most_readings:
            self._readings += 1
            self._unseen_in_reading = self.position = seen.uncounted = 0
            self._steps_back.clear()
            return self._ask("the API changed the order of rows while they were read, reading the list again", rows)
        is_proved = self._totals.is_proof(len(seen))
        position = min(self.position, seen.rows) if self._has_hidden_rows else self.position
        may_lack_rows = seen.rows < position or (seen.order_changed and not is_proved)
        return Step(rows, End(position, seen.rows, self._totals.last, seen.order_changed, may_lack_rows, self._overlaps))

    def _ask(self, event: str = "", rows: Sequence[Row] = ()) -> Step:
        self.request = self._sizes.request_at(self.position)
        return Step(rows, event=event)

    def _unseen(self, page: Page, keys: list[int], begin: int, *, is_behind: bool) -> dict[int, Row | None]:
        is_in_order = self._readings == 1 and not (is_behind or self._is_catching_up)
        first_expected = self.position - begin if is_in_order else None
        growth = self._totals.growth if self._pages else 0
        unseen = self._seen.take(page, keys, first_expected=first_expected, growth=growth, date_field=self._date_field)
        if unseen:
            self._last_unseen = self._requests
            self._unseen_in_reading += len(unseen)
        return unseen

    def _move_to(self, page: Page, position: int) -> None:
        self.position = position
        # Fewer rows than positions: some may be missing, so a later run has to start at page 1.
        is_doubtful = self._seen.order_changed or self._seen.rows < position
        extra = {"size": self._sizes.clamp, "order_changes": is_doubtful}
        # Nor can it go on behind a first page that the second has not proved yet.
        keys = [] if self._first_page else list(page.keys[-REMEMBERED_KEYS:])
        where = {"position": position, "keys": keys} if keys else NOTHING_SAVED
        self.saved = {**where, **{name: value for name, value in extra.items() if value}}
