import threading
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import responses
from airbyte_cdk.models import SyncMode
from airbyte_cdk.utils import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.run_context import Settings
from source_retently.streams.endpoints import Feedback
from source_retently.streams.prefetch import Prefetch
from unit_tests.conftest import API, KEY, Account


def test_pages_come_in_the_order_in_which_they_are_asked_for_however_long_each_takes() -> None:
    gates = {number: threading.Event() for number in (2, 3, 4)}

    def fetch(number: int) -> int:
        assert gates[number].wait(5)
        return number * 10

    ahead = Prefetch(fetch)
    ahead.expect(gates)
    for number in (4, 3, 2):
        gates[number].set()
    assert [ahead.get(number) for number in (2, 3, 4)] == [20, 30, 40]


def test_a_page_is_fetched_once_and_those_no_longer_expected_are_forgotten() -> None:
    fetched: list[int] = []
    done = threading.Semaphore(0)

    def fetch(number: int) -> int:
        fetched.append(number)
        done.release()
        return number

    ahead = Prefetch(fetch)
    ahead.expect([1, 2])
    ahead.expect([2, 1])
    assert done.acquire(timeout=5)
    assert done.acquire(timeout=5)
    assert sorted(fetched) == [1, 2]
    ahead.expect([])
    assert ahead.get(1) == 1
    assert sorted(fetched) == [1, 1, 2]


def test_a_fault_is_raised_in_the_turn_of_its_page() -> None:
    def fetch(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    ahead = Prefetch(fetch)
    ahead.expect([2, 3])
    assert ahead.get(2) == 2
    with pytest.raises(ValueError, match="3"):
        ahead.get(3)


def test_its_threads_do_not_keep_a_stopped_process_alive() -> None:
    gate = threading.Event()
    Prefetch(lambda number: gate.wait(5)).expect([1])
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "prefetch")
    assert thread.daemon
    gate.set()


PAGE = 20


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": str(i), "createdDate": f"2024-01-01T00:{i // 60:02}:{i % 60:02}.000Z"} for i in range(count)]


def read(account: Callable[..., Any], api: responses.RequestsMock, workers: int) -> list[str]:
    api.add_callback(responses.GET, f"{API}feedback", account)
    stream = Feedback(ApiKeyAuthenticator(KEY), Settings(workers=workers))
    stream.page_size = PAGE
    return [row["id"] for row in stream.read_records(SyncMode.full_refresh)]


@given(count=st.integers(0, 200), workers=st.integers(1, 10))
def test_however_many_workers_the_rows_and_the_requests_are_the_same(count: int, workers: int) -> None:
    account, alone = Account("responses", rows(count)), Account("responses", rows(count))
    with responses.RequestsMock() as api:
        assert read(account, api, workers) == [str(i) for i in range(count)]
    with responses.RequestsMock() as api:
        read(alone, api, 1)
    assert sorted(map(str, account.asked)) == sorted(map(str, alone.asked))


@given(
    workers=st.integers(1, 6),
    deletions=st.lists(st.tuples(st.integers(2, 14), st.integers(0, 199)), max_size=5),
    insertions=st.lists(st.integers(2, 14), max_size=5),
)
def test_the_promises_of_paging_hold_with_prefetch(
    workers: int, deletions: list[tuple[int, int]], insertions: list[int]
) -> None:
    account = Account("responses", rows(200))
    staying = {row["id"] for row in account.rows}
    lock = threading.Lock()

    def change(request: int) -> None:
        for when, where in deletions:
            if when == request and where < len(account.rows):
                staying.discard(account.rows.pop(where)["id"])
        if request in insertions:
            account.rows.append({"id": f"new {request}"})

    account.before = change

    def answer(request: Any) -> Any:
        with lock:
            return account(request)

    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        found = read(answer, api, workers)
    assert len(found) == len(set(found))
    assert staying <= set(found)


def test_after_a_step_back_pages_fetched_ahead_are_fetched_again() -> None:
    account = Account("responses", rows(200))
    lock = threading.Lock()

    def change(request: int) -> None:
        if request == 2:
            del account.rows[:5]

    account.before = change

    def answer(request: Any) -> Any:
        with lock:
            return account(request)

    with responses.RequestsMock() as api:
        assert set(read(answer, api, 10)) == {str(i) for i in range(200)}
    assert max(Counter(query["page"] for query in account.asked).values()) > 1


def test_the_pages_before_a_failed_one_are_out_when_it_fails(api: responses.RequestsMock, waits: list[float]) -> None:
    account = Account("responses", rows(200))
    api.add_callback(
        responses.GET, f"{API}feedback", lambda request: (403, {}, "") if "page=4&" in request.url else account(request)
    )
    stream = Feedback(ApiKeyAuthenticator(KEY), Settings(workers=10))
    stream.page_size = PAGE
    records = iter(stream.read_records(SyncMode.full_refresh))
    came = 54  # pages of 20, 19 and 18 rows, the second with one known row, the third with two
    assert [row["id"] for row in islice(records, came)] == [str(i) for i in range(came)]
    with pytest.raises(AirbyteTracedException, match=r"page 4\)"):
        next(records)
