"""A list behind page numbers that changes while it is read, and everything that an API may do wrong with it.

One call of `ChangingList.get` is one request. Everything is drawn from the seed, so that a case can be run again.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from source_retently.streams.pages import End, Page, Request
from source_retently.streams.paging import Paginator

MOST_REQUESTS = 3000
SIZE = 100
"""Rows of the largest page to ask for."""
PAST_END = ["empty", 404, 400, "last", "first"]
"""What an API may give past the end."""


@dataclass
class ChangingList:
    """Rows are (date, id), oldest first."""

    seed: int
    count: int
    ties: int = 0
    """So many rows share a date."""
    shuffle: bool = False
    """Whether rows of one date come in another order in each response."""
    newest_first: bool = False
    """Whether the sort is ignored."""
    inserted: float = 0
    """New rows a minute."""
    deleted: float = 0
    """Deleted rows a minute."""
    where: str = "any"
    """Which rows are deleted: any, old, new, mix."""
    total: str = "exact"
    """What the list counts: exact, plus, less (by `k`), cap (`k` at most), zero, swing (one less in turn), none."""
    k: int = 0
    past_end: Any = "empty"
    """What comes past the end: empty, 404, 400, last (the last page again), first (page 1 again)."""
    largest: int = 1000
    """Rows of the largest page; more are cut off."""
    echoes: bool = False
    """Whether the response repeats the limit that it used."""
    only_limit: int = 0
    """The only limit above 100 that is not refused with 400; 0 for any."""
    too_heavy: int = 10_000
    """Pages of so many rows can't be served in time."""
    hidden: Callable[[int], bool] | None = None
    """Which rows, by their ids, are taken out after paging."""
    wrong_pages: dict[Any, Any] = field(default_factory=dict)
    """By request number, once, or by `("page", n)`, always: "empty", or the number of the page that is served instead."""
    script: dict[int, Callable[["ChangingList"], None]] = field(default_factory=dict)
    """What happens before a request."""

    def __post_init__(self) -> None:
        self.random, self.now, self.ids, self.requests = random.Random(self.seed), 1e6, 0, 0
        self.rows: list[tuple[float, int]] = []
        self.gone: set[int] = set()
        for i in range(self.count):
            self.ids += 1
            self.rows.append((1000.0 + (i // self.ties * self.ties if self.ties else i), self.ids))

    def add(self, date: float | None = None) -> None:
        self.ids += 1
        self.rows.append((self.now if date is None else date, self.ids))
        self.rows.sort()

    def delete(self, index: int) -> None:
        self.gone.add(self.rows.pop(index)[1])

    def pass_time(self, seconds: float) -> None:
        """Rows come and go at random moments."""
        begin = self.now
        events: list[tuple[float, str]] = []
        for rate, kind in ((self.inserted, "inserted"), (self.deleted, "deleted")):
            at = self.random.expovariate(rate / 60) if rate else math.inf
            while at < seconds:
                events.append((at, kind))
                at += self.random.expovariate(rate / 60)
        for at, kind in sorted(events):
            self.now = begin + at
            if kind == "inserted":
                self.add()
            elif self.rows:
                last = len(self.rows) - 1
                where = self.random.choice(["any", "old", "new"]) if self.where == "mix" else self.where
                self.delete({"any": self.random.randint(0, last), "old": 0, "new": last}[where])
        self.now = begin + seconds

    def get(self, request: Request) -> Page:
        self.requests += 1
        duration = self.random.uniform(0.4, 2.0)
        self.pass_time(duration / 2)
        if act := self.script.pop(self.requests, None):
            act(self)
        page = self._page(request)
        self.pass_time(duration / 2)
        return page

    def _page(self, request: Request) -> Page:
        if self.only_limit and request.limit > 100 and request.limit != self.only_limit:
            return Page(status=400)
        if request.limit >= self.too_heavy:
            return Page(status=504)
        rows = sorted(self.rows, key=lambda row: (row[0], self.random.random())) if self.shuffle else self.rows
        rows = rows[::-1] if self.newest_first else rows
        limit, number = min(request.limit, self.largest), request.number
        wrong = self.wrong_pages.pop(self.requests, None) or self.wrong_pages.get(("page", number))
        number = wrong if isinstance(wrong, int) else number
        last = max(1, math.ceil(len(rows) / limit))
        if number > last:
            if self.past_end in (400, 404):
                return Page(status=self.past_end)
            number = {"last": last, "first": 1}.get(self.past_end, number)
        found = [] if wrong == "empty" else rows[(number - 1) * limit : number * limit]
        found = [row for row in found if not self.hidden(row[1])] if self.hidden else found
        count = len(rows)
        totals: dict[str, int | None] = {
            "exact": count,
            "plus": count + self.k,
            "less": max(0, count - self.k),
            "cap": min(count, self.k),
            "zero": 0,
            "swing": count - self.requests % 2,
            "none": None,
        }
        return Page(
            [str(key) for _, key in found],
            [{"id": key, "date": f"{date:020.3f}"} for date, key in found],
            totals[self.total],
            limit if self.echoes else None,
        )


@dataclass
class Outcome:
    """What came of reading a list, in one run or in several."""

    emitted: list[int] = field(default_factory=list)
    """Ids of the rows, over all runs."""
    twice: int = 0
    """Rows that one run emitted more than once."""
    end: End | None = None
    failure: str = ""
    saved: Mapping[str, Any] = field(default_factory=dict)
    """What the last run left for the next one."""
    readings: int = 1
    events: list[str] = field(default_factory=list)

    @property
    def is_silent(self) -> bool:
        """Whether nothing was reported: no failure, no rows that may be missing, no wrong total."""
        return self.end is not None and not (self.end.may_lack_rows or self.end.total_is_wrong) and self.end.overlaps


def read(
    api: ChangingList,
    size: int,
    *,
    die_after: int | None = None,
    between: Callable[[ChangingList], None] | None = None,
    prefetched: int = 1,
) -> Outcome:
    """Reads the list with the paginator, with so many pages `prefetched`; killed once after so many steps."""
    outcome, saved = Outcome(), None
    while True:
        paginator = Paginator(size, saved, date_field="date")
        fetched: dict[Request, Page] = {}
        run: list[int] = []
        steps = 0
        while True:
            assert api.requests < MOST_REQUESTS, "it does not end"
            page = fetched.pop(paginator.request, None) or api.get(paginator.request)
            if page.status != 200 and not paginator.can_take(page.status):
                outcome.failure = f"refused with {page.status}"
                return outcome
            step = paginator.take(page)
            steps += 1
            run += [row["id"] for row in step.rows]
            outcome.events += [step.event] if step.event else []
            foreseen = [request for request, _ in zip(paginator.foreseen(page.total), range(prefetched), strict=False)]
            # Fetched in an order that threads may bring about.
            api.random.shuffle(foreseen)
            fetched = {request: fetched.get(request) or api.get(request) for request in foreseen if prefetched > 1}
            if step.end or step.failure or steps == die_after:
                break
        outcome.emitted += run
        outcome.twice += len(run) - len(set(run))
        outcome.end, outcome.failure, outcome.saved = step.end, step.failure, paginator.saved
        outcome.readings = sum("reading the list again" in event for event in outcome.events) + 1
        if step.end or step.failure:
            return outcome
        die_after, saved = None, paginator.saved
        if between:
            between(api)


def judged(api: ChangingList, **how: Any) -> tuple[Outcome, set[int]]:
    """A reading, and the rows that it lacks although they were there all the time."""
    before = {key for _, key in api.rows if not (api.hidden and api.hidden(key))}
    outcome = read(api, how.pop("size", SIZE), **how)
    assert outcome.twice == 0
    return outcome, before - api.gone - set(outcome.emitted)
