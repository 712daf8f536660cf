"""Customers by their changes: an account lives through several syncs, by a clock of its own, and no change is missed."""

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from airbyte_cdk.models import AirbyteMessage
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_retently.http.rate_limit import RateBudget
from source_retently.run_context import Settings
from source_retently.streams.changes_first import ChangesFirst
from source_retently.streams.endpoints import Customers
from source_retently.streams.pages import Page
from source_retently.values import date_text
from unit_tests.conftest import Response
from unit_tests.incremental_sync import BEGIN, HOUR, alive, build, http_date, messages, state_in


@dataclass
class Account:
    """Customers behind an API that may sort them by their last change, or do something else with that sort."""

    count: int
    sorts: str = "honoured"
    """honoured, ignored, refused, disordered (from page 2 on), nulls last, heavy (no answer in time)."""
    dated: float = 1
    """The share of the rows that have an updatedDate."""
    ties: str = "stable"
    largest: int = 1000
    seed: int = 1
    now: datetime = BEGIN
    ahead: timedelta = timedelta(0)
    """By how much the API's clock is ahead of this machine's."""
    events: dict[int, list[str]] = field(default_factory=dict)
    """What happens before a request of the next sync, by its number."""

    def __post_init__(self) -> None:
        self.random, self.queries, self.rows = random.Random(self.seed), list[dict[str, str]](), list[dict[str, Any]]()
        self._ids = 0
        for i in range(self.count):
            made = BEGIN - timedelta(days=100) + timedelta(minutes=3 * i)
            self.insert(made, made + timedelta(minutes=self.random.randrange(60 * 24 * 20)))

    def insert(self, made: datetime | None = None, updated: datetime | None = None) -> None:
        self._ids += 1
        made = made or self.now + self.ahead
        row: dict[str, Any] = {"id": f"c{self._ids}", "createdDate": date_text(made), "tags": ["0"]}
        if self.random.random() < self.dated:
            row["updatedDate"] = date_text(updated or made)
        self.rows.append(row)

    def change(self, row: dict[str, Any], at: datetime | None = None, *, moves_date: bool = True) -> None:
        row["tags"] = [str(int(row["tags"][0]) + 1)]
        row["updatedDate" if moves_date and "updatedDate" in row else "isInQueueSetAt"] = date_text(at or self.now + self.ahead)

    def act(self, what: str) -> None:
        self.now += timedelta(milliseconds=700)
        rows = self.random.sample(self.rows, min(len(self.rows), 4))
        if what == "insert":
            self.insert()
        elif what == "delete" and len(self.rows) > 1:
            self.rows.remove(self.random.choice(self.rows))
        elif what == "delete newest" and len(self.rows) > 1:
            self.rows.remove(max(self.rows, key=lambda row: row.get("updatedDate", "")))
        elif what == "edit":
            for row in rows[:2]:
                self.now += timedelta(milliseconds=300)
                self.change(row)
        elif what == "edit last changed":
            self.change(max(self.rows, key=lambda row: row.get("updatedDate", "")))
        elif what == "mass":
            for row in self.random.sample(self.rows, len(self.rows) // 3):
                self.change(row, self.now + self.ahead)
        elif what == "no date":
            for row in rows:
                self.change(row, moves_date=False)

    def __call__(self, request: requests.PreparedRequest) -> Response:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        self.queries.append(query)
        for what in self.events.pop(len(self.queries), []):
            self.act(what)
        self.now += timedelta(milliseconds=900)
        page, limit, by_change = int(query["page"]), min(int(query["limit"]), self.largest), query["sort"] == "-updatedDate"
        if by_change and self.sorts in ("refused", "heavy"):
            status = 400 if self.sorts == "refused" else 500
            return status, {}, json.dumps({"message": "Refused.", "code": status, "data": None})
        shuffled = self.random.sample(self.rows, len(self.rows)) if self.ties == "changing" else self.rows
        if by_change and self.sorts != "ignored":
            rows = sorted(shuffled, key=lambda row: row.get("updatedDate", ""), reverse=True)
        else:
            rows = sorted(shuffled, key=lambda row: row["createdDate"], reverse=by_change)
        found = rows[(page - 1) * limit : page * limit]
        if by_change and self.sorts == "disordered" and page > 1:
            self.random.shuffle(found)
        paging = {"page": page, "pages": -(-len(rows) // limit), "limit": limit, "total": len(rows)}
        date = http_date(self.now + self.ahead)
        return 200, {"Date": date}, json.dumps({"message": "", "code": 200, "data": {"subscribers": found, **paging}})


def sync(account: Account, state: dict[str, Any], size: int = 1000, hours: int = 24) -> tuple[dict[str, int], dict[str, Any]]:
    """The version of each row that came, and the last state."""
    account.queries.clear()
    came: dict[str, int] = {}
    options = Settings(full_read_every=timedelta(hours=hours), budget=RateBudget(1_000_000))
    with alive(account, Customers):
        for message in messages(build(Customers, options, size), state):
            if isinstance(message, AirbyteMessage):
                state = state_in(message)
            else:
                assert message["id"] not in came, "a row came twice"
                came[message["id"]] = int(message["tags"][0])
    return came, state


def versions(account: Account) -> dict[str, int]:
    return {row["id"]: int(row["tags"][0]) for row in account.rows}


def hourly(account: Account, syncs: int, changes: int, size: int = 1000) -> list[int]:
    """Requests of each sync after the first, an hour apart, with so many changed or new rows in each hour."""
    came, state = sync(account, {}, size)
    assert came == versions(account)
    requests = []
    for _ in range(syncs):
        before = versions(account)
        for i, row in enumerate(account.random.sample(account.rows, changes)):
            account.now += HOUR / (changes + 1)
            account.change(row) if i % 10 else account.insert()
        account.now += HOUR / (changes + 1)
        came, state = sync(account, state, size)
        missing = {key for key, version in versions(account).items() if before.get(key) != version} - came.keys()
        assert not missing
        requests.append(len(account.queries))
    return requests


@pytest.mark.parametrize(
    ("sorts", "most"), [("honoured", 3), ("ignored", 15), ("refused", 15), ("disordered", 15), ("nulls last", 15)]
)
def test_the_requests_of_an_hourly_sync(sorts: str, most: int) -> None:
    account = Account(12_000, sorts, dated=0.98 if sorts == "nulls last" else 1)
    assert max(hourly(account, 3, 91)) <= most


def test_a_quiet_hour_costs_one_request(caplog: pytest.LogCaptureFixture) -> None:
    assert hourly(Account(3000, seed=2), 2, 0) == [1, 1]
    assert "customers: 0 records, changes since" in caplog.text


def test_several_pages_of_changes() -> None:
    (requests,) = hourly(Account(12_000), 1, 2500)
    assert requests == 3


def test_an_account_of_one_page_is_never_asked_for_changes() -> None:
    account = Account(900)
    assert hourly(account, 2, 20) == [1, 1]
    assert account.queries[0]["sort"] == "createdDate"


@pytest.mark.parametrize(("sorts", "asks_again"), [("refused", False), ("ignored", False), ("disordered", True)])
def test_only_what_lasts_is_remembered(sorts: str, asks_again: bool) -> None:
    account = Account(4000, sorts)
    _, state = sync(account, {})
    for hour in range(2):
        account.now += HOUR
        for row in account.random.sample(account.rows, 1500):
            account.now += timedelta(milliseconds=10)
            account.change(row)
        _, state = sync(account, state)
        assert ("-updatedDate" in [query["sort"] for query in account.queries]) == (hour == 0 or asks_again)
    account.now += 25 * HOUR
    _, state = sync(account, state)  # the whole list is due
    account.now += HOUR
    sync(account, state)
    assert account.queries[0]["sort"] == "-updatedDate"


@pytest.mark.parametrize("hours", [0, 2, 24])
def test_the_whole_list_is_read_when_it_is_due(hours: int, caplog: pytest.LogCaptureFixture) -> None:
    account = Account(3000)
    _, state = sync(account, {}, hours=hours)
    account.change(account.rows[5], moves_date=False)
    ways, came_at = [], []
    for hour in range(26):
        account.now = BEGIN + (hour + 1) * HOUR + timedelta(minutes=1)
        came, state = sync(account, state, hours=hours)
        ways.append("-updatedDate" not in [query["sort"] for query in account.queries])
        came_at += [hour] if account.rows[5]["id"] in came else []
    assert ways == [(hour + 1) % hours == 0 if hours else True for hour in range(26)]
    assert came_at == [hours - 1 if hours else 0]
    assert "the whole list" in caplog.text


def test_a_state_of_1_0_0_reads_the_whole_list() -> None:
    account = Account(3000)
    account.now += HOUR
    account.change(account.rows[7])
    came, state = sync(account, {"updatedDate": date_text(BEGIN)})
    assert came.keys() == {account.rows[7]["id"]}
    assert {query["sort"] for query in account.queries} == {"createdDate"}
    account.now += HOUR
    sync(account, state)
    assert len(account.queries) == 1


def test_a_server_that_fails_on_the_sort_costs_no_sync(caplog: pytest.LogCaptureFixture) -> None:
    account = Account(3000, "heavy")
    _, state = sync(account, {})
    account.now += HOUR
    account.change(account.rows[3])
    with caplog.at_level("WARNING", "airbyte"):
        came, state = sync(account, state)
    assert came.keys() == {account.rows[3]["id"]}
    assert "could not serve the request for customers" in caplog.messages[-1]
    assert caplog.messages[-1].endswith("Reading the whole list instead.")
    account.now += HOUR
    sync(account, state)
    assert {query["sort"] for query in account.queries} == {"createdDate"}


def page_of(*minutes: int, created: int = 1, prefix: str = "c") -> Page:
    """Rows that changed so many minutes after midnight; `created` says whether that is the order of creation, too (-1)."""
    rows: list[dict[str, Any]] = [
        {
            "id": f"{prefix}{minute}",
            "updatedDate": date_text(BEGIN + timedelta(minutes=minute)),
            "createdDate": date_text(BEGIN - timedelta(days=9, minutes=created * minute)),
        }
        for minute in minutes
    ]
    return Page([row["id"] for row in rows], rows, 1000)


def first_of(known: int, since: int = 15, last: int = 20) -> ChangesFirst:
    """A reading of changes in pages of 12, with one known row."""
    dates = [date_text(BEGIN + timedelta(minutes=minute)) for minute in (since, last, known)]
    return ChangesFirst(12, dates[0], dates[1], {f"c{known}": dates[2]}, "updatedDate", "createdDate")


def test_a_page_that_proves_itself_ends_the_reading() -> None:
    quiet = first_of(known=10)
    assert quiet.take(page_of(*range(12, 0, -1))).end
    reading = first_of(known=10)
    assert not reading.take(page_of(*range(30, 18, -1))).end
    assert reading.request.number > 1
    assert reading.take(page_of(*range(19, 8, -1))).end
    assert not reading.doubt


@pytest.mark.parametrize(
    ("pages", "doubt"),
    [
        ([page_of(*range(12, 0, -1))], "none of the newest"),
        ([page_of(*range(12, 0, -1), created=-1)], "createdDate"),
        ([page_of(*range(30, 18, -1)), page_of(*range(18, 7, -1))], "rows moved"),
    ],
)
def test_what_proves_nothing_ends_in_doubt(pages: list[Page], doubt: str) -> None:
    reading = first_of(known=40)
    steps = [reading.take(page) for page in pages]
    assert not steps[-1].end
    assert doubt in reading.doubt


def test_many_changes_of_one_instant_at_the_end_of_a_page_end_in_doubt() -> None:
    reading = first_of(known=10)
    reading.take(page_of(*range(30, 18, -1)))
    tied = page_of(19, prefix="other")
    later = page_of(*range(19, 9, -1))
    keys, rows = [later.keys[0], tied.keys[0], *later.keys[1:]], [later.rows[0], tied.rows[0], *later.rows[1:]]
    assert not reading.take(Page(keys, rows, 1000)).end
    assert "at the same time" in reading.doubt


def test_a_single_page_with_new_changes_has_to_come_twice() -> None:
    page, other = page_of(30, *range(12, 1, -1)), page_of(*range(14, 2, -1))
    for second, is_end in ((page, True), (other, False)):
        reading = first_of(known=10)
        assert not reading.take(page).end
        assert reading.request.number == 1
        assert bool(reading.take(second).end) == is_end
        assert bool(reading.doubt) != is_end


EVENTS = st.sampled_from(["insert", "delete", "delete newest", "edit", "edit last changed", "mass", "no date"])


@settings(max_examples=60, print_blob=True, suppress_health_check=list(HealthCheck))
# The first row without a date.
@example(437, 62, 12, "honoured", 0.9, 1000, "stable", 0, [[], ["insert", "insert", "insert"]], {})
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 120),
    size=st.integers(12, 40),
    sorts=st.sampled_from(["honoured", "honoured", "honoured", "ignored", "refused", "disordered", "nulls last"]),
    dated=st.sampled_from([1, 1, 1, 0.9, 0]),
    largest=st.sampled_from([1000, 15]),
    ties=st.sampled_from(["stable", "changing"]),
    clock=st.sampled_from([0, 0, 0, 0, 24, -24, 1]),
    between=st.lists(st.lists(EVENTS, max_size=8), min_size=2, max_size=6),
    during=st.dictionaries(st.integers(1, 5), st.lists(EVENTS, max_size=3), max_size=3),
)
def test_no_change_is_missed(
    seed: int, count: int, size: int, sorts: str, dated: float, largest: int, ties: str, clock: int, between: Any, during: Any
) -> None:
    account = Account(count, sorts, dated, ties, largest, seed)
    known, state = sync(account, {}, size)
    for number, events in enumerate(between):
        for what in events:
            account.act(what)
        account.now += HOUR * account.random.choice([1, 1, 1, 25])
        if number == 1:
            account.ahead += clock * HOUR
        before = {row["id"]: (int(row["tags"][0]), row.get("updatedDate"), row.get("isInQueueSetAt")) for row in account.rows}
        account.events = {request: list(what) for request, what in during.items()}
        is_doubtful = "order_changed" in state
        came, state = sync(account, state, size)
        is_whole = "-updatedDate" not in [query["sort"] for query in account.queries] and not is_doubtful
        for row in account.rows:
            version, updated, queued = before.get(row["id"], (0, None, None))
            if row["id"] not in before or version <= known.get(row["id"], -1):
                continue
            if came.get(row["id"], -1) >= version or int(row["tags"][0]) > version:
                continue
            # Without a new date, or as the first row that has none, it comes when the whole list is read.
            assert not is_whole, (row, "whole")
            assert updated is None or (queued or "") > updated, (row, [query["sort"] for query in account.queries])
        known |= came
