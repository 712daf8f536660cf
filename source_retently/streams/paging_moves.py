"""`PagingMoves`: what the reading of a list knows, and where it can go next; `Paginator` decides which way."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from source_retently.streams.page_sizes import LARGEST_PAGE, SAFE_PAGE, SMALLEST_PAGE, PageSizes
from source_retently.streams.pages import End, Page, Request, Row, Step, dates_of, is_falling
from source_retently.streams.saved_position import SavedPosition
from source_retently.streams.seen_keys import SeenKeys
from source_retently.streams.totals import Totals

REMEMBERED_KEYS = 20
"""Keys of the last page that a state contains."""
MOST_READINGS = 8
"""How often a list whose order changes is read at the most."""
NOTHING_SAVED: Mapping[str, Any] = {"keys": [], "position": 0}


class PagingMoves:
    """The state of one reading, and its moves."""

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
        """What a later run needs to go on: `position` (rows read), `keys` (the last ones), `size`, `order_changes`,
        `newest_first`."""
        self._seen, self._totals = SeenKeys(), Totals()
        self._is_falling: bool | None = None  # whether the newest rows come first; None while all rows are of one date
        # How far the reading has come.
        self._requests = self._pages = 0  # responses, and those of them that were pages in their place
        self._last_unseen = 0  # number of the response that last brought an unseen row
        self._readings = 1  # how often the list is read
        self._last_key: int | None = None  # of the page taken last
        self._first_page: list[int] = []  # its keys, until the second page proves it
        # Going back, after a page that does not begin with a known row.
        self._back = 0  # steps in a row
        self._steps_back: dict[int, int] = {}  # steps by the position that they were made from
        self._is_catching_up = False  # the pages since then had known rows only
        self._known_page: Request | None = None  # the last one of these, which has to come twice so
        # Pages that are asked for again.
        self._stale_pages = self._empty_first_pages = 0
        self._has_come_short = False  # the first page had fewer rows than its total
        self._had_rows = bool(self._resumed)  # in this reading, or in the one that it resumes
        self._first_of_list: int | None = None  # first key of an unproved page 1
        self._foresees = False  # the next pages can be fetched early
        self._early: set[Request] = set()  # foreseen, and therefore perhaps fetched before the page in front of it
        # What lies after the page that seems to be the last one.
        self._look: Request | None = None
        self._looks, self._last_count = 0, 0  # how often it was looked for, and rows of the last page
        self._is_by_span = False  # the API leaves rows out of its pages
        self._was_short, self._has_hidden_rows = False, False  # the page taken last; a list that goes on after such a page
        self._overlaps = True
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
        is_too_large = status == 400 and self.size > SAFE_PAGE
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

    def _ask(self, event: str = "", rows: Sequence[Row] = ()) -> Step:
        self.request = self._sizes.request_at(self.position)
        return Step(rows, event=event)

    def _unseen(self, page: Page, keys: list[int], begin: int, *, may_be_known: bool) -> dict[int, Row | None]:
        is_in_order = self._readings == 1 and not (may_be_known or self._is_catching_up)
        first_expected = self.position - begin if is_in_order else None
        unseen = self._seen.take(
            page, keys, first_expected=first_expected, growth=self._totals.growth, date_field=self._date_field
        )
        if unseen:
            self._last_unseen = self._requests
        return unseen

    def _move_to(self, page: Page, position: int) -> None:
        self.position = position
        self._last_key = hash(page.keys[-1]) if page.keys else self._last_key
        # Fewer rows than positions: some may be missing, so a later run has to start at page 1.
        is_doubtful = self._seen.order_changed or self._seen.rows < position
        falls = is_falling(page, self._date_field)
        self._is_falling = self._is_falling if falls is None else falls
        extra = {"size": self._sizes.clamp, "order_changes": is_doubtful, "newest_first": self._is_falling}
        # Nor can it go on after a first page that the second has not proved yet, nor while all rows are of one date: they
        # are read once more, and nothing would show that the list is in reverse by then.
        has_one_date = self._is_falling is None and any(dates_of(page, self._date_field))
        keys = [] if self._first_page or has_one_date else list(page.keys[-REMEMBERED_KEYS:])
        where = {"position": position, "keys": keys} if keys else NOTHING_SAVED
        self.saved = {**where, **{name: value for name, value in extra.items() if value}}

    def _go_back(self, begin: int, limit: int, why: str) -> Step:
        before = self.request
        while self.request == before:  # pages of a few rows may not overlap
            self._back += 1
            self.position = max(0, begin - (2 ** (self._back - 1) - 1) * limit)
            self.request = self._sizes.request_at(self.position)
        return Step(event=f"{why}, going back to row {self.request.begin + 1:,}")

    def _look_past_end(self, rows: Sequence[Row] = ()) -> Step:
        """The list seems to end; where its total counts more rows than were read, the page with the last one is asked for."""
        total = self._totals.last or 0
        if self._seen.order_changed or total <= min(self.position, self._seen.rows):
            return self._finish(rows)
        self._look = self.request = Request((total - 1) // self.size + 1, self.size)
        return Step(rows)

    def _finish(self, rows: Sequence[Row] = ()) -> Step:
        """The list has been read to its end, or is read again because its order changes."""
        seen = self._seen
        changes, seen.order_changes_now = seen.order_changes_now, False
        if changes and not self._is_by_span and self._readings < self._most_readings:
            self._readings += 1
            self.position = seen.uncounted = 0
            self._steps_back.clear()
            return self._ask("the API changed the order of rows while they were read, reading the list again", rows)
        is_proved = self._totals.is_proof(len(seen))
        position = min(self.position, seen.rows) if self._has_hidden_rows else self.position
        may_lack_rows = seen.rows < position or (seen.order_changed and not is_proved) or self._is_by_span
        return Step(rows, End(position, seen.rows, self._totals.last, seen.order_changed, may_lack_rows, self._overlaps))
