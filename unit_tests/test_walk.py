"""The page walk against a list that changes between requests."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from source_retently.streams.walk import Page, PageWalk


class Shelf:
    """Rows in numbered pages, as the API has them; says how many there are, or doesn't."""

    def __init__(self, keys: list[int], limit: int, *, tells: bool = True, most: int = 10_000, past_end: str = "empty") -> None:
        self.keys = keys
        self.tells = tells
        self.limit = limit
        self.most = most
        self.past_end = past_end
        self.requests = 0
        self.change: Callable[[int], None] = lambda request: None

    def page(self, number: int, limit: int) -> Page | int:
        self.requests += 1
        assert self.requests < 2000, "the walk does not end"
        self.change(self.requests)
        size = min(limit, self.most)
        pages = math.ceil(len(self.keys) / size)
        asked = number
        if number > max(pages, 1):
            if self.past_end == "refuse":
                return 400
            number = {"empty": number, "last": pages, "first": 1}[self.past_end]
        rows: list[dict[str, Any]] = [{"id": key} for key in self.keys[(number - 1) * size : number * size]]
        return Page(asked, rows, len(self.keys) if self.tells else None, pages if self.tells else None)

    def read(self, token: dict[str, Any] | None = None) -> list[int]:
        walk = PageWalk("id", self.limit, token)
        found: list[int] = []
        while True:
            page = self.page(walk.number, walk.limit)
            if isinstance(page, int):
                assert walk.recover(page), "the walk gives up"
                continue
            if not walk.take(page):
                continue
            found += [row["id"] for row in page.rows]
            if page.next_token is None:
                return found


@given(
    count=st.integers(0, 60),
    limit=st.integers(1, 12),
    most=st.integers(1, 12),
    tells=st.booleans(),
    past_end=st.sampled_from(["empty", "refuse", "last", "first"]),
)
def test_a_quiet_list_is_read_whole_and_once(count: int, limit: int, most: int, tells: bool, past_end: str) -> None:
    shelf = Shelf(list(range(count)), limit, tells=tells, most=most, past_end=past_end)
    assert shelf.read() == list(range(count))
    needed = max(1, math.ceil(count / min(limit, most)))
    assert shelf.requests == needed if tells else shelf.requests <= needed + 2


changes = st.lists(
    st.tuples(st.integers(2, 12), st.sampled_from(["delete", "insert"]), st.integers(0, 40)),
    max_size=4,
    unique_by=lambda change: change[0],
)


@given(count=st.integers(0, 40), limit=st.integers(3, 10), happening=changes)
@example(count=9, limit=3, happening=[(2, "delete", 0)])
@example(count=9, limit=3, happening=[(3, "delete", 0), (4, "delete", 1)])
@example(count=6, limit=3, happening=[(2, "delete", 0), (3, "delete", 0), (4, "delete", 0)])
@example(count=12, limit=3, happening=[(2, "insert", 0)])
def test_rows_that_stay_are_read_once_however_others_come_and_go(
    count: int, limit: int, happening: list[tuple[int, str, int]]
) -> None:
    shelf = Shelf(list(range(count)), limit)
    staying = set(shelf.keys)
    new = iter(range(1000, 2000))

    def change(request: int) -> None:
        for when, what, where in happening:
            if when == request and what == "insert":
                shelf.keys.insert(where % (len(shelf.keys) + 1), next(new))
            elif when == request and shelf.keys:
                staying.discard(shelf.keys.pop(where % len(shelf.keys)))

    shelf.change = change
    found = shelf.read()
    assert staying <= set(found)
    assert len(found) == len(set(found))


@given(count=st.integers(1, 60), limit=st.integers(1, 10), stop=st.integers(1, 10), gone=st.integers(0, 5))
def test_a_walk_goes_on_where_another_stopped(count: int, limit: int, stop: int, gone: int) -> None:
    shelf = Shelf(list(range(count)), limit)
    walk = PageWalk("id", limit)
    found: list[int] = []
    token = None
    for _ in range(stop):
        page = shelf.page(walk.number, walk.limit)
        assert isinstance(page, Page)
        assert walk.take(page)
        found += [row["id"] for row in page.rows]
        token = page.next_token
        if token is None:
            return
    del shelf.keys[:gone]  # while nobody was reading
    rest = shelf.read(token)
    assert set(found) | set(rest) >= set(shelf.keys)
    if not gone:
        assert not set(found) & set(rest)


@pytest.mark.parametrize(
    "token", [None, {}, {"page": 0}, {"page": -1}, {"page": "3"}, {"page": True}, {"next_page_token": 4}, {"limit": 7}]
)
def test_a_state_that_names_no_page_starts_at_the_first(token: dict[str, Any] | None) -> None:
    walk = PageWalk("id", 10, token)
    assert (walk.number, walk.limit) == (1, 10)


def test_an_endpoint_that_ignores_page_is_left_after_the_second_request() -> None:
    walk = PageWalk("id", 2)
    for number in (1, 2):
        page = Page(number, [{"id": 1}, {"id": 2}], total=9, pages=5)
        assert walk.take(page)
    assert page.rows == []
    assert page.next_token is None
    assert walk.is_stuck


def test_within_a_page_the_last_of_two_rows_with_one_key_wins() -> None:
    page = Page(1, [{"id": 1, "n": "old"}, {"id": 2}, {"id": 1, "n": "new"}])
    PageWalk("id", 10).take(page)
    assert page.rows == [{"id": 1, "n": "new"}, {"id": 2}]


def test_a_limit_that_is_refused_falls_back_to_one_that_every_source_names() -> None:
    walk = PageWalk("id", 1000)
    assert walk.recover(400)
    assert (walk.number, walk.limit) == (1, 100)
    assert not walk.recover(400)
    assert not PageWalk("id", 1000).recover(404)


def test_a_total_that_jumps_about_does_not_hold_the_walk() -> None:
    walk = PageWalk("id", 2)
    totals = iter([10, 9] * 200)
    seen = 0
    for _ in range(300):
        page = Page(walk.number, [{"id": walk.number * 2 + i} for i in (0, 1)] if walk.number < 6 else [], next(totals), 5)
        if walk.take(page):
            seen += len(page.rows)
            if page.next_token is None:
                break
    assert seen == 10


def test_memory_stays_flat() -> None:
    walk = PageWalk("id", 10)
    for number in range(1, 200):
        walk.take(Page(number, [{"id": number * 10 + i} for i in range(10)], 10_000, 1000))
    assert len(walk._recent) <= 100


@given(
    count=st.integers(0, 40),
    limit=st.integers(3, 10),
    happening=st.lists(st.tuples(st.integers(2, 12), st.integers(0, 3), st.integers(0, 3)), max_size=4),
)
@example(count=9, limit=3, happening=[(2, 1, 1)])
@example(count=30, limit=3, happening=[(2, 1, 1), (3, 2, 3), (4, 3, 2)])
def test_new_rows_do_not_hide_deleted_ones(count: int, limit: int, happening: list[tuple[int, int, int]]) -> None:
    """Between two requests so many rows are deleted at the front and so many new ones come at the end."""
    born: dict[int, str] = {}
    shelf = Shelf(list(range(count)), limit)
    staying = set(shelf.keys)

    def change(request: int) -> None:
        for when, gone, new in happening:
            if when == request:
                staying.difference_update(shelf.keys[:gone])
                del shelf.keys[:gone]
                for _ in range(new):
                    born[1000 + len(born)] = "2024-01-02"
                    shelf.keys.append(999 + len(born))

    shelf.change = change
    walk = PageWalk("id", limit, birth="made")
    found: list[int] = []
    while True:
        page = shelf.page(walk.number, walk.limit)
        assert isinstance(page, Page)
        page.answered = "2024-01-02"
        for row in page.rows:
            row["made"] = born.get(row["id"], "2024-01-01")
        if walk.take(page):
            found += [row["id"] for row in page.rows]
            if page.next_token is None:
                break
    assert len(found) == len(set(found))
    # All changes come before the second reading of a walk of any length here, which then sees a list at rest.
    if not happening or max(when for when, _, _ in happening) <= max(1, math.ceil(count / limit)):
        assert staying <= set(found)
