"""A killed sync of an incremental stream: where the next one goes on, and when it begins anew."""

from functools import partial
from typing import Any

import pytest
import responses
from airbyte_cdk.models import SyncMode
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_retently.streams.endpoints import Customers, Feedback, Outbox
from source_retently.streams.incremental import IncrementalStream
from unit_tests.incremental_sync import MARCH_2, MARCH_5, Serve, build, emitted, feedback, served, sync


@pytest.fixture
def serve(api: responses.RequestsMock) -> Serve:
    return partial(served, api)


@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_a_killed_sync_with_another_start_date_begins_anew(serve: Serve, stream: type[IncrementalStream]) -> None:
    field = str(stream.cursor_field)
    serve(stream, [{"id": str(day), field: f"2024-03-{day:02}T12:00:00.000Z"} for day in range(1, 21)], filters=False)
    found = list(emitted(build(stream, MARCH_5, page_size=8)))
    killed = next(state for state in found[::-1] if isinstance(state, dict) and "unfinished" in state)
    ids, _ = sync(build(stream, MARCH_2, page_size=8), killed)
    assert set(ids) == {str(day) for day in range(2, 21)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@example([1, 2, 3, 4, 5, 6, 7, 8], None, 5, 7, False, False, False, Feedback)  # killed before the second page proved the first
@example([28, 22, 23, 1, 27, 1, 28, 1, 28, 1, 1, 1], None, 4, 10, False, False, False, Feedback)  # in no order at all
@given(
    days=st.lists(st.integers(1, 28), max_size=12),
    cursor=st.none() | st.integers(1, 28),
    page_size=st.integers(3, 6),
    stop=st.integers(0, 12),
    filters=st.booleans(),
    sorts=st.booleans(),
    exclusive=st.booleans(),
    stream=st.sampled_from([Feedback, Outbox, Customers]),
)
def test_a_killed_sync_loses_no_row_and_repeats_one_page_at_most(
    serve: Serve,
    days: list[int],
    cursor: int | None,
    page_size: int,
    stop: int,
    filters: bool,
    sorts: bool,
    exclusive: bool,
    stream: type[IncrementalStream],
) -> None:
    field = str(stream.cursor_field)
    rows = [{"id": str(i), "surveyId": str(i), field: f"2024-03-{day:02}T12:00:00.000Z"} for i, day in enumerate(days)]
    at = f"2024-03-{cursor:02}T12:00:00.000Z" if cursor else None
    before = {field: at} if at else {}
    # Customers changed some minutes before the last sync began come again: a replica may show a change late.
    wanted = {row["id"] for row in rows if at is None or row[field] >= at}
    serve(stream, rows, filters=filters, sorts=sorts, exclusive=exclusive)
    # Killed after so many records: the last state it had printed by then is all that is left of it.
    delivered: list[str] = []
    state: dict[str, Any] = dict(before)
    for message in emitted(build(stream, page_size=page_size), before):
        if isinstance(message, dict):
            state = message
        elif len(delivered) == stop:
            break
        else:
            delivered.append(message)
    again, states = sync(build(stream, page_size=page_size), state)
    assert set(delivered) | set(again) == wanted
    is_in_order = sorts or days in (sorted(days), sorted(days, reverse=True))
    if "unfinished" in state and is_in_order:
        same_date = max((days.count(day) for day in days), default=0)  # rows of one date may be in another order by now
        # Pages of three rows can't overlap, so the row before those of a date may be a page farther back. And until the second
        # page has proved the first, both are read again.
        pages = 2 if page_size == 3 or not state["unfinished"]["keys"] else 1
        assert len(set(delivered) & set(again)) <= (page_size + same_date) * pages
    newest = max([row[field] for row in rows if row["id"] in wanted] + ([at] if at else []), default=None)
    if stream is not Customers:
        assert (states[-1] if states else {}) == ({field: newest} if newest else {})


def unfinished(sync: str) -> dict[str, Any]:
    """The state of a reading that stopped behind the third row."""
    found = {"started": "2024-03-20T00:00:00.000Z", "newest": "", "has_undated_rows": False, "asked_from": None}
    return {"unfinished": {"position": 3, "keys": ["0", "1", "2"], "sync": sync, **found}}


@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_a_sync_resumes_only_a_state_of_its_own_mode(serve: Serve, stream: type[IncrementalStream]) -> None:
    field = str(stream.cursor_field)
    serve(stream, [{"id": str(i), field: f"2024-03-{i + 1:02}T12:00:00.000Z"} for i in range(6)])
    incremental, full, other = (unfinished(name) for name in ("incremental", "full refresh 0", "full refresh 7"))

    def rows_after(state: dict[str, Any], mode: SyncMode) -> int:
        return len(sync(build(stream, page_size=4), state, mode)[0])

    assert rows_after(incremental, SyncMode.full_refresh) == 6
    assert rows_after(full, SyncMode.incremental) == 6
    assert rows_after(other, SyncMode.full_refresh) == 6
    assert rows_after(full, SyncMode.full_refresh) < 6
    assert rows_after(incremental, SyncMode.incremental) < 6


def test_a_reading_that_lacks_rows_stores_no_position(serve: Serve) -> None:
    api = serve(Customers, [{"id": str(i), "createdDate": f"2024-03-{i + 1:02}T12:00:00.000Z"} for i in range(20)])
    rows = api.rows

    def hide_one(request: int) -> None:
        # The first request is served by a replica that does not have one of the rows yet.
        api.rows = rows[1:] if request == 1 else rows

    api.before_request = hide_one
    _, states = sync(build(Customers, page_size=8))
    assert "unfinished" not in states[-1]
    assert "updatedDate" not in states[-1] or states[-1]["updatedDate"] is None
    serve(Customers, rows)
    assert len(sync(build(Customers, page_size=8), states[-1])[0]) == 20


@pytest.mark.parametrize("change", [{"position": None}, {"position": "x"}, {"order_changes": True}])
def test_a_position_that_can_not_be_used_is_not_named(
    serve: Serve, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    serve(Feedback, feedback(1, 2, 3, 4, 5, 6))
    state = unfinished("incremental")
    state["unfinished"].update(change)
    ids, _ = sync(build(Feedback, page_size=4), state)
    assert len(ids) == 6
    assert "resuming" not in caplog.text


@pytest.mark.parametrize("name", ["started", "newest"])
@pytest.mark.parametrize("value", [None, 5, "zzz", ["x"], "2024-03-20", "9999-99-99T00:00:00.000Z"])
def test_an_invalid_unfinished_state_restarts(serve: Serve, name: str, value: Any) -> None:
    serve(Feedback, feedback(1, 2, 3, 4, 5, 6))
    state = unfinished("incremental")
    state["unfinished"][name] = value
    ids, states = sync(build(Feedback, page_size=4), state)
    assert len(ids) == 6
    assert states[-1]["createdDate"] == "2024-03-06T12:00:00.000Z"
