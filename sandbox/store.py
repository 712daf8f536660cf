"""The rows of an account while it lives: generated ones, and what was inserted, changed and deleted since."""

import math
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from sandbox.account import Account
from sandbox.data import Row, stamp
from sandbox.endpoints import PAGED, example_row
from source_retently.streams.paged import PagedStream

DAY = 86_400_000
Ratings = dict[tuple[int, int], Counter[int]]
"""How often each rating was given, by campaign and day (both as numbers)."""
Deliveries = dict[tuple[int, int], Counter[str]]
"""How many surveys were sent, opened and so on, by campaign and day."""


class Collection:
    """The rows of one list, in the order in which they were made."""

    def __init__(self, account: Account, stream: PagedStream) -> None:
        self._account = account
        self._stream = stream
        self.kind = stream.name
        self._next = account.counts[self.kind]
        self._order = list(range(self._next))
        self._inserted: dict[int, int] = {}
        self._changes: dict[int, Row] = {}
        self.version = 0
        self._selections: dict[Any, list[int]] = {}

    def __len__(self) -> int:
        return len(self._order)

    def made(self, number: int) -> int:
        """Milliseconds by which the row is sorted."""
        return self._inserted[number] if number in self._inserted else self._account.created(self.kind, number)

    def dated(self, number: int) -> int:
        """Milliseconds by which the row is filtered."""
        return self._inserted[number] if number in self._inserted else self._account.dated(self.kind, number)

    def row(self, number: int) -> Row:
        made = self.made(number)
        row = self._account.row(self.kind, number, made) or example_row(self._stream, number, made)
        if number in self._inserted and "sentDate" in row:
            row["sentDate"] = stamp(self._inserted[number])
        if number in self._inserted and "updatedDate" in row:
            row["updatedDate"] = stamp(self._inserted[number])
        return {**row, **self._changes.get(number, {})}

    def changed(self, number: int, field: str, value: Any) -> Any:
        """The value of a field of a row, where this is what it was made with."""
        return self._changes.get(number, {}).get(field, value)

    def insert(self, count: int, when: int | None = None, ahead: int = 0) -> list[int]:
        """New rows, made now (by a clock so many milliseconds ahead) or at a time given in milliseconds (as imports are)."""
        numbers = list(range(self._next, self._next + count))
        self._next += count
        for number in numbers:
            self._inserted[number] = when if when is not None else time.time_ns() // 1_000_000 + ahead
            insort(self._order, number, key=lambda n: (self.made(n), n))
        self._touch()
        return numbers

    def change(self, position: int, values: Row, ahead: int | None = 0) -> None:
        """Changes the row at a position, oldest first; customers get a new updatedDate, unless `ahead` is None."""
        number = self._order[position]
        is_stamped = self.kind == "customers" and ahead is not None
        stamped = {"updatedDate": stamp(time.time_ns() // 1_000_000 + (ahead or 0))} if is_stamped else {}
        self._changes[number] = {**self._changes.get(number, {}), **stamped, **values}
        self._touch()

    def delete(self, positions: list[int]) -> None:
        """Deletes the rows at these positions, oldest first."""
        gone = {self._order[position] for position in positions}
        self._order = [number for number in self._order if number not in gone]
        self._touch()

    def select(self, start: int | None, end: int | None, inclusive: bool, wanted: Callable[[Row], bool] | None) -> list[int]:
        """Numbers of the rows between two dates, oldest first; `wanted` looks at whole rows, which takes its time."""
        if wanted is not None:
            return [number for number in self.select(start, end, inclusive, None) if wanted(self.row(number))]
        if start is None and end is None:
            return self._order
        key = (self.version, start, end, inclusive)
        if key not in self._selections:
            if len(self._selections) > 4:
                self._selections.clear()
            # A row is dated at most 2 minutes after it was made, so a cut of the order holds all that can be in.
            margin = 120_000 if self.kind == "outbox" else 0
            low = bisect_left(self._order, start - margin, key=self.made) if start is not None else 0
            high = bisect_right(self._order, end, key=self.made) if end is not None else len(self._order)
            # An exclusive bound is an inclusive one a millisecond further in: dates are whole milliseconds.
            inset = 0 if inclusive else 1
            first = -math.inf if start is None else start + inset
            last = math.inf if end is None else end - inset
            self._selections[key] = [number for number in self._order[low:high] if first <= self.dated(number) <= last]
        return self._selections[key]

    def _touch(self) -> None:
        self.version += 1


class Store:
    """Everything that the account holds."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.collections = {stream.name: Collection(account, stream) for stream in PAGED}
        self._ratings: tuple[int, Ratings] = (-1, {})
        self._deliveries: tuple[int, Deliveries] = (-1, {})

    def ratings(self) -> Ratings:
        """What was answered."""
        feedback = self.collections["feedback"]
        if self._ratings[0] != feedback.version:
            found: Ratings = defaultdict(Counter)
            for number in feedback.select(None, None, True, None):
                campaign, rating = self.account.rating(number)
                score = feedback.changed(number, "score", rating)
                found[campaign, feedback.dated(number) // DAY][score if isinstance(score, int) else rating] += 1
            self._ratings = feedback.version, found
        return self._ratings[1]

    def deliveries(self) -> Deliveries:
        """What was sent."""
        outbox = self.collections["outbox"]
        if self._deliveries[0] != outbox.version:
            found: Deliveries = defaultdict(Counter)
            for number in outbox.select(None, None, True, None):
                campaign, response, opened, opted_out, bounced = self.account.delivery(number)
                counts = found[campaign, outbox.dated(number) // DAY]
                counts["totalCount"] += 1
                counts["opened"] += opened
                counts["responded"] += response is not None
                counts["optedOut"] += opted_out
                counts["isBounced"] += bounced
            self._deliveries = outbox.version, found
        return self._deliveries[1]
