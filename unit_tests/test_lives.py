"""Feedback and sent surveys through several syncs, some killed, some failed; rows come and go between and during them."""

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.utils import AirbyteTracedException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_retently.http.rate_limit import RateBudget
from source_retently.run_context import Settings
from source_retently.streams.endpoints import Feedback, Outbox
from source_retently.streams.incremental import IncrementalStream
from source_retently.values import date_text
from unit_tests.conftest import Response
from unit_tests.incremental_sync import ARRAYS, BEGIN, HOUR, alive, build, http_date, messages, state_in

EVENTS = ("insert", "insert many", "delete", "delete many")


@dataclass
class Account:
    """A list whose rows are dated by the API's clock when they are made."""

    stream: type[IncrementalStream]
    count: int
    seed: int
    filters: str = "honoured"
    """startDate: honoured, exclusive, ignored."""
    sorts: str = "honoured"
    """honoured, ignored, newest first."""
    largest: int = 1000
    has_total: bool = True
    ahead: timedelta = timedelta(0)
    """By how much the API's clock is ahead of this machine's."""
    events: dict[int, str] = field(default_factory=dict)
    """What happens before a request of the next sync, by its number."""

    def __post_init__(self) -> None:
        self.random, self.now, self.requests, self.ids = random.Random(self.seed), BEGIN, 0, 0
        self.rows: list[tuple[datetime, int]] = []
        for i in range(self.count):
            self.insert(BEGIN - timedelta(days=100) + timedelta(minutes=3 * (i // 20 * 20 if self.seed % 2 else i)))

    def insert(self, at: datetime | None = None) -> None:
        self.ids += 1
        self.rows.append((at or self.now + self.ahead, self.ids))

    def act(self, what: str) -> None:
        self.now += timedelta(milliseconds=700)
        for _ in range(25 if "many" in what else 1):
            if "insert" in what:
                self.insert()
            elif self.rows:
                self.rows.pop(self.random.choice([0, -1, self.random.randrange(len(self.rows))]))

    def __call__(self, request: requests.PreparedRequest) -> Response:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        self.requests += 1
        if what := self.events.pop(self.requests, None):
            self.act(what)
        self.now += timedelta(milliseconds=900)
        rows = sorted(self.rows, key=(lambda row: row[1] * 7919 % 101) if self.sorts == "ignored" else None)
        rows = rows[::-1] if self.sorts == "newest first" else rows
        if self.filters != "ignored" and "startDate" in query:
            low = datetime.fromisoformat(query["startDate"].replace("Z", "+00:00"))
            rows = [row for row in rows if row[0] > low or (row[0] == low and self.filters == "honoured")]
        page, limit = int(query["page"]), min(int(query["limit"]), self.largest)
        name, key = str(self.stream.cursor_field), "id" if self.stream is Feedback else "surveyId"
        found = [{key: str(number), name: date_text(at)} for at, number in rows[(page - 1) * limit : page * limit]]
        numbers = {"page": page, "limit": limit, **({"total": len(rows)} if self.has_total else {})}
        date = http_date(self.now + self.ahead)
        return 200, {"Date": date}, json.dumps({"message": "", "code": 200, "data": {ARRAYS[self.stream]: found, **numbers}})


def sync(
    account: Account, state: dict[str, Any], size: int, workers: int, die_after: int | None
) -> tuple[set[int], dict[str, Any]]:
    """The rows that came, and the last state; killed after so many messages. It may fail, too."""
    account.requests = 0
    options = Settings(lookback=timedelta(0), budget=RateBudget(1_000_000), workers=workers)
    came: list[int] = []
    with alive(account, account.stream), suppress(AirbyteTracedException):
        for number, message in enumerate(messages(build(account.stream, options, size), state), 1):
            if isinstance(message, AirbyteMessage):
                state = state_in(message)
            else:
                came.append(int(message["id"]))
            if number == die_after:
                break
    assert len(came) == len(set(came)), "a row came twice"
    return set(came), state


@settings(max_examples=80, print_blob=True, suppress_health_check=list(HealthCheck))
@given(
    stream=st.sampled_from([Feedback, Outbox]),
    count=st.sampled_from([0, 1, 30, 90, 150]),
    seed=st.integers(0, 10**6),
    filters=st.sampled_from(["honoured", "honoured", "exclusive", "ignored"]),
    sorts=st.sampled_from(["honoured", "honoured", "ignored", "newest first"]),
    largest=st.sampled_from([1000, 1000, 15]),
    has_total=st.sampled_from([True, True, False]),
    ahead=st.sampled_from([0, 0, 0, 1, -1, 30, -30]),
    size=st.sampled_from([12, 20, 40]),
    workers=st.sampled_from([1, 4]),
    between=st.lists(st.lists(st.sampled_from(EVENTS), max_size=6), min_size=2, max_size=6),
    during=st.dictionaries(st.integers(1, 6), st.sampled_from(EVENTS), max_size=3),
    kills=st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=6, max_size=6),
)
def test_every_row_has_come_after_two_undisturbed_syncs(
    stream: type[IncrementalStream],
    count: int,
    seed: int,
    filters: str,
    sorts: str,
    largest: int,
    has_total: bool,
    ahead: int,
    size: int,
    workers: int,
    between: Any,
    during: Any,
    kills: Any,
) -> None:
    account = Account(stream, count, seed, filters, sorts, largest, has_total, ahead * HOUR)
    known, state = set[int](), dict[str, Any]()
    for events, die_after in zip(between, kills, strict=False):
        for what in events:
            account.act(what)
        account.now += HOUR * account.random.choice([1, 1, 1, 25])
        account.events = dict(during)
        came, state = sync(account, state, size, workers, die_after)
        known |= came
    account.events = {}
    for _ in range(2):
        account.now += HOUR
        came, state = sync(account, state, size, workers, None)
        known |= came
    assert {number for _, number in account.rows} <= known
