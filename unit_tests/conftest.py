"""What the unit tests share: no network, no waiting, an API whose responses each test defines."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import FULL_REFRESH_COMPLETE_STATE
from hypothesis import is_hypothesis_test, settings

from source_retently.environment import BASE_URL_VARIABLE
from source_retently.streams.base import RetentlyStream
from unit_tests.run import Run, catalog_of, read_in_process

settings.register_profile("unhurried", deadline=None)  # a busy machine is no defect
settings.load_profile("unhurried")

API = "https://app.retently.com/api/v2/"
KEY = "k3y-of-the-test"
CONFIG = {"credentials": {"auth_type": "Token", "api_key": KEY}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks property tests. They run without measuring coverage, which doubles their time: other tests run the same lines."""
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("property")
            item.add_marker("no_cover")


def refusal(status: int) -> dict[str, Any]:
    """The body of a refusal that is the API's own."""
    return {"message": "Refused.", "code": status, "data": None}


@pytest.fixture(autouse=True)
def _default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BASE_URL_VARIABLE, raising=False)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that would have been, in seconds; time moves on by them."""
    waited: list[float] = []
    import time

    real = time.monotonic
    monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(seconds) if seconds else None)
    monkeypatch.setattr(time, "monotonic", lambda: real() + sum(waited))
    return waited


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


Response = tuple[int, dict[str, str], str]
"""Status, headers and body, as `responses` takes them from a callback."""


class ListEndpoint:
    """A list endpoint whose rows a test may change between requests.

    `limit` caps the page size as the API may; without `numbers` the response has no total and no number of pages.
    """

    def __init__(self, array: str, rows: list[dict[str, Any]], limit: int = 1000, *, numbers: bool = True) -> None:
        self.numbers = numbers
        self.array = array
        self.rows = rows
        self.limit = limit
        self.queries: list[dict[str, str]] = []
        self.before_request: Callable[[int], None] = lambda number: None
        self._lock = threading.Lock()

    def __call__(self, request: requests.PreparedRequest) -> Response:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        with self._lock:
            self.queries.append(query)
            self.before_request(len(self.queries))
            rows = self.selected(query)
        page, limit = int(query["page"]), min(int(query["limit"]), self.limit)
        numbers = {"page": page, "pages": -(-len(rows) // limit), "limit": limit, "total": len(rows)}
        data = {self.array: rows[(page - 1) * limit : page * limit], **(numbers if self.numbers else {})}
        return 200, {}, json.dumps({"message": "Success.", "code": 200, "data": data})

    def selected(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows of all pages, in their order."""
        return list(self.rows)


def records_of(stream: RetentlyStream) -> Iterator[dict[str, Any]]:
    """The records of a full refresh, read as a sync reads them: page by page where the stream resumes by page."""
    position: dict[str, Any] = {}
    while True:
        for record in stream.read_records(SyncMode.full_refresh, stream_slice={"cursor_slice": position, "partition": {}}):
            assert isinstance(record, Mapping)
            yield dict(record)
        cursor = stream.get_cursor()
        position = dict(cursor.get_stream_state()) if cursor else {}
        if not position or FULL_REFRESH_COMPLETE_STATE.items() <= position.items():
            return


def sync(*streams: str, states: list[dict[str, Any]] | None = None, config: Any = CONFIG, mode: str = "full_refresh") -> Run:
    """A read of these streams."""
    return read_in_process(config, catalog_of(*streams, sync_mode=mode), states)
