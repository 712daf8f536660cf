"""`Totals`: how many rows the API counts, response by response. They may be wrong, so they decide little."""

from source_retently.streams.pages import Page


class Totals:
    """The totals of one reading."""

    def __init__(self) -> None:
        self.last: int | None = None
        """The last one that a response had."""
        self.growth = 0
        """By how many rows the last total is larger than all before."""
        self.is_too_small = False
        """Whether the list has more rows than a response counted."""
        self._all: set[int | None] = set()

    def note(self, page: Page) -> None:
        """Notes the total of a response."""
        self.growth = max(0, (page.total or 0) - max(count for count in self._all if count is not None)) if self.last else 0
        self._all.add(page.total)
        self.last = self.last if page.total is None else page.total

    def is_proof(self, rows: int) -> bool:
        """Whether all responses counted as many rows as were seen: then none is missing, whatever the order."""
        return self._all == {rows}
