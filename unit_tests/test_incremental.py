"""Cursor state: what a stream requests, emits and stores."""

import random
import re
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.models import SyncMode

from source_retently.run_context import Settings
from source_retently.streams.endpoints import Customers, Feedback
from source_retently.streams.incremental import IncrementalStream
from unit_tests.conftest import API, ListEndpoint, Response
from unit_tests.incremental_sync import (
    MARCH_2,
    MARCH_5,
    MINUTE,
    NO_LOOKBACK,
    DatedEndpoint,
    Serve,
    build,
    feedback,
    served,
    sync,
)


@pytest.fixture
def serve(api: responses.RequestsMock) -> Serve:
    return partial(served, api)


def test_the_first_sync_reads_everything_and_keeps_the_newest_date(serve: Serve) -> None:
    api = serve(Feedback, feedback(1, 2, 3))
    ids, states = sync(build(Feedback))
    assert ids == ["0", "1", "2"]
    assert states == [{"createdDate": "2024-03-03T12:00:00.000Z"}]
    (query,) = api.queries
    assert not {"startDate", "endDate"} & set(query)  # a database that filters by dates drops rows without one


@pytest.mark.parametrize(
    "how", [{}, {"filters": False}, {"sorts": False}, {"filters": False, "sorts": False}, {"exclusive": True}]
)
def test_the_next_sync_reads_new_rows_whatever_the_api_ignores(serve: Serve, how: dict[str, bool]) -> None:
    rows = feedback(1, 2, 3, 3, 4)
    api = serve(Feedback, rows[::-1], **how)
    ids, states = sync(build(Feedback), {"createdDate": "2024-03-03T12:00:00.000Z"})
    assert sorted(ids) == ["2", "3", "4"]  # rows at the cursor itself come again: another may have come at the same time
    assert states[-1] == {"createdDate": "2024-03-04T12:00:00.000Z"}
    assert api.queries[0]["startDate"] == "2024-03-03T11:59:59Z"


def test_the_look_back_window_reads_days_again(serve: Serve) -> None:
    api = serve(Feedback, feedback(1, 5, 8, 12))
    ids, _ = sync(build(Feedback, Settings(lookback=timedelta(days=7))), {"createdDate": "2024-03-12T12:00:00.000Z"})
    assert ids == ["1", "2", "3"]
    assert api.queries[0]["startDate"] == "2024-03-05T11:59:59Z"


def test_rows_before_the_start_date_are_not_read(serve: Serve) -> None:
    api = serve(Feedback, feedback(1, 5, 8), filters=False)
    settings = Settings(start_date=datetime(2024, 3, 5, 12, tzinfo=timezone.utc))
    assert sync(build(Feedback, settings))[0] == ["1", "2"]
    assert sync(build(Feedback, settings), {"createdDate": "2024-03-08T12:00:00.000Z"})[0] == ["1", "2"]
    assert api.queries[0]["startDate"] == api.queries[1]["startDate"] == "2024-03-05T11:59:59Z"


def moved_back(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the log says that the start date was moved back."""
    found = "start_date was moved back, but what is older than 2024-03-05T00:00:00.000Z was not read" in caplog.text
    caplog.clear()
    return found


@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_a_start_date_that_was_moved_back_is_reported(
    serve: Serve, caplog: pytest.LogCaptureFixture, stream: type[IncrementalStream]
) -> None:
    field = str(stream.cursor_field)
    serve(stream, [{"id": str(day), field: f"2024-03-{day:02}T12:00:00.000Z"} for day in range(1, 9)])
    _, states = sync(build(stream, MARCH_5))
    for settings_of_sync, is_reported in [(MARCH_5, False), (MARCH_2, True), (NO_LOOKBACK, True)]:
        _, next_states = sync(build(stream, settings_of_sync), states[-1])
        assert moved_back(caplog) == is_reported
        assert next_states[-1]["start_date"] == "2024-03-05T00:00:00.000Z"
    ids, states = sync(build(stream, MARCH_2), states[-1], SyncMode.full_refresh)
    assert ids == [str(day) for day in range(2, 9)]
    sync(build(stream, MARCH_2), states[-1])
    assert not moved_back(caplog)
    # Inside the look-back window, it brings what was left out.
    window = Settings(start_date=datetime(2024, 3, 1, tzinfo=timezone.utc), lookback=timedelta(days=30))
    if stream is Feedback:
        ids, states = sync(build(stream, window), states[-1])
        assert not moved_back(caplog)
        assert "1" in ids
        assert states[-1]["start_date"] == "2024-03-01T00:00:00.000Z"
    # A start date behind the cursor leaves rows out, too.
    late = Settings(start_date=datetime(2024, 6, 1, tzinfo=timezone.utc), lookback=timedelta(0))
    cursor = {field: "2024-03-08T12:00:00.000Z"}
    _, states = sync(build(stream, late), cursor)
    sync(build(stream, MARCH_2), states[-1])
    assert "what is older than 2024-06-01" in caplog.text


def test_nothing_new_costs_one_request_and_keeps_the_state(serve: Serve) -> None:
    api = serve(Feedback, feedback(1))
    state = {"createdDate": "2024-03-09T12:00:00.000Z"}
    assert sync(build(Feedback), state) == ([], [state])
    assert len(api.queries) == 1


def test_all_customers_are_read_and_changed_ones_emitted(serve: Serve) -> None:
    rows = [
        {"id": "old", "createdDate": "2024-01-01T00:00:00.000Z", "updatedDate": "2024-01-02T00:00:00.000Z"},
        {"id": "changed", "createdDate": "2024-01-01T00:00:00.000Z", "updatedDate": "2024-05-02T00:00:00.000Z"},
        {"id": "new without a stamp", "createdDate": "2024-04-30T00:00:00.000Z"},
        {"id": "without any date"},
    ]
    api = serve(Customers, rows)
    ids, states = sync(build(Customers), {"updatedDate": "2024-04-01T00:00:00.000Z"})
    assert set(ids) == {"changed", "new without a stamp", "without any date"}
    # What changes from now on is new to the next sync; the newest date may be older by hours, or by a nightly mass update.
    assert abs(datetime.fromisoformat(states[-1]["updatedDate"][:-1] + "+00:00") - datetime.now(timezone.utc)) < MINUTE
    assert not {"startDate", "endDate"} & set(api.queries[0])


def test_customers_before_the_start_date_are_left_out_of_later_syncs_as_well(serve: Serve) -> None:
    rows = [{"id": str(i), "createdDate": f"2024-03-{day:02}T12:00:00.000Z"} for i, day in enumerate((1, 4, 5, 6))]
    serve(Customers, rows)
    first, states = sync(build(Customers, MARCH_5))
    second, _ = sync(build(Customers, MARCH_5), states[-1])
    assert first == second == ["2", "3"]


def test_a_list_that_is_empty_once_hides_no_change_from_the_next_sync(serve: Serve) -> None:
    state = {"updatedDate": "2024-04-01T00:00:00.000Z"}
    serve(Customers, [])
    ids, states = sync(build(Customers), state)
    assert (ids, states[-1]) == ([], state)
    serve(Customers, [{"id": "changed", "updatedDate": "2024-05-02T00:00:00.000Z"}])
    assert sync(build(Customers), states[-1])[0] == ["changed"]


@pytest.mark.parametrize("seed", range(5))
def test_a_warning_of_missing_records_counts_fewer_than_there_are(
    api: responses.RequestsMock, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint, chance = ListEndpoint("responses", feedback(*[5] * 60), numbers=False), random.Random(seed)
    endpoint.before_request = lambda _: chance.shuffle(endpoint.rows)
    api.add_callback(responses.GET, f"{API}feedback", endpoint)
    sync(build(Feedback, page_size=20))
    found = re.search(r"feedback: (\d+)(?: of (\d+))? records were read and some may be missing", caplog.text)
    assert found
    assert not found[2] or int(found[1]) < int(found[2])


def test_a_row_with_a_future_date_does_not_move_the_cursor(serve: Serve) -> None:
    serve(Feedback, [*feedback(1, 2), {"id": "future", "createdDate": "2099-01-01T00:00:00.000Z"}], filters=False)
    ids, states = sync(build(Feedback))
    assert ids == ["0", "1", "future"]
    assert states[-1] == {"createdDate": "2024-03-02T12:00:00.000Z"}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"createdDate": None},
        {"other": 1},
        {"next_page_token": 3},
        {"__ab_full_refresh_sync_complete": True},
        {"page": 4},
        {"unfinished": "x"},
        {"unfinished": {"page": 2, "start": "x", "end": "y"}},
    ],
)
def test_states_of_other_connectors_and_versions_read_everything(
    serve: Serve, state: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    serve(Feedback, feedback(1, 2))
    assert sync(build(Feedback), state)[0] == ["0", "1"]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("cursor", ["soon", "2999-01-01T00:00:00.000Z", [], {}, True, "9999-99-99"])
def test_an_invalid_cursor_reads_everything_with_one_warning(
    serve: Serve, cursor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    serve(Feedback, feedback(1, 2))
    ids, states = sync(build(Feedback), {"createdDate": cursor})
    assert ids == ["0", "1"]
    assert states[-1] == {"createdDate": "2024-03-02T12:00:00.000Z"}
    assert len({record.message for record in caplog.records if record.levelname == "WARNING"}) == 1


@pytest.mark.parametrize("cursor", ["2024-03-02T12:00:00Z", "2024-03-02", 1709380800, "2024-03-02T14:00:00+02:00"])
def test_cursors_in_other_formats_are_parsed(serve: Serve, cursor: Any) -> None:
    serve(Feedback, feedback(1, 2, 3))
    assert sync(build(Feedback), {"createdDate": cursor})[0] == ["1", "2"]


def test_a_full_refresh_reads_everything_whatever_the_state(serve: Serve) -> None:
    serve(Feedback, feedback(1, 2, 3))
    ids, states = sync(build(Feedback), {"createdDate": "2024-03-03T12:00:00.000Z"}, SyncMode.full_refresh)
    assert ids == ["0", "1", "2"]
    assert states[-1] == {"createdDate": "2024-03-03T12:00:00.000Z"}


def test_rows_of_one_date_on_several_pages_are_all_read(serve: Serve) -> None:
    serve(Feedback, feedback(1, 1, 1, 1, 1))
    assert sync(build(Feedback, page_size=2))[0] == ["0", "1", "2", "3", "4"]


def test_a_state_follows_each_page_and_the_cursor_moves_once(serve: Serve) -> None:
    serve(Feedback, feedback(1, 2, 3, 4, 5))
    _, states = sync(build(Feedback, page_size=3), {"createdDate": "2024-03-01T12:00:00.000Z"})
    assert [state["createdDate"][:10] for state in states] == ["2024-03-01", "2024-03-01", "2024-03-05"]
    assert [state.get("unfinished", {}).get("position") for state in states] == [0, 4, None]  # page 2 proves page 1


def test_the_first_day_of_year_1_is_a_valid_cursor(api: responses.RequestsMock) -> None:
    first = "0001-01-01T00:00:00.000Z"
    endpoint = DatedEndpoint(Feedback, [{"id": "a", "createdDate": first}], filters=False)
    api.add_callback(responses.GET, f"{API}feedback", endpoint)
    settings = Settings(start_date=datetime(1, 1, 1, tzinfo=timezone.utc), lookback=timedelta(0))
    for state in ({}, {"createdDate": first}):
        ids, states = sync(build(Feedback, settings), state)
        assert ids == ["a"]
        assert states[-1]["createdDate"] == first
    assert all("startDate" not in query for query in endpoint.queries)


@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_a_cursor_in_the_future_hides_no_change(serve: Serve, stream: type[IncrementalStream]) -> None:
    field, now = str(stream.cursor_field), datetime.now(timezone.utc)
    fresh = f"{now - timedelta(seconds=5):%Y-%m-%dT%H:%M:%S}.000Z"
    serve(stream, [{"id": "fresh", field: fresh}], filters=False)
    future = f"{now + timedelta(hours=23):%Y-%m-%dT%H:%M:%S}.000Z"
    ids, states = sync(build(stream, Settings(lookback=timedelta(days=1))), {field: future})
    assert ids == ["fresh"]
    assert states[-1][field] <= f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}.000Z"


INVALID_DATES = [
    "",
    "soon",
    "Fri, 31 Dec 9999 23:59:59 -0100",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 +0100",
    "Thu, 01 Jan 1970 00:00:00",
]


@pytest.mark.parametrize("date", INVALID_DATES)
@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_an_invalid_date_header_is_ignored(serve: Serve, stream: type[IncrementalStream], date: str) -> None:
    api = serve(stream, [{**row, "updatedDate": row["createdDate"]} for row in feedback(1, 2)])
    with responses.RequestsMock() as mock:

        def dated(request: requests.PreparedRequest) -> Response:
            status, _, body = api(request)
            return status, {"Date": date}, body

        mock.add_callback(responses.GET, API + stream().path(), dated)
        ids, states = sync(build(stream))
        assert ids == ["0", "1"]
        sync(build(stream), states[-1])
        assert states[-1].get(str(stream.cursor_field), "") <= f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}.999Z"
