"""`SeenKeys`: the keys of all rows that a reading has seen, and whether the order of the rows changes."""

from collections.abc import Iterable

from source_retently.streams.pages import GENERATED_KEY_PREFIX, Page, Row, dates_of, is_newest_first


class SeenKeys:
    """The keys of all rows, as hashes: at most 100 bytes a row."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self.uncounted = 0
        """Rows without a key of their own here: before a resumed page, twice on a page, newly inserted."""
        self.order_changed = False
        """Whether a known row came after an unknown one."""
        self.order_changes_now = False
        """The same, since the list was last read from page 1. Such a reading has brought an unseen row."""

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: int) -> bool:
        return key in self._hashes

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return self.uncounted + len(self._hashes)

    def has_all(self, keys: Iterable[int]) -> bool:
        """Whether all of them were seen."""
        return self._hashes.issuperset(keys)

    def add(self, keys: Iterable[int]) -> None:
        """Notes keys of rows that are not emitted."""
        self._hashes.update(keys)

    def _most_inserted(self, page: Page, keys: list[int], date_field: str, growth: int) -> int:
        """How many of the rows that a newest-first page begins with may be known because rows were inserted before them.

        Known rows of one date may also be there because their order changed: then as many as the total grew by.
        """
        known = next((i for i, key in enumerate(keys) if key not in self._hashes), len(keys))
        return known if len(set(dates_of(page, date_field)[:known])) == known else growth

    def _begins_with_inserted(self, page: Page, keys: list[int], date_field: str) -> bool:
        """Whether a newest-first page that is read again has rows before the known ones that are newer than these."""
        unseen = next((i for i, key in enumerate(keys) if key in self._hashes), 0)
        dates = dates_of(page, date_field)
        return dates[unseen - 1] > dates[unseen]

    def shows_deletion(self, page: Page, keys: list[int]) -> bool:
        """Whether known rows with keys of their own come after unknown ones."""
        own = [key for key, text in zip(keys, page.keys, strict=True) if text[:1] != GENERATED_KEY_PREFIX]
        unseen = [key not in self._hashes for key in own]
        return True in unseen and not all(unseen[unseen.index(True) :])

    def take(
        self, page: Page, keys: list[int], *, first_expected: int | None, growth: int, date_field: str
    ) -> dict[int, Row | None]:
        """The rows that were not seen before, each once: the last of several with one key, in the place of the first.

        :param first_expected: index of the first row that no page should have brought yet; None where some may have
        :param growth: by how many rows the last total is larger than all before
        """
        latest: dict[int, Row | None] = {}
        most_inserted, is_inserted = 0, False  # where the list is sorted as asked, rows are inserted at its end
        if is_newest_first(page, date_field):
            most_inserted = self._most_inserted(page, keys, date_field, growth)
            is_inserted = self._begins_with_inserted(page, keys, date_field)
        for i, (key, row) in enumerate(zip(keys, page.rows, strict=True)):
            if key in latest:
                self.uncounted += 1  # two rows with one key on one page are two
            elif key in self._hashes:
                # Behind what was read, a known key belongs to another row, or rows were inserted before this page.
                is_other = page.keys[i].startswith(GENERATED_KEY_PREFIX) or (i > 0 and key == keys[i - 1])
                is_expected_unseen = first_expected is not None and i >= first_expected
                is_shifted = i - (first_expected or 0) < most_inserted
                self.uncounted += is_expected_unseen and (is_other or is_shifted)
                changes = bool(latest) and not is_other and not is_inserted
                self.order_changed |= changes
                self.order_changes_now |= changes
                continue
            latest[key] = row
        self._hashes.update(latest)
        return latest
