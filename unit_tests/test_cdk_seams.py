"""What the connector takes from the CDK beyond its documented interface. A new CDK that moves it fails here first."""

import inspect

import responses
from airbyte_cdk.sources.streams.http import HttpStream

from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.streams.base import RetentlyStream
from source_retently.streams.endpoints import STREAMS, Companies, Feedback
from unit_tests.conftest import API, KEY, records_of


def test_both_page_loops_go_through_fetch_next_page() -> None:
    for loop in (HttpStream._read_pages, HttpStream._read_single_page):
        assert "self._fetch_next_page(" in inspect.getsource(loop)
    parameters = inspect.signature(HttpStream._fetch_next_page).parameters
    assert list(parameters) == list(inspect.signature(RetentlyStream._fetch_next_page).parameters)


def test_no_stream_overrides_read_records() -> None:
    # An override would cost the resumable full refresh, or with a state setter never end.
    assert all(stream.read_records is HttpStream.read_records for stream in STREAMS)


def test_only_full_refresh_streams_resume_by_page_through_the_cdk() -> None:
    assert Companies().get_cursor() is not None
    assert Feedback().get_cursor() is None


def test_the_client_waits_after_a_429_and_returns_the_response(api: responses.RequestsMock, waits: list[float]) -> None:
    api.get(f"{API}companies", status=429, headers={"Retry-After": "10"})
    api.get(f"{API}companies", json={"data": {"companies": [{"id": "1"}]}})
    list(records_of(Companies(ApiKeyAuthenticator(KEY))))
    assert waits == [10]
