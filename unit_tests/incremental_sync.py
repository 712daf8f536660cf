"""What tests of incremental streams share: a list endpoint with dates, and one sync of a stream."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import pytest
import requests
import responses
from airbyte_cdk.models import AirbyteMessage, SyncMode
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.utils.schema_helpers import split_config
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.test.catalog_builder import ConfiguredAirbyteStreamBuilder

from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.http.rate_limit import RateBudget
from source_retently.run_context import Settings
from source_retently.streams import changes, incremental
from source_retently.streams.endpoints import Customers, Feedback, Outbox
from source_retently.streams.incremental import IncrementalStream
from unit_tests.conftest import API, KEY, ListEndpoint, Response

BEGIN = datetime(2024, 5, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NO_LOOKBACK = Settings(lookback=timedelta(0), budget=RateBudget(1_000_000))  # one budget for all tests: it must not fill
MARCH_5 = Settings(start_date=datetime(2024, 3, 5, tzinfo=timezone.utc), lookback=timedelta(0))
MARCH_2 = Settings(start_date=datetime(2024, 3, 2, tzinfo=timezone.utc), lookback=timedelta(0))
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
"""The fixture `serve`: `served` with the API of the test."""


def served(
    api: responses.RequestsMock, stream: type[IncrementalStream], rows: list[dict[str, Any]], **how: bool
) -> DatedEndpoint:
    """Serves rows as the list of a stream, in place of what was served before."""
    api.reset()
    endpoint = DatedEndpoint(stream, rows, **how)
    api.add_callback(responses.GET, API + stream().path(), endpoint)
    return endpoint


def feedback(*days: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": str(i), "createdDate": f"2024-03-{day:02}T12:00:00.000Z", **more} for i, day in enumerate(days)]


def build(stream: type[IncrementalStream], settings: Settings = NO_LOOKBACK, page_size: int = 1000) -> IncrementalStream:
    built = stream(ApiKeyAuthenticator(KEY), settings)
    built.page_size = page_size
    return built


class Living(Protocol):
    """An account that lives through several syncs, by a clock of its own."""

    now: datetime

    def __call__(self, request: requests.PreparedRequest) -> Response: ...


@contextmanager
def alive(account: Living, stream: type[IncrementalStream]) -> Iterator[None]:
    """Serves an account as the list of a stream, at the time of its clock."""
    with pytest.MonkeyPatch.context() as patch, responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for module in (changes, incremental):
            patch.setattr(module, "now", lambda: account.now)
        mock.add_callback(responses.GET, API + stream().path(), account)
        yield


def http_date(date: datetime) -> str:
    """A date as the `Date` header has it."""
    return f"{date:%a, %d %b %Y %H:%M:%S} GMT"
