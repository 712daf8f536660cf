"""Paging that proves itself: which page to ask for next, which of its rows are new, and when the list has been read to its end.

Rows are inserted and deleted while they are read. Nothing here knows HTTP or the CDK. The five rules, and why they are so, are
in docs/architecture.md ("Paging"). Here

1. `_check_first_row`, `_check_first_page` and `_step_back` see to it that each page begins with a row that was read;
2. `_accept`, `_check_empty_list` and `_stale` find the end;
3. `_finish` reads a list again whose order changes;
4. `_look_past_end` and `_take_by_span` are about totals that count more rows than were read;
5. `_look_for_saved_position` resumes.
"""

from source_retently.streams.page_sizes import LEAST_OVERLAPPING, SAFE_PAGE
from source_retently.streams.pages import Page, Request, Step
from source_retently.streams.paging_moves import NOTHING_SAVED, PagingMoves

MOST_STALE_PAGES = 3
"""How often a page without an unseen row is asked for again."""
MOST_STEPS_BACK = 8  # from one position


class Paginator(PagingMoves):
    """Reads a list: ask for `request`, give the response to `take`, emit the rows of its step, until the step has an end."""

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
        self._had_rows |= bool(keys)
        if self._is_by_span:
            return self._take_by_span(page, keys, begin, limit)
        if self.request is self._look:
            return self._take_look(keys)
        if self.request.number == 1 and not keys:
            step = self._check_empty_list(page)
        elif self._empty_first_pages == 2:
            step = self._check_second_page(keys)
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
        if page.status == 400 and self.request.limit != sizes.largest:
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
            if not sizes.is_trial if total is None else total <= self.position:
                self._overlaps = False
                return self._finish()
            return self._step_back(keys, begin, limit)
        if keys and (keys[0] in self._seen or self._seen.order_changed):
            is_past_end = page.total is not None and begin >= page.total and not self._totals.is_too_small
            if not (is_past_end and self._seen.has_all(keys)):
                return None
        return self._step_back(keys, begin, limit)

    def _check_first_page(self, keys: list[int]) -> Step | None:
        """A page 1 that begins with an unknown row, although rows were read, has to come twice: nothing else proves it."""
        is_known = keys[0] in self._seen or self._seen.order_changed
        if not self._seen or is_known or self._first_of_list == keys[0]:
            return None
        self._first_of_list = keys[0]
        return Step(event="the API gave a first page that begins with an unknown row, asking again")

    def _check_empty_list(self, page: Page) -> Step | None:
        """A list without rows is asked for again, then for its second page; None when it is to be taken.

        One with a total of 0 is empty, unless some rows were read before, and one without a total when it came twice so.
        """
        most_looks = 2 if page.total or self._had_rows else int(page.total is None)
        if self._empty_first_pages == most_looks:
            self._resumed.clear()
            return None
        self._empty_first_pages += 1
        if self._empty_first_pages == 1:
            return Step(event="the API gave a first page without rows, asking again")
        self.request, self.saved = Request(2, self.size), NOTHING_SAVED  # an empty list is not gone on with
        return Step(event="the API gave a first page without rows again, asking for the second")

    def _check_second_page(self, keys: list[int]) -> Step:
        """What an empty first page means, after the second one was asked for."""
        if keys:
            return Step(failure="the first page has no rows, although the second has some")
        if self._had_rows:
            return Step(failure="the list has no rows any more, although it had some")
        return self._look_past_end()

    def _accept(self, page: Page, keys: list[int], begin: int, limit: int) -> Step:
        """Takes a page that is in its place: emits what is unseen, and decides whether the list ends here."""
        is_first, is_short = self.request.number == 1, len(keys) < limit
        has_fewer = is_first and is_short and self._pages == 0 and bool(keys) and page.total != len(keys)
        if has_fewer and page.total is not None and not self._has_come_short:
            self._has_come_short = True
            return Step(event=f"the API counts {page.total:,} rows but gave {len(keys):,}, asking again")
        was_back, self._back = self._back > 0, 0
        unseen = self._unseen(page, keys, begin, may_be_known=was_back)
        rows = [row for row in unseen.values() if row is not None]
        self._is_catching_up = (self._is_catching_up or was_back) and not unseen
        if self._is_catching_up and self._known_page != self.request:
            self._known_page = self.request
            return Step(event="the API gave a page without an unseen row after a step back, asking again")
        self._pages, self._known_page = self._pages + 1, None
        self._sizes.end_trial(is_successful=True)
        self._overlaps &= is_first or begin < self.position
        self._totals.is_too_small |= page.total is not None and begin + len(keys) > page.total and bool(unseen)
        if has_fewer:  # perhaps the API gives no more at once
            self._move_to(page, len(keys))
            self._sizes.clamp_to(max(len(keys), LEAST_OVERLAPPING))
            return self._ask(rows=rows)
        # Where unseen rows follow a short page, the API removes hidden rows from pages after it has cut the list into them.
        self._has_hidden_rows, self._was_short = self._has_hidden_rows or (self._was_short and bool(unseen)), is_short
        is_end = is_short and (page.total == begin + len(keys) or self._last_key in keys)
        is_expected = is_end or (not is_short and (self._is_catching_up or is_first)) or self._last_key is None
        if not (unseen or is_expected or self._readings > 1) and (stale := self._stale(len(keys), is_short=is_short)):
            return stale
        self._stale_pages = 0
        self._sizes.limit_bytes(page)
        self._first_page = keys if self._pages == 1 and is_first else []
        self._move_to(page, begin + len(keys))
        if is_short and (page.total == self.position or not (unseen or was_back)):
            self._last_count = len(keys)
            return self._look_past_end(rows)
        self._foresees = not is_short
        return self._ask(rows=rows)

    def _take_look(self, keys: list[int]) -> Step:
        """Goes on where there are rows after what seemed to be the end."""
        self._look = None
        if self._seen.has_all(keys):
            return self._finish()
        self._looks += 1
        if self._looks == 1:
            return self._ask("there are rows after what looked like the end of the list, asking again")
        if self._looks == 2 and self._is_smaller_page(self._last_count):
            return self._ask_for_smaller(self._last_count)
        self._is_by_span, self._overlaps = True, False
        self._sizes.fix()
        self.position, self.saved = 0, NOTHING_SAVED
        return self._ask("the API leaves rows out of its pages, reading each page from where it should begin")

    def _take_by_span(self, page: Page, keys: list[int], begin: int, limit: int) -> Step:
        """Takes a page that may lack rows, so that the next one begins where this one should end."""
        unseen = self._unseen(page, keys, begin, may_be_known=True)
        self.position = begin + limit
        rows = [row for row in unseen.values() if row is not None]
        is_end = page.status != 200 or self.position >= (self._totals.last or 0)
        return self._finish(rows) if is_end else self._ask(rows=rows)

    def _stale(self, count: int, *, is_short: bool) -> Step | None:
        """What to do with a page that has no unseen row, and is not the end; None where it is the end for all that is known."""
        self._stale_pages += 1
        if self._stale_pages > MOST_STALE_PAGES:
            return None if is_short else Step(failure="different page numbers bring the same rows")
        if is_short and self._stale_pages == 2 and self._is_smaller_page(count):
            return self._ask_for_smaller(count)
        return Step(event="the API gave a page without an unseen row, asking again")

    def _is_smaller_page(self, count: int) -> bool:
        """Whether the rows of a short page may be the largest page now."""
        return LEAST_OVERLAPPING <= count < self.size

    def _ask_for_smaller(self, count: int) -> Step:
        self._sizes.clamp_to(count)
        return self._ask(f"the API gives no more than {count} rows at once now")

    def _step_back(self, keys: list[int], begin: int, limit: int) -> Step:
        tries = self._steps_back[self.position] = self._steps_back.get(self.position, 0) + 1
        was_trial = self._sizes.is_trial
        self._sizes.end_trial(is_successful=False)
        if not keys and tries == 1 and not was_trial:
            return Step(event="the API gave a page without rows, asking again")
        if tries > MOST_STEPS_BACK:
            return Step(failure=f"no page continues after row {self.position:,}, where the last one ended")
        self.saved = NOTHING_SAVED  # until a known row is found, the list may not go on after what was read
        self._sizes.overlap = max(1, 2 * self._sizes.overlap)
        return self._go_back(begin, limit, "rows were deleted while reading")

    def _look_for_saved_position(self, page: Page, keys: list[int], begin: int, limit: int) -> Step | None:
        """Finds the row at which an earlier run stopped; None when the page is to be taken."""
        first = -1
        if page.total is None or begin < page.total:  # else it may be any page, in place of one after the end
            found = self._resumed.last_index(page)
            if self._resumed.is_reversed(page) or (found >= 0 and begin + found >= self._resumed.position):
                # Rows were inserted before, or the page taken last was not the one asked for: rows before it may be unread.
                self._resumed.clear()
                self.position = 0
                return self._ask("the list is not as the last sync left it, reading it from the start")
            first = self._resumed.first_unread(page, found)
        if first > 0:
            self._seen.add(keys[:first])
            self._seen.uncounted = begin
        elif self.request.number > 1:
            return self._go_back(begin, limit, "looking for the row at which the last sync stopped")
        self._resumed.clear()
        self._is_catching_up = 0 < first == len(keys)  # a page that was read whole
        self._back, self.position = 0, begin + max(first, 0)
        return None
