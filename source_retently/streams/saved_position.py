"""`SavedPosition`: the row at which an unfinished reading stopped."""

from collections.abc import Mapping
from typing import Any

from source_retently.streams.pages import Page, dates_of, is_falling


class SavedPosition:
    """The last keys and the position of an unfinished reading; false where there is none, or it can't be resumed."""

    def __init__(self, saved: Mapping[str, Any] | None, date_field: str) -> None:
        saved = saved or {}
        keys, position = saved.get("keys"), saved.get("position", 0)
        anchors = frozenset(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else frozenset()
        is_usable = anchors and type(position) is int and position > 0 and not saved.get("order_changes")
        self._keys = anchors if is_usable else frozenset()
        self._date_field, self._was_newest_first = date_field, saved.get("newest_first") is True
        self.position: int = position if is_usable else 0
        """Rows that were read."""
        self.date = ""
        """The date of the row, once it is found."""

    def __bool__(self) -> bool:
        return bool(self._keys)

    def clear(self) -> None:
        """Ends the search."""
        self._keys = frozenset()

    def last_index(self, page: Page) -> int:
        """Index of the last row of a page that was read; -1 where there is none."""
        return max((i for i, key in enumerate(page.keys) if key in self._keys), default=-1)

    def is_reversed(self, page: Page) -> bool:
        """Whether the list is sorted the other way now, so that the rows before the saved ones are those after them."""
        return is_falling(page, self._date_field) is (not self._was_newest_first)

    def first_unread(self, page: Page, found: int) -> int:
        """Index of the first row to read.

        Rows of one date may be in another order now, so all of them are read once more.

        :param found: the `last_index` of the page
        """
        dates = dates_of(page, self._date_field)
        self.date = dates[found] if found >= 0 and not self.date else self.date
        if not self.date:
            return found
        is_before = [date > self.date if self._was_newest_first else date < self.date for date in dates]
        return is_before.index(False) if False in is_before else len(dates)
