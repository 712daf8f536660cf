"""The page walk: which page comes next, and which of its rows are new.

Pages are numbered, and rows come and go while they are read. Rows are asked for oldest first, so that new rows end up
behind the walk; rows that were inserted before it push known rows onto the next page (they are dropped there), and rows
that were deleted before it pull unread rows back onto a page that was read already (the walk steps back for them).

How many rows were deleted shows in `total`, unless as many new ones came in between the same two requests. Where the API can't
leave new rows out of a list by their date, the walk therefore counts them, and settles the account on the last page: if more
rows must have gone than it has stepped back for, it reads all pages once more and hands out what it has not seen.
Nothing here knows about HTTP.
"""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

LARGEST_PAGE = 1000
"""Rows a page that the API documents as its maximum (reference 1.7)."""
SAFE_PAGE = 100
"""Rows a page that every source agrees on (reference, contradiction 1)."""
REMEMBERED_PAGES = 8
"""Pages whose keys are kept for the removal of overlaps; memory stays flat however long the walk."""
MOST_STEPS_BACK = 20
"""Steps back in a row after which `total` is taken for an estimate that jumps about, and no longer followed."""


@dataclass
class Page:
    """One answer of a list endpoint."""

    number: int
    rows: list[Row]
    """Rows of the answer; once the walk has taken the page, only those that it had not seen before."""
    total: int | None = None
    """Rows of all pages, as the answer says."""
    pages: int | None = None
    """Number of pages, as the answer says."""
    answered: str = ""
    """When the API gave the answer, by its own clock, as text of 24 characters."""
    unusable: list[str] = field(default_factory=list)
    """A mark of each thing in the answer that is no row: they count for the size of the page, and tell two pages apart."""
    next_token: dict[str, Any] | None = field(default=None, compare=False)
    """Where the walk goes on; None after the last page."""

    def last_page(self, largest: int) -> int | None:
        """The number of the last page as this one says, where `largest` is the size of the largest page seen so far.

        Of `pages` and `total` the one that promises more is believed, since samples of the API contradict themselves; at
        worst an empty page is read. An echoed `limit` is not needed: the rows themselves show it.
        """
        if self.pages is None and self.total is None:
            return None
        return max(self.pages or 0, math.ceil((self.total or 0) / max(largest, 1)))


class PageWalk:
    """One walk over the pages of one stream.

    Usage: ask for page `number` with `limit` rows and give the answer to `take`; when `take` says False, or `recover`
    says True after a refusal, ask again, because both may have changed.
    """

    def __init__(self, key: str, limit: int, token: Mapping[str, Any] | None = None, *, birth: str | None = None) -> None:
        """
        :param key: the field that identifies a row; every row has it
        :param limit: rows a page to ask for
        :param token: where an earlier walk stopped (`next_token` of its last page); anything else starts at page 1
        :param birth: the field that says when a row was made, where new rows turn up in the list during the walk
        """
        self._key = key
        self._birth = birth
        self._started: str | None = None
        self._first_total: int | None = None
        self._born = 0
        self._stepped_back_for = 0
        self._seen = array("q")
        self._seen_before: set[int] | None = None
        saved = {name: value for name, value in (token or {}).items() if type(value) is int and value > 0}
        resumes = "page" in saved
        self.number: int = saved["page"] if resumes else 1
        self.limit: int = min(saved.get("limit", limit), limit) if resumes else limit
        self.is_stuck = False
        """Whether the API answered different page numbers with the same rows, although there should be more."""
        self.last_page = 0
        """The number of the last page as far as is known, else 0."""
        self._total: int | None = saved.get("total") if resumes else None
        self._largest = 0
        self._recent: set[Any] = set()
        self._keys_of: dict[int, list[Any]] = {}
        self._first_keys: list[Any] = []
        self._last_keys: list[Any] = []
        self._end: int | None = None
        self._furthest = 0
        self._steps_back = 0

    @property
    def token(self) -> dict[str, Any]:
        """What a new walk needs to go on here."""
        total = {} if self._total is None else {"total": self._total}
        return {"page": self.number, "limit": self.limit, **total}

    def numbers_ahead(self, most: int) -> range:
        """The pages that will be asked for next, `number` first, as far as is known that they exist."""
        return range(self.number, min(self.number + most, self.last_page + 1))

    @property
    def rows_passed(self) -> int:
        """Rows up to the page that was taken last."""
        return (self.number - 1) * self._largest

    def take(self, page: Page) -> bool:
        """Leaves only new rows in the page and moves on; False when a page has to be read again before this one."""
        if self._has_shrunk(page):
            return False
        has_grown = page.total is not None and self._total is not None and page.total > self._total
        self._total = page.total if page.total is not None else self._total
        self._largest = max(self._largest, len(page.rows) + len(page.unusable))
        latest = {row[self._key]: row for row in page.rows}  # the last one wins within a page
        keys = [*latest, *page.unusable]
        self.last_page = page.last_page(self._largest) or 0
        says_nothing = page.total is None and page.pages is None
        is_last = not keys or (page.number == self._end if says_nothing else page.number >= self.last_page)
        if keys and keys in (self._first_keys, self._last_keys) and not has_grown:
            # A page already seen, though not necessarily a late one: past the end some lists begin again.
            self.is_stuck = not is_last and not says_nothing
            is_last = True
            latest = {}
        page.rows = [row for key, row in latest.items() if key not in self._recent]
        self._remember(page.number, keys)
        if self._birth is not None:
            self._keep_account(page)
            if is_last and self._was_robbed(page):
                self._start_again()
                page.next_token = self.token
                return True
        if page.number > self._furthest:
            self._furthest, self._steps_back = page.number, 0
        self.number = page.number + 1
        page.next_token = None if is_last else self.token
        return True

    def recover(self, status: int) -> bool:
        """Finds a way around a refused page; False when there is none.

        :param status: 400 or 404, with which the API refused it
        """
        if self.number > 1 and self._end is None:
            # The page may have vanished since the page before promised it; what it held has moved onto that one.
            self.number -= 1
            self._end = self.number
            self._last_keys = self._first_keys = []
            return True
        if status == 400 and self.limit > SAFE_PAGE:
            self.limit = SAFE_PAGE
            return True
        return False

    def _has_shrunk(self, page: Page) -> bool:
        """Whether rows were deleted since the last page, which may have pulled unread ones onto it; then steps back."""
        if page.total is None or self._total is None or page.total >= self._total or page.number == 1:
            return False
        if self._steps_back == MOST_STEPS_BACK:
            return False
        deleted = self._total - page.total
        self._steps_back += 1
        self._stepped_back_for += deleted
        self._total = page.total
        self._last_keys = self._first_keys = []
        self.number = max(1, page.number - math.ceil(deleted / (self._largest or min(self.limit, SAFE_PAGE))))
        return True

    def _keep_account(self, page: Page) -> None:
        """Counts the rows that were made since the walk began, and notes which ones it has handed out, 8 bytes each."""
        if self._started is None:
            self._started, self._first_total = page.answered, page.total
        if self._seen_before is not None:
            page.rows = [row for row in page.rows if hash(row[self._key]) not in self._seen_before]
        birth, started = str(self._birth), self._started
        self._born += sum(1 for row in page.rows if (row.get(birth) or "") >= started)
        self._seen.extend(hash(row[self._key]) for row in page.rows)

    def _was_robbed(self, page: Page) -> bool:
        """Whether more rows were deleted than the walk has stepped back for; asked once a walk."""
        if self._first_total is None or page.total is None or self._seen_before is not None:
            return False
        return self._first_total + self._born - page.total > self._stepped_back_for

    def _start_again(self) -> None:
        self._seen_before = set(self._seen)
        self.number, self._furthest, self._end = 1, 0, None
        self._last_keys = self._first_keys = []

    def _remember(self, number: int, keys: list[Any]) -> None:
        self._first_keys = self._first_keys or keys
        self._last_keys = keys
        self._keys_of.setdefault(number, []).extend(key for key in keys if key not in self._recent)
        self._recent.update(keys)
        for old in [page for page in self._keys_of if page <= number - REMEMBERED_PAGES]:
            self._recent.difference_update(self._keys_of.pop(old))
