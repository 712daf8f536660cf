"""The paginator where an earlier run was killed: it goes on, or starts anew, and loses no row."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_retently.streams.pages import Request
from source_retently.streams.paging import Paginator
from source_retently.streams.paging_moves import NOTHING_SAVED
from unit_tests.changing_list import PAST_END, SIZE, ChangingList, judged


@settings(max_examples=100)
@given(
    die_after=st.integers(1, 12),
    gone=st.integers(0, 300),
    inserted=st.integers(0, 60),
    ties=st.sampled_from([0, 30]),
    past_end=st.sampled_from(PAST_END),
)
def test_rows_change_between_a_kill_and_the_resumed_sync(
    die_after: int, gone: int, inserted: int, ties: int, past_end: Any
) -> None:
    def between(api: ChangingList) -> None:
        for _ in range(gone):
            api.delete(0)
        for _ in range(inserted):
            api.add()

    api = ChangingList(0, 1000, ties=ties, past_end=past_end)
    outcome, lacking = judged(api, die_after=die_after, between=between)
    assert outcome.is_silent
    assert not lacking
    if not gone:
        # Killed after its first page, which nothing has proved yet, it reads that again.
        assert len(outcome.emitted) - len(set(outcome.emitted)) <= (100 if die_after == 1 else max(1, ties))


@pytest.mark.parametrize("date_field", ["date", ""])
def test_a_resumed_reading_that_is_killed_after_one_page_is_resumed_again(date_field: str) -> None:
    api, saved, positions = ChangingList(0, 1000), None, []
    for pages in (2, 1, 1, 1):  # the first page is proved by the second
        paginator = Paginator(SIZE, saved, date_field=date_field)
        for _ in range(pages):
            paginator.take(api.get(paginator.request))
        saved = paginator.saved
        positions.append(saved["position"])
    assert 0 < positions[0] < positions[1] < positions[2] < positions[3]


def test_a_reading_that_is_killed_before_it_finds_its_position_keeps_it() -> None:
    saved = {"position": 300, "keys": ["300"]}
    paginator = Paginator(SIZE, saved, date_field="date")
    api = ChangingList(0, 1000)
    for _ in range(250):
        api.delete(0)
    step = paginator.take(api.get(paginator.request))
    assert step.event.startswith("looking for the row")
    assert paginator.saved == saved


def test_a_killed_reading_in_changing_order_restarts() -> None:
    api = ChangingList(0, 3000, ties=3000, shuffle=True)
    outcome, lacking = judged(api, size=1000, die_after=5)
    assert outcome.end
    assert bool(lacking) == outcome.end.may_lack_rows


@pytest.mark.parametrize(
    "saved",
    [
        None,
        {},
        {"page": 3, "limit": 1000, "total": 2500},  # a state of 1.0.0
        {"position": 0, "keys": ["1"]},
        {"position": -3000, "keys": ["1"]},
        {"position": "3000", "keys": ["1"]},
        {"position": 3000.5, "keys": ["1"]},
        {"position": True, "keys": ["1"]},
        {"position": 3000, "keys": []},
        {"position": 3000, "keys": "123"},
        {"position": 3000},
        {"position": 3000, "keys": ["1"], "order_changes": True},
        {"next_page_token": 4},
    ],
)
def test_a_state_without_valid_keys_starts_at_page_1(saved: Any) -> None:
    paginator = Paginator(1000, saved)
    assert (paginator.request, paginator.position) == (Request(1, 1000), 0)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("ties", [7, 30, 250])
@pytest.mark.parametrize("die_after", range(2, 12))
def test_rows_of_one_date_in_another_order_after_a_kill_are_read_once_more(
    newest_first: bool, ties: int, die_after: int
) -> None:
    def shuffle(api: ChangingList) -> None:
        api.rows.sort(key=lambda row: (row[0], api.random.random()))

    api = ChangingList(0, 1000, ties=ties, newest_first=newest_first)
    outcome, lacking = judged(api, die_after=die_after, between=shuffle)
    assert outcome.end
    assert not lacking


@pytest.mark.parametrize("largest", [20, 100])
def test_a_resumed_reading_knows_the_largest_page(largest: int) -> None:
    api = ChangingList(0, 26 * largest, largest=largest)
    outcome, _ = judged(api, size=1000, die_after=20)
    assert outcome.is_silent
    assert len(set(outcome.emitted)) == 26 * largest
    assert len(outcome.events) == 1  # it is found out once that the API gives fewer rows than asked for


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("ties", [0, 2600])
@pytest.mark.parametrize("largest", [100, 50])
def test_a_reading_of_many_pages_is_resumed_or_restarted(newest_first: bool, ties: int, largest: int) -> None:
    api = ChangingList(0, 2600, newest_first=newest_first, ties=ties, largest=largest)
    outcome, lacking = judged(api, die_after=24)
    assert outcome.is_silent
    assert not lacking
    if not ties:
        assert len(outcome.emitted) <= 2601


def test_a_position_far_past_the_end_restarts() -> None:
    api = ChangingList(0, 500)
    paginator = Paginator(SIZE, {"position": 10**15, "keys": ["x"]}, date_field="date")
    rows: list[Any] = []
    while not (step := paginator.take(api.get(paginator.request))).end:
        assert not step.failure
        rows += step.rows
    assert len(rows) + len(step.rows) == 500


@pytest.mark.parametrize("served", [2, 3])
@pytest.mark.parametrize("die_after", [1, 2, 3])
def test_a_wrong_first_page_is_not_resumed(served: int, die_after: int) -> None:
    api = ChangingList(0, 500, wrong_pages={1: served})
    outcome, lacking = judged(api, die_after=die_after)
    assert outcome.end
    assert not lacking


def test_a_killed_reading_that_lacks_rows_restarts_without_a_total() -> None:
    for seed in range(200):
        # Pages end within rows of one date; the order settles before the sync that goes on.
        api = ChangingList(seed, 400, ties=3 + seed % 5, shuffle=True, total="none")
        outcome, lacking = judged(api, die_after=3, between=lambda api: setattr(api, "shuffle", False))
        assert outcome.end
        assert not lacking or outcome.end.may_lack_rows, seed


def test_a_list_that_is_empty_after_a_kill_fails_once_and_starts_anew() -> None:
    api = ChangingList(0, 550)
    outcome, _ = judged(api, die_after=3, between=lambda api: api.rows.clear())
    assert outcome.failure
    assert outcome.saved == NOTHING_SAVED


@settings(max_examples=300)
@given(
    count=st.sampled_from([130, 350, 550]),
    newest_first=st.booleans(),
    die_after=st.integers(1, 12),
    ties=st.sampled_from([0, 7, 30, 40, 100, 250]),
    largest=st.sampled_from([20, 1000]),
    gone=st.sampled_from([0, 5, 40]),
    inserted=st.sampled_from([0, 60]),
)
@example(count=130, newest_first=False, die_after=6, ties=100, largest=20, gone=0, inserted=0)  # all read rows are of one date
@example(count=130, newest_first=True, die_after=5, ties=30, largest=20, gone=40, inserted=0)  # and those of the last page
def test_a_list_that_is_in_reverse_after_a_kill_starts_anew(
    count: int, newest_first: bool, die_after: int, ties: int, largest: int, gone: int, inserted: int
) -> None:
    def reverse(api: ChangingList) -> None:
        api.newest_first = not newest_first
        for _ in range(gone):
            api.delete(api.random.choice([0, api.random.randrange(len(api.rows))]))
        for _ in range(inserted):
            api.add()

    api = ChangingList(0, count, newest_first=newest_first, ties=ties, largest=largest)
    outcome, lacking = judged(api, die_after=die_after, between=reverse)
    assert outcome.end
    assert not lacking


@pytest.mark.parametrize("largest", range(3, 8))
def test_a_search_for_the_saved_position_in_small_pages_ends(largest: int) -> None:
    for die_after in range(8, 40):
        api = ChangingList(0, 130, largest=largest)
        api.rows = [(1050.0 if 50 <= i < 80 else date, key) for i, (date, key) in enumerate(api.rows)]
        outcome, lacking = judged(api, die_after=die_after)
        assert outcome.end
        assert not lacking
