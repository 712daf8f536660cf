"""The paginator where pages have other sizes than asked for: smaller, fixed, too heavy, or with rows taken out of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_retently.streams.page_sizes import HEAVY_PAGE, page_for
from source_retently.streams.pages import Page, Request
from source_retently.streams.paging import Paginator
from unit_tests.changing_list import PAST_END, SIZE, ChangingList, judged, read


@pytest.mark.parametrize("total", ["exact", "none"])
@pytest.mark.parametrize("echoes", [True, False])
@pytest.mark.parametrize("largest", [20, 50, 99])
def test_a_smaller_largest_page_is_detected(total: str, echoes: bool, largest: int) -> None:
    api = ChangingList(0, 450, total=total, echoes=echoes, largest=largest)
    outcome, lacking = judged(api)
    assert outcome.is_silent
    assert not lacking


def test_a_limit_that_is_always_returned_as_20_is_ignored() -> None:
    class Always20(ChangingList):
        def _page(self, request: Request) -> Page:
            page = super()._page(request)
            return Page(page.keys, page.rows, page.total, 20)

    for count in (15, 20, 450, 498, 520):
        api = Always20(0, count)
        outcome, lacking = judged(api)
        assert outcome.is_silent
        assert not lacking


def test_an_api_that_ignores_the_limit_is_read_in_its_own_pages() -> None:
    class Fixed(ChangingList):
        def _page(self, request: Request) -> Page:
            return super()._page(Request(request.number, 20))

    for count in (0, 15, 20, 40, 110):
        api = Fixed(0, count)
        outcome, lacking = judged(api)
        assert outcome.end
        assert not lacking


def test_a_list_that_got_shorter_than_its_first_page_is_no_refusal_of_limits() -> None:
    def delete_oldest(api: ChangingList) -> None:
        for _ in range(3):
            api.delete(0)

    outcome, lacking = judged(ChangingList(0, 15, total="none", past_end=400, script={2: delete_oldest}))
    assert outcome.is_silent, outcome
    assert not lacking


@pytest.mark.parametrize("count", [0, 500, 1000, 2000, 4321])
@pytest.mark.parametrize("past_end", PAST_END)
def test_an_api_with_one_limit_is_read_but_not_proved(count: int, past_end: Any) -> None:
    api = ChangingList(0, count, only_limit=1000, past_end=past_end)
    outcome, lacking = judged(api, size=1000)
    assert outcome.end, outcome
    assert not lacking
    assert outcome.end.overlaps == (count < 1000)
    assert api.requests <= max(1, math.ceil(count / 1000)) + 3


@pytest.mark.parametrize(("too_heavy", "used"), [(501, 500), (101, 100), (99, 20)])
def test_pages_that_are_too_heavy_become_smaller(too_heavy: int, used: int) -> None:
    api = ChangingList(0, 2500, too_heavy=too_heavy)
    outcome, lacking = judged(api, size=1000)
    assert outcome.is_silent
    assert not lacking
    assert f"asking for {used}" in outcome.events[-1]


@given(count=st.integers(0, 3000), row=st.integers(1, 40_000))
def test_pages_of_many_bytes_become_smaller_and_lose_no_row(count: int, row: int) -> None:
    class Fat(ChangingList):
        def _page(self, request: Request) -> Page:
            page = super()._page(request)
            sizes.append(len(page.keys) * row)
            return replace(page, size=sizes[-1])

    sizes: list[int] = []
    outcome, lost = judged(Fat(0, count), size=1000)
    assert not lost
    assert outcome.is_silent
    assert all(size <= HEAVY_PAGE for size in sizes[1:])


def test_pages_of_twenty_rows_are_never_too_heavy() -> None:
    assert not Paginator(20).can_take(504)
    assert Paginator(100).can_take(504)


def test_a_refused_limit_becomes_100() -> None:
    paginator = Paginator(1000)
    assert paginator.can_take(400)
    paginator.take(Page(status=400))
    assert paginator.request == Request(1, 100)
    assert not paginator.can_take(400)
    assert not Paginator(1000).can_take(404)
    assert not Paginator(1000).can_take(403)


@given(position=st.integers(0, 10**7), size=st.integers(20, 1000), overlap=st.integers(0, 5))
def test_a_page_begins_before_the_position_and_ends_behind_it(position: int, size: int, overlap: int) -> None:
    request = page_for(position, size, overlap)
    assert request.limit <= size
    assert request.begin + request.limit > position
    assert request.begin <= max(0, position - 1 - overlap)


@pytest.mark.parametrize("total", ["exact", "none"])
def test_an_api_without_pages_is_read_at_once(total: str) -> None:
    class Everything(ChangingList):
        def _page(self, request: Request) -> Page:
            return super()._page(Request(1, 5000))

    for count in (0, 15, 1000, 1001, 2500):
        api = Everything(0, count, total=total, largest=5000)
        outcome, lacking = judged(api, size=1000)
        assert outcome.end, (count, outcome)
        assert not lacking


@settings(max_examples=300)
@given(
    count=st.sampled_from([120, 550, 1500]),
    changed_at=st.integers(2, 9),
    largest=st.integers(3, SIZE - 1),
    lasts=st.sampled_from([1, 2, 99]),
    echoes=st.booleans(),
    prefetched=st.sampled_from([1, 4]),
)
@example(count=550, changed_at=2, largest=10, lasts=99, echoes=True, prefetched=1)
@example(count=550, changed_at=3, largest=10, lasts=1, echoes=True, prefetched=1)
def test_a_largest_page_that_changes_while_reading_hides_no_row(
    count: int, changed_at: int, largest: int, lasts: int, echoes: bool, prefetched: int
) -> None:
    def change(to: int) -> Callable[[ChangingList], None]:
        return lambda api: setattr(api, "largest", to)

    script = {changed_at: change(largest), changed_at + lasts: change(1000)}
    api = ChangingList(0, count, echoes=echoes, script=script)
    outcome, lacking = judged(api, prefetched=prefetched)
    assert not lacking or not outcome.is_silent, outcome


@pytest.mark.parametrize("count", [1, 2, 3, 50, 101])
def test_a_limit_that_is_always_returned_as_the_number_of_rows_is_ignored(count: int) -> None:
    class Counts(ChangingList):
        def _page(self, request: Request) -> Page:
            page = super()._page(request)
            return replace(page, limit=len(page.keys))

    api = Counts(0, count)
    outcome, lacking = judged(api)
    assert outcome.is_silent, outcome
    assert not lacking
    assert api.requests <= 3


def test_rows_hidden_after_paging_are_not_missing() -> None:
    api = ChangingList(0, 3000, hidden=lambda key: key % 50 == 0)
    outcome, _ = judged(api, size=1000)
    assert outcome.end
    assert not outcome.end.may_lack_rows
    assert outcome.end.position == outcome.end.seen == 2940
    assert outcome.end.total_is_wrong


@settings(max_examples=300)
@given(
    count=st.sampled_from([120, 550, 1500]),
    first=st.integers(1, 1500),
    length=st.integers(1, 700),
    past_end=st.sampled_from(PAST_END),
)
@example(count=450, first=1, length=50, past_end="empty")
@example(count=450, first=140, length=70, past_end="empty")
@example(count=300, first=1, length=99, past_end="empty")
@example(count=500, first=100, length=200, past_end="empty")
@example(count=500, first=400, length=99, past_end="empty")
def test_a_stretch_of_rows_that_is_hidden_after_paging_hides_no_other(
    count: int, first: int, length: int, past_end: Any
) -> None:
    api = ChangingList(0, count, hidden=lambda key: first <= key < first + length, past_end=past_end)
    outcome = read(api, SIZE)
    visible = {key for _, key in api.rows if not first <= key < first + length}
    assert set(outcome.emitted) == visible or not outcome.is_silent
    # A page that is empty for good, with others behind it, fails the stream.
    assert set(outcome.emitted) == visible or outcome.failure, outcome


def test_a_hidden_stretch_is_read_past() -> None:
    for first, length in ((1, 50), (140, 70), (100, 99), (201, 60)):
        outcome = read(ChangingList(0, 500, hidden=lambda key, a=first, n=length: a <= key < a + n), SIZE)  # type: ignore[misc]
        assert outcome.end, outcome
        assert len(set(outcome.emitted)) == 500 - length
