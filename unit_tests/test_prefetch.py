import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.utils import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.run_context import Settings
from source_retently.streams import paged
from source_retently.streams.endpoints import Feedback
from source_retently.streams.prefetch import Prefetch
from unit_tests.conftest import API, KEY, ListEndpoint, Response, records_of


def test_pages_come_in_order_however_long_each_takes() -> None:
    gates = {number: threading.Event() for number in (2, 3, 4)}

    def fetch(number: int) -> int:
        assert gates[number].wait(5)
        return number * 10

    prefetch = Prefetch(fetch)
    prefetch.expect(gates)
    for number in (4, 3, 2):
        gates[number].set()
    assert [prefetch.get(number) for number in (2, 3, 4)] == [20, 30, 40]


def test_pages_are_fetched_once_and_dropped_when_not_expected() -> None:
    fetched: list[int] = []
    done = threading.Semaphore(0)

    def fetch(number: int) -> int:
        fetched.append(number)
        done.release()
        return number

    prefetch = Prefetch(fetch)
    prefetch.expect([1, 2])
    prefetch.expect([2, 1])
    assert done.acquire(timeout=5)
    assert done.acquire(timeout=5)
    assert sorted(fetched) == [1, 2]
    prefetch.expect([])
    assert prefetch.get(1) == 1
    assert sorted(fetched) == [1, 1, 2]


def test_an_error_is_raised_when_its_page_is_due() -> None:
    def fetch(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    prefetch = Prefetch(fetch)
    prefetch.expect([2, 3])
    assert prefetch.get(2) == 2
    with pytest.raises(ValueError, match="3"):
        prefetch.get(3)


def test_its_threads_do_not_keep_a_stopped_process_alive() -> None:
    gate = threading.Event()

    def fetch(_: int) -> bool:
        return gate.wait(5)

    Prefetch(fetch).expect([1])
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "prefetch")
    assert thread.daemon
    gate.set()


PAGE = 20


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": str(i), "createdDate": f"2024-01-01T00:{i // 60:02}:{i % 60:02}.000Z"} for i in range(count)]


def ids(callback: Callable[[requests.PreparedRequest], Response], api: responses.RequestsMock, workers: int) -> Iterator[str]:
    """The ids of the records, read by so many workers."""
    api.add_callback(responses.GET, f"{API}feedback", callback)
    stream = Feedback(ApiKeyAuthenticator(KEY), Settings(workers=workers))
    stream.page_size = PAGE
    return (record["id"] for record in records_of(stream))


@given(count=st.integers(0, 200), workers=st.integers(1, 10))
def test_any_number_of_workers_reads_the_same_rows_and_pages(count: int, workers: int) -> None:
    endpoint, alone = ListEndpoint("responses", rows(count)), ListEndpoint("responses", rows(count))
    with responses.RequestsMock() as api:
        assert list(ids(endpoint, api, workers)) == [str(i) for i in range(count)]
    with responses.RequestsMock() as api:
        assert len(list(ids(alone, api, 1))) == count
    assert sorted(map(str, endpoint.queries)) == sorted(map(str, alone.queries))


@given(
    workers=st.integers(1, 6),
    deletions=st.lists(st.tuples(st.integers(2, 14), st.integers(0, 199)), max_size=5),
    insertions=st.lists(st.integers(2, 14), max_size=5),
)
def test_prefetch_loses_and_doubles_no_row(workers: int, deletions: list[tuple[int, int]], insertions: list[int]) -> None:
    endpoint = ListEndpoint("responses", rows(200))
    staying = {row["id"] for row in endpoint.rows}

    def change(request: int) -> None:
        for when, where in deletions:
            if when == request and where < len(endpoint.rows):
                staying.discard(endpoint.rows.pop(where)["id"])
        if request in insertions:
            endpoint.rows.append({"id": f"new {request}"})

    endpoint.before_request = change
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        found = list(ids(endpoint, api, workers))
    assert len(found) == len(set(found))
    assert staying <= set(found)


@pytest.mark.parametrize(("pages", "most"), [(1, 2), (3, 6), (100, 10)])
def test_prefetched_pages_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, pages: int, most: int) -> None:
    endpoint = ListEndpoint("responses", rows(500))
    size = len(endpoint(requests.Request("GET", f"{API}feedback?page=1&limit={PAGE}").prepare())[2])
    endpoint.queries.clear()
    monkeypatch.setattr(paged, "PREFETCHED_BYTES", pages * size)
    expected: list[int] = []
    expect = Prefetch.expect
    monkeypatch.setattr(Prefetch, "expect", lambda self, asked: expect(self, noted(asked, expected)))
    with responses.RequestsMock() as api:
        assert len(list(ids(endpoint, api, 10))) == 500
    assert min(pages, 10) <= max(expected) <= most  # of pages with half the rows there may be twice as many


def noted(pages: Iterable[Any], counts: list[int]) -> list[Any]:
    """The pages, whose number is noted."""
    found = list(pages)
    counts.append(len(found))
    return found


def test_prefetched_pages_are_fetched_again_after_a_step_back() -> None:
    endpoint = ListEndpoint("responses", rows(200))

    def change(request: int) -> None:
        if request == 2:
            del endpoint.rows[:5]

    endpoint.before_request = change
    with responses.RequestsMock() as api:
        assert set(ids(endpoint, api, 10)) == {str(i) for i in range(200)}
    assert max(Counter(query["page"] for query in endpoint.queries).values()) > 1


def test_pages_before_a_failed_page_are_emitted(api: responses.RequestsMock, waits: list[float]) -> None:
    endpoint = ListEndpoint("responses", rows(200))
    found = ids(lambda request: (403, {}, "") if "page=4&" in str(request.url) else endpoint(request), api, 10)
    came = 54  # pages of 20, 19 and 18 rows, the second with one known row, the third with two
    assert list(islice(found, came)) == [str(i) for i in range(came)]
    with pytest.raises(AirbyteTracedException, match=r"page 4\)"):
        next(found)
