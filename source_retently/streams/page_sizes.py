"""`PageSizes`: with which limit and page number to ask for the rows after a position."""

import math
from collections.abc import Mapping
from typing import Any

from source_retently.streams.pages import Page, Request

LARGEST_PAGE = 1000
"""Rows a page that the API documents as its maximum (docs/api.md#page-size)."""
SAFE_PAGE = 100
"""Rows a page that every source agrees on (docs/api.md#companies-page-size)."""
SMALLEST_PAGE = 20
"""Rows a page where no limit is given (docs/api.md#page-size). A smaller page is not asked for: then the server has other
trouble than the size of its pages."""
PAGE_SIZES = (LARGEST_PAGE, 500, SAFE_PAGE, SMALLEST_PAGE)
"""The largest page becomes the next smaller of these where the API can't serve it in time."""
HEAVY_PAGE = 4_000_000
"""Bytes of a page that takes too much memory: parsed, it takes several times as much."""
LEAST_OVERLAPPING = 3
"""Pages of fewer rows can't overlap."""


def page_for(position: int, size: int, overlap: int = 0) -> Request:
    """The page that begins more than `overlap` rows before the position, ends after it and wastes the fewest rows.

    :param position: rows read so far
    :param size: rows of the largest page; limits from half of it are tried
    """
    target, best, least = position - 1 - overlap, None, math.inf
    for limit in range(size, max(2, size // 2) - 1, -1):
        begin = target // limit * limit
        waste = (position - begin) + (size - limit)
        if begin + limit > position and waste < least:
            best, least = Request(target // limit + 1, limit), waste
    # There is no such page before the first one. Pages of a handful of rows may have none: then the page proves nothing.
    return best or Request(position // size + 1, size)


class PageSizes:
    """The sizes of the pages of one list, as far as they are known."""

    def __init__(self, size: int, saved: Mapping[str, Any] | None) -> None:
        """
        :param size: rows of the largest page to ask for
        :param saved: `saved` of an unfinished reading, which may know that the API gives fewer
        """
        clamp = saved.get("size") if saved else None
        self.clamp = clamp if type(clamp) is int and LEAST_OVERLAPPING <= clamp < size else None
        """Rows of the largest page that the API gives, where it gives fewer than asked for."""
        self.largest = self.clamp or size
        """Rows of the largest page to ask for."""
        self.overlap = 0
        """Rows that a page repeats, beside the last one; more after each step back."""
        self.is_fixed = False
        """Whether the API takes pages of one size only, so that pages can't overlap."""
        self.is_trial = False
        """Whether that is being tried with the page asked for."""
        self.ignores_limit = False
        """Whether the API gave more rows than asked for."""
        self._most_rows, self._size = 0, size

    def request_at(self, position: int) -> Request:
        """The page with the first row after a position."""
        if self.is_fixed or self.is_trial:
            return Request(position // self.largest + 1, self.largest)
        return page_for(position, self.largest, min(self.overlap, self.largest // 4))

    def shrink(self, limit: int) -> None:
        """Makes pages smaller than this limit, which is too heavy for the API."""
        self.largest = next(size for size in PAGE_SIZES if size < limit)

    def limit_bytes(self, page: Page) -> None:
        """Makes pages smaller after one that takes too much memory."""
        if page.size > HEAVY_PAGE and not self.is_fixed:
            self.largest = min(self.largest, max(SMALLEST_PAGE, len(page.keys) * HEAVY_PAGE // page.size))

    def clamp_to(self, rows: int) -> None:
        """Takes a number of rows for the largest page that the API gives."""
        self.largest = self.clamp = rows

    def fix(self) -> None:
        """Takes pages of one size from now on, which don't overlap."""
        self.is_fixed, self.largest = True, self._size

    def end_trial(self, *, is_successful: bool) -> None:
        """Notes whether the API took a page of the largest size, where that was tried."""
        self.is_fixed |= self.is_trial and is_successful
        self.is_trial = False

    def effective_limit(self, page: Page, asked: int) -> int:
        """Rows a page as the API counts them: fewer than asked for where its response and its rows agree on it, or more."""
        count = len(page.keys)
        is_clamp = page.limit is not None and page.limit == count < asked and page.total != count
        is_clamp = is_clamp and count >= max(self._most_rows, LEAST_OVERLAPPING)
        self._most_rows = max(self._most_rows, count)
        if is_clamp:
            self.clamp_to(min(self.largest, count))
        if count > asked:
            self.ignores_limit, self.is_fixed, self.largest = True, True, count
        return count if is_clamp or count > asked else asked
