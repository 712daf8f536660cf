"""Cursor state: what a stream requests, emits and stores."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.models import AirbyteMessage, SyncMode
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.utils.schema_helpers import split_config
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.test.catalog_builder import ConfiguredAirbyteStreamBuilder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.http.rate_limit import RateBudget
from source_retently.run_context import Settings
from source_retently.streams.endpoints import Customers, Feedback, Outbox
from source_retently.streams.incremental import IncrementalStream
from unit_tests.conftest import API, KEY, ListEndpoint, Response

MINUTE = timedelta(minutes=1)
NO_LOOKBACK = Settings(lookback=timedelta(0), budget=RateBudget(1_000_000))  # one budget for all tests: it must not fill
ARRAYS = {Feedback: "responses", Outbox: "surveys", Customers: "subscribers"}


class DatedEndpoint(ListEndpoint):
    """A list endpoint that filters and sorts by a date field; or doesn't, or by exclusive bounds."""

    def __init__(
        self,
        stream: type[IncrementalStream],
        rows: list[dict[str, Any]],
        *,
        filters: bool = True,
        sorts: bool = True,
        exclusive: bool = False,
    ) -> None:
        super().__init__(ARRAYS[stream], rows)
        self.field = str(stream.cursor_field)
        self.filters, self.sorts, self.exclusive = filters, sorts, exclusive

    def selected(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        def date(row: dict[str, Any]) -> str:
            return row.get(self.field) or ""

        rows = sorted(self.rows, key=date) if self.sorts else list(self.rows)
        if not self.filters or "startDate" not in query:
            return rows
        low = query["startDate"].replace("Z", ".000Z")
        return [row for row in rows if low < date(row) or (low == date(row) and not self.exclusive)]


def messages(
    stream: IncrementalStream, state: Mapping[str, Any] | None = None, mode: SyncMode = SyncMode.incremental
) -> Iterator[Mapping[str, Any] | AirbyteMessage]:
    """The records and the state messages, in the order in which the CDK emits them."""
    stream.state = dict(state or {})
    configured = ConfiguredAirbyteStreamBuilder().with_name(stream.name).with_sync_mode(mode).build()
    configured.stream.json_schema = {}
    _, internal = split_config({})
    for message in stream.read(configured, stream.logger, DebugSliceLogger(), {}, ConnectorStateManager([]), internal):
        assert isinstance(message, (Mapping, AirbyteMessage))
        yield message


def state_in(message: AirbyteMessage) -> dict[str, Any]:
    """The state in a message."""
    assert message.state is not None
    assert message.state.stream is not None
    return dict(json.loads(json.dumps(vars(message.state.stream.stream_state))))


def emitted(
    stream: IncrementalStream, state: Mapping[str, Any] | None = None, mode: SyncMode = SyncMode.incremental
) -> Iterator[str | dict[str, Any]]:
    """Ids of the records, and the states, in the order in which the CDK emits them."""
    for message in messages(stream, state, mode):
        yield state_in(message) if isinstance(message, AirbyteMessage) else str(message["id"])


def sync(
    stream: IncrementalStream, state: Mapping[str, Any] | None = None, mode: SyncMode = SyncMode.incremental
) -> tuple[list[str], list[dict[str, Any]]]:
    """Ids of the records, and the states."""
    found = list(emitted(stream, state, mode))
    return [value for value in found if isinstance(value, str)], [value for value in found if isinstance(value, dict)]


Serve = Callable[..., DatedEndpoint]


@pytest.fixture
def serve(api: responses.RequestsMock) -> Serve:
    def serve(stream: type[IncrementalStream], rows: list[dict[str, Any]], **how: bool) -> DatedEndpoint:
        api.reset()
        endpoint = DatedEndpoint(stream, rows, **how)
        api.add_callback(responses.GET, API + stream().path(), endpoint)
        return endpoint

    return serve


def feedback(*days: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": str(i), "createdDate": f"2024-03-{day:02}T12:00:00.000Z", **more} for i, day in enumerate(days)]


def build(stream: type[IncrementalStream], settings: Settings = NO_LOOKBACK, page_size: int = 1000) -> IncrementalStream:
    built = stream(ApiKeyAuthenticator(KEY), settings)
    built.page_size = page_size
    return built


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


MARCH_5 = Settings(start_date=datetime(2024, 3, 5, tzinfo=timezone.utc), lookback=timedelta(0))
MARCH_2 = Settings(start_date=datetime(2024, 3, 2, tzinfo=timezone.utc), lookback=timedelta(0))


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


@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_a_killed_sync_with_another_start_date_begins_anew(serve: Serve, stream: type[IncrementalStream]) -> None:
    field = str(stream.cursor_field)
    serve(stream, [{"id": str(day), field: f"2024-03-{day:02}T12:00:00.000Z"} for day in range(1, 21)], filters=False)
    found = list(emitted(build(stream, MARCH_5, page_size=8)))
    killed = next(state for state in found[::-1] if isinstance(state, dict) and "unfinished" in state)
    ids, _ = sync(build(stream, MARCH_2, page_size=8), killed)
    assert set(ids) == {str(day) for day in range(2, 21)}


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
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
        # Pages of three rows can't overlap, so the row before those of a date may be a page farther back.
        assert len(set(delivered) & set(again)) <= (page_size + same_date) * (2 if page_size == 3 else 1)
    newest = max([row[field] for row in rows if row["id"] in wanted] + ([at] if at else []), default=None)
    if stream is not Customers:
        assert (states[-1] if states else {}) == ({field: newest} if newest else {})


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


@pytest.mark.parametrize("stream", [Feedback, Customers])
def test_a_cursor_in_the_future_hides_no_change(serve: Serve, stream: type[IncrementalStream]) -> None:
    field, now = str(stream.cursor_field), datetime.now(timezone.utc)
    fresh = f"{now - timedelta(seconds=5):%Y-%m-%dT%H:%M:%S}.000Z"
    serve(stream, [{"id": "fresh", field: fresh}], filters=False)
    future = f"{now + timedelta(hours=23):%Y-%m-%dT%H:%M:%S}.000Z"
    ids, states = sync(build(stream, Settings(lookback=timedelta(days=1))), {field: future})
    assert ids == ["fresh"]
    assert states[-1][field] <= f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}.000Z"


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


@pytest.mark.parametrize(
    "date", ["", "soon", "Fri, 31 Dec 9999 23:59:59 -0100", "Mon, 01 Jan 0001 00:00:00 +0100", "Thu, 01 Jan 1970 00:00:00"]
)
def test_an_invalid_date_header_is_ignored(serve: Serve, date: str) -> None:
    api = serve(Feedback, feedback(1, 2))
    with responses.RequestsMock() as mock:

        def dated(request: requests.PreparedRequest) -> Response:
            status, _, body = api(request)
            return status, {"Date": date}, body

        mock.add_callback(responses.GET, f"{API}feedback", dated)
        assert sync(build(Feedback))[0] == ["0", "1"]
