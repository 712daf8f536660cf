"""The paginator against a list that changes while it is read."""

import math
import random
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_retently.streams.pages import Page, Request
from source_retently.streams.paging import Paginator
from unit_tests.changing_list import PAST_END, SIZE, ChangingList, judged, read

# ---------------------------------------------------------------------------------------------------- healthy accounts


@given(count=st.integers(0, 60), size=st.integers(3, 12), past_end=st.sampled_from(PAST_END), echoes=st.booleans())
@example(count=12, size=4, past_end="empty", echoes=False)  # every limit from 2 to 4 divides 12: no page can overlap
def test_an_unchanged_list_is_read_whole_and_once(count: int, size: int, past_end: Any, echoes: bool) -> None:
    api = ChangingList(0, count, past_end=past_end, echoes=echoes)
    outcome, lacking = judged(api, size=size)
    assert outcome.end
    assert not lacking
    assert outcome.end.position == outcome.end.seen == count
    assert not outcome.end.may_lack_rows
    assert outcome.readings == 1


@pytest.mark.parametrize("past_end", PAST_END)
@pytest.mark.parametrize("count", [0, 1, 19, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 3 * SIZE, 50 * SIZE - 1, 50 * SIZE])
def test_an_unchanged_list_costs_few_requests_and_no_log_line(count: int, past_end: Any) -> None:
    api = ChangingList(0, count, past_end=past_end)
    outcome, lacking = judged(api)
    assert outcome.is_silent
    assert not lacking
    assert not outcome.events
    pages = max(1, math.ceil(count / SIZE))
    assert api.requests == 1 if count < SIZE else api.requests <= max(pages + 1, pages * 1.15)


@pytest.mark.parametrize("size", [100, 1000])
def test_overlapping_pages_cost_little_more(size: int) -> None:
    api = ChangingList(0, 50 * size)
    read(api, size)
    assert api.requests <= 50 * {100: 1.15, 1000: 1.05}[size]


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), rate=st.sampled_from([1, 3, 8, 60]), prefetched=st.integers(1, 10))
def test_a_healthy_account_never_fails_never_warns_and_is_never_read_twice(seed: int, rate: int, prefetched: int) -> None:
    api = ChangingList(seed, 30 * SIZE - seed % 3 * 30, inserted=rate, deleted=rate, where="mix")
    outcome, lacking = judged(api, prefetched=prefetched)
    assert outcome.is_silent, outcome
    assert not lacking
    assert outcome.readings == 1


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), rate=st.sampled_from([1, 3, 8]), prefetched=st.integers(1, 4))
def test_a_list_that_ignores_the_sort_is_read_once(seed: int, rate: int, prefetched: int) -> None:
    api = ChangingList(seed, 15 * SIZE, inserted=rate, deleted=rate, where="mix", newest_first=True)
    outcome, lacking = judged(api, prefetched=prefetched)
    assert outcome.end
    assert not lacking
    assert outcome.readings == 1
    assert not outcome.failure


@pytest.mark.no_cover
def test_an_account_of_half_a_million_rows() -> None:
    api = ChangingList(0, 500_000)
    outcome, lacking = judged(api, size=1000)
    assert outcome.is_silent
    assert not lacking
    assert api.requests <= 525


# ---------------------------------------------------------------------------------------------------- everything at once


def everything(seed: int) -> tuple[ChangingList, dict[str, Any]]:
    chance = random.Random(seed)
    size, total = SIZE, chance.choice(["exact"] * 4 + ["plus", "less", "cap", "zero", "none", "swing"])
    more: dict[str, Any] = {
        "inserted": chance.choice([0, 0, 3, 10, 60]),
        "deleted": chance.choice([0, 0, 3, 10, 60]),
        "where": chance.choice(["any", "old", "new", "mix"]),
        "past_end": chance.choice(PAST_END),
        "ties": chance.choice([0, 0, 30, 250]),
        "shuffle": chance.random() < 0.1,
        "total": total,
        "k": 500 if total == "cap" else chance.choice([1, 70, 250]),
    }
    # A smaller largest page that only a wrong total shows can't be distinguished from a short list.
    more |= {
        "largest": chance.choice([1000, 1000, 1000, 50]) if total == "exact" else 1000,
        "echoes": chance.random() < 0.5,
    }
    if chance.random() < 0.3:
        # A first page without rows that counts none is an empty list.
        served: list[Any] = [1, 2] if total in ("zero", "less", "none") else ["empty", 1, 2]
        more["wrong_pages"] = {chance.randrange(2, 12): chance.choice(served) for _ in range(2)}
    if chance.random() < 0.3:

        def delete_many(api: ChangingList) -> None:
            for _ in range(min(len(api.rows), api.random.choice([40, 150, 400]))):
                api.delete(api.random.choice([0, len(api.rows) - 1]))

        more["script"] = {chance.randrange(2, 12): delete_many}
    if total in ("exact", "plus") and chance.random() < 0.1:  # without a total, nothing shows it
        first, length, switched = chance.randrange(1, 1000), chance.randrange(1, 300), chance.randrange(2, 12)
        smaller = chance.randrange(3, size)
        more |= chance.choice(
            [
                {"hidden": lambda key: first <= key < first + length},
                {"script": {switched: lambda api: setattr(api, "largest", smaller)}},
            ]
        )
    if more["shuffle"]:
        # Ties in changing order can be lost without a warning where the total is wrong or changes (docs/architecture.md).
        more |= {"total": "exact", "deleted": 0, "script": {}}
    if total != "exact":
        more["inserted"] = min(more["inserted"], 10)  # pages of a few rows can't keep up with more
    count = chance.choice([0, 1, 15, size - 1, size, size + 1, 3 * size, 7 * size, 990, 2000])

    def between(api: ChangingList) -> None:
        for _ in range(min(chance.choice([0, 5, 40]), len(api.rows))):
            api.delete(chance.choice([0, chance.randrange(len(api.rows))]))
        for _ in range(chance.choice([0, 5, 60])):
            api.now += 0.5
            api.add()

    die_after = chance.randrange(1, 8) if chance.random() < 0.3 and not more["shuffle"] else None
    return ChangingList(seed, count, **more), {
        "die_after": die_after,
        "between": between,
        "prefetched": chance.choice([1, 1, 4, 10]),
    }


@settings(max_examples=400)
@given(seed=st.integers(0, 10**9))
def test_no_row_is_lost_without_a_warning(seed: int) -> None:
    api, how = everything(seed)
    outcome, lacking = judged(api, **how)
    assert not lacking or not outcome.is_silent, outcome


# ---------------------------------------------------------------------------------------------------------- case by case


@pytest.mark.parametrize("served", ["empty", 1, 2])
@pytest.mark.parametrize("request_number", [2, 3, 4, 6])
@pytest.mark.parametrize("prefetched", [1, 4])
def test_a_page_that_is_wrong_once_is_requested_again(served: Any, request_number: int, prefetched: int) -> None:
    api = ChangingList(0, 500, wrong_pages={request_number: served})
    outcome, lacking = judged(api, prefetched=prefetched)
    assert outcome.is_silent
    assert not lacking


@given(
    seed=st.integers(0, 10**9), count=st.sampled_from([23, 45, 67]), deleted_at=st.integers(2, 6), wrong_at=st.integers(2, 9)
)
@settings(max_examples=400)
def test_a_wrong_page_after_deletions_hides_no_row(seed: int, count: int, deleted_at: int, wrong_at: int) -> None:
    chance = random.Random(seed)

    def delete(api: ChangingList) -> None:
        for index in sorted(chance.sample(range(15), chance.randrange(7)), reverse=True):
            api.delete(index)

    api = ChangingList(seed, count, total=chance.choice(["exact", "less", "none"]), k=3)
    api.script = {deleted_at: delete}
    api.wrong_pages = {wrong_at: chance.randint(1, 3)}
    outcome, lost = judged(api, size=10, prefetched=chance.randint(1, 5))
    assert not lost or not outcome.is_silent


@pytest.mark.parametrize("deleted", range(1, 10))
def test_a_first_page_with_too_few_rows_is_not_read(deleted: int) -> None:
    def delete(api: ChangingList) -> None:
        for _ in range(deleted):
            api.delete(5)

    api = ChangingList(0, 23, wrong_pages={1: 3}, script={3: delete})
    outcome, lost = judged(api, size=10)
    assert not lost or not outcome.is_silent


def test_an_empty_first_page_is_requested_again() -> None:
    api = ChangingList(0, 500, wrong_pages={1: "empty"})
    outcome, lacking = judged(api)
    assert outcome.is_silent
    assert not lacking


@pytest.mark.parametrize(("page", "served"), [(1, "empty"), (3, "empty"), (2, 1)])
def test_a_page_that_stays_wrong_fails_the_stream(page: int, served: Any) -> None:
    api = ChangingList(0, 500, wrong_pages={("page", page): served})
    outcome, _ = judged(api)
    assert outcome.failure
    assert api.requests < 60


@pytest.mark.parametrize("total", ["plus", "less", "cap", "zero"])
@pytest.mark.parametrize("past_end", PAST_END)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 15, 50, 100, 450, 1000])
def test_a_wrong_total_costs_three_requests_and_is_reported(total: str, past_end: Any, count: int) -> None:
    api = ChangingList(0, count, total=total, k=70, past_end=past_end)
    outcome, lacking = judged(api)
    assert outcome.end
    assert not lacking
    exact = ChangingList(0, count)
    read(exact, SIZE)
    assert api.requests <= exact.requests + 3
    final = {"plus": count + 70, "less": max(0, count - 70), "cap": min(70, count), "zero": 0}[total]
    assert outcome.end.total_is_wrong == (final != count)
    assert not outcome.end.may_lack_rows


def test_totals_that_differ_by_one_cost_nothing() -> None:
    api = ChangingList(0, 5000, total="swing")
    outcome, lacking = judged(api)
    assert not lacking
    assert outcome.end
    assert api.requests <= 60


def test_reading_a_list_again_brings_rows_that_a_changing_order_hid() -> None:
    outcomes = [judged(ChangingList(seed, 3000, ties=300, shuffle=True), size=1000) for seed in range(10)]
    assert all(outcome.readings > 1 for outcome, _ in outcomes)
    assert sum(len(lacking) for _, lacking in outcomes) < 10  # one reading of each lacks some hundred


def test_a_page_that_was_fetched_before_rows_were_deleted_is_no_change_of_order() -> None:
    api = ChangingList(0, 500)
    paginator = Paginator(SIZE, date_field="date")
    paginator.take(api.get(paginator.request))
    second, third = islice(paginator.foreseen(500), 2)
    early = api.get(third)
    for _ in range(5):
        api.delete(third.begin + 1)
    paginator.take(api.get(second))
    assert "asking again" in paginator.take(early).event
    while not (step := paginator.take(api.get(paginator.request))).end:
        assert not step.failure
    assert not step.end.order_changed


def test_ties_in_changing_order_are_read_until_all_came() -> None:
    for seed in range(10):
        api = ChangingList(seed, 3000, ties=3000, shuffle=True)
        outcome, lacking = judged(api, size=1000)
        assert outcome.end
        assert bool(lacking) == outcome.end.may_lack_rows
        assert outcome.end.order_changed
        assert outcome.readings <= 8
        assert api.requests <= 8 * 6


@pytest.mark.parametrize("ties", [50, 100, 200, 500, 1000, 300, 37])
def test_ties_that_end_with_a_page_are_read_to_the_end(ties: int) -> None:
    for seed in range(5):
        api = ChangingList(seed, 3000, ties=ties, shuffle=True)
        outcome, lacking = judged(api, size=1000)
        assert outcome.end, outcome.failure
        assert not lacking or outcome.end.may_lack_rows


@given(
    seed=st.integers(0, 10**9),
    count=st.integers(12, 60),
    ties=st.integers(2, 8),
    total=st.sampled_from(["exact", "plus", "less", "none"]),
    inserted=st.sampled_from([0, 0, 8]),
)
@settings(max_examples=400)
def test_ties_in_changing_order_newest_first_hide_no_row(seed: int, count: int, ties: int, total: str, inserted: int) -> None:
    api = ChangingList(seed, count, ties=ties, shuffle=True, newest_first=True, total=total, k=3, inserted=inserted)
    outcome, lost = judged(api, size=10)
    assert not lost or not outcome.is_silent


def test_the_newest_rows_are_deleted_during_the_read() -> None:
    def vanish(api: ChangingList) -> None:
        for _ in range(12_000):
            api.delete(len(api.rows) - 1)

    api = ChangingList(0, 30_000, script={15: vanish})
    outcome, lacking = judged(api, size=1000)
    assert outcome.is_silent
    assert not lacking


@pytest.mark.parametrize("prefetched", [1, 4, 10])
@pytest.mark.parametrize("past_end", PAST_END)
def test_as_many_rows_are_inserted_as_deleted(prefetched: int, past_end: Any) -> None:
    def replace(api: ChangingList) -> None:
        for _ in range(30):
            api.delete(0)
            api.add()

    api = ChangingList(0, 1000, script={3: replace, 6: replace}, past_end=past_end)
    outcome, lacking = judged(api, prefetched=prefetched)
    assert outcome.is_silent
    assert not lacking


@pytest.mark.parametrize("status", [403, 410])
def test_a_page_that_is_forbidden_is_not_the_end(status: int) -> None:
    paginator = Paginator(SIZE)
    paginator.take(ChangingList(0, 1000, total="none").get(paginator.request))
    assert paginator.request.number == 2
    assert not paginator.can_take(status)


def test_invalid_and_duplicate_rows_count_as_read() -> None:
    paginator = Paginator(1000)
    rows = [{"id": "1", "n": "old"}, None, {"id": "2"}, {"id": "1", "n": "new"}]
    step = paginator.take(Page(["1", "a hash", "2", "1"], rows, total=4))
    assert list(step.rows) == [{"id": "1", "n": "new"}, {"id": "2"}]
    assert step.end
    assert step.end.position == step.end.seen == step.end.total == 4


def test_the_paginator_changes_no_page() -> None:
    page = Page(("1", "2", "1"), ({"id": "1"}, {"id": "2"}, {"id": "1", "n": 1}), 3)
    copy = Page(tuple(page.keys), tuple(dict(row) for row in page.rows if row), 3)
    Paginator(1000).take(page)
    assert page == copy


def equal(api: ChangingList, *ids: int, key: str = "#same") -> ChangingList:
    """Rows that share a key, by default one that was generated from rows that are alike."""
    page_of = api._page

    def page(request: Request) -> Page:
        page = page_of(request)
        keys = [key if int(own) in ids else own for own in page.keys]
        return Page(keys, page.rows, page.total, page.limit, page.status)

    api._page = page  # type: ignore[method-assign]
    return api


@pytest.mark.parametrize("ids", [(99, 100, 101), (50, 450), (100, 101), tuple(range(1, 500, 7))])
@pytest.mark.parametrize("prefetched", [1, 4])
def test_equal_rows_without_a_key_are_no_change_of_order(ids: tuple[int, ...], prefetched: int) -> None:
    api = equal(ChangingList(0, 500), *ids)
    outcome = read(api, SIZE, prefetched=prefetched)
    assert outcome.is_silent, outcome
    assert not outcome.events


def test_two_rows_with_one_key_at_the_end_of_a_page_are_no_missing_row() -> None:
    outcome = read(equal(ChangingList(0, 500), 100, 101, key="twice"), SIZE)
    assert outcome.is_silent, outcome
    assert not outcome.events


@pytest.mark.parametrize("emptied_at", [2, 3, 4, 6])
@pytest.mark.parametrize("prefetched", [1, 4])
def test_a_list_that_becomes_empty_while_it_is_read_fails(emptied_at: int, prefetched: int) -> None:
    api = ChangingList(0, 550, script={emptied_at: lambda api: api.rows.clear()})
    outcome, _ = judged(api, prefetched=prefetched)
    assert outcome.failure
    assert api.requests < 40
