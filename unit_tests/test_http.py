import gzip
import io
import json
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException
from urllib3 import HTTPResponse

from source_retently.config import ConfigError
from source_retently.environment import BASE_URL_VARIABLE, base_url
from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.http.body import read_body
from source_retently.http.responses import back_off, meaning_of_status, rate_limit_wait
from source_retently.run_context import Settings
from source_retently.streams.endpoints import Campaigns
from unit_tests.conftest import API, KEY, records_of, sync


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "https://app.retently.com"),
        (" https://eu.retently.example/ ", "https://eu.retently.example"),
        ("https://proxy.example:8443/gateway/", "https://proxy.example:8443/gateway"),
        ("http://127.0.0.1:8080/gateway", "http://127.0.0.1:8080/gateway"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_variable_sets_the_base_url(value: str, expected: str) -> None:
    assert base_url({BASE_URL_VARIABLE: value}) == expected
    assert Settings(base_url=expected).api == f"{expected}/api/v2/"


@pytest.mark.parametrize(
    "value",
    [
        "http://retently.example",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "ftp://x",
        "app.retently.com",
        "https://",
        "https://u:p@x",
        "https://x?a=1",
        "https://x#y",
        "https://x:port",
        "http://[x",
    ],
)
def test_an_invalid_base_url_gets_one_message(value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{BASE_URL_VARIABLE} [^\n]*\.$"):
        base_url({BASE_URL_VARIABLE: value})


def test_back_off_doubles_up_to_a_minute_and_is_spread() -> None:
    assert [back_off(attempt, 1) for attempt in (1, 2, 3, 7, 8, 5000)] == [1, 2, 4, 60, 60, 60]
    assert back_off(3, 0) == 2


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30),
        ({"X-RateLimit-Reset": "1700000012"}, 12),
        ({"X-RateLimit-Reset": "9"}, 9),
        ({"X-RateLimit-Reset": "1700000020000"}, 20),  # milliseconds
        ({"X-RateLimit-Reset": "1700000020500.0"}, 20.5),
        ({"X-RateLimit-Reset": "1700000020000000"}, 20),  # microseconds
        ({"X-RateLimit-Reset": "1700000020000000000"}, 20),  # nanoseconds
        ({"X-RateLimit-Reset": "1699999990000"}, 65),  # it was over before
        ({"X-RateLimit-Reset": "inf"}, 65),
        ({"Retry-After": "1700000020000"}, 20),
        ({"Retry-After": "5", "X-RateLimit-Reset": "9"}, 5),
        ({"Retry-After": "86400"}, 600),
        ({}, 65),
        ({"Retry-After": "soon"}, 65),
        ({"Retry-After": "-3"}, 65),
        ({"Retry-After": "nan"}, 65),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -0100"}, 65),
        ({"Retry-After": "Tue, 14 Nov 2023 22:00:00 GMT"}, 65),
    ],
)
def test_the_wait_after_a_429_is_in_the_headers_or_a_minute(headers: dict[str, str], expected: float) -> None:
    assert rate_limit_wait(headers, 1_700_000_000, 0.5) == pytest.approx(expected)


def read(settings: Settings | None = None) -> list[Any]:
    return list(records_of(Campaigns(ApiKeyAuthenticator(KEY), settings)))


GOOD = {"message": "Success.", "code": 200, "campaigns": [{"id": "1"}]}


@pytest.mark.parametrize(
    "bad",
    [
        {"status": 500},
        {"status": 503},
        {"status": 599},
        {"status": 408},
        {"status": 200, "body": "<html>please log in</html>"},
        {"status": 200, "body": '{"campaigns": [{"id'},
        {"status": 200, "json": {"code": 200, "data": None}},
        {"status": 200, "json": []},
        {"status": 200, "json": {"message": "Error", "code": 502, "data": None}},
        {"status": 200, "json": {"message": "Error", "code": 500, "campaigns": []}},
        {"status": 200, "json": {"success": False, "campaigns": []}},
        {"body": requests.exceptions.ReadTimeout()},
        {"body": requests.exceptions.ConnectTimeout()},
        {"body": requests.exceptions.ConnectionError()},
        {"body": requests.exceptions.ChunkedEncodingError()},
    ],
)
def test_transient_errors_are_retried(api: responses.RequestsMock, waits: list[float], bad: dict[str, Any]) -> None:
    api.get(f"{API}campaigns", **bad)
    api.get(f"{API}campaigns", **bad)
    api.get(f"{API}campaigns", json=GOOD)
    assert read() == [{"id": "1"}]
    assert len(waits) == 2


def test_five_minutes_of_errors_fail_the_stream_with_a_message(
    api: responses.RequestsMock, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    api.get(f"{API}campaigns", status=503, body="the body of a failure")
    with pytest.raises(AirbyteTracedException) as caught:
        read()
    assert str(caught.value) == "app.retently.com could not serve the request for campaigns (HTTP 503): try again later."
    assert caught.value.failure_type == FailureType.transient_error
    assert 300 <= sum(waits) < 400
    assert "the body of a failure" not in caplog.text


@pytest.mark.parametrize(
    ("status", "failure_type"),
    [
        (400, FailureType.system_error),
        (401, FailureType.config_error),
        (403, FailureType.config_error),
        (404, FailureType.config_error),
        (409, FailureType.system_error),
        (422, FailureType.system_error),
    ],
)
def test_final_errors_are_not_retried(
    api: responses.RequestsMock, waits: list[float], caplog: pytest.LogCaptureFixture, status: int, failure_type: FailureType
) -> None:
    api.get(f"{API}campaigns", status=status, json={"message": "the body of a failure", "code": status})
    with pytest.raises(AirbyteTracedException, match=rf"^[^\n]*\(HTTP {status}\)[^\n]*\.$") as caught:
        read()
    assert caught.value.failure_type == failure_type
    assert waits == []
    assert len(api.calls) == 1
    assert "the body of a failure" not in caplog.text


def test_a_status_inside_the_body_counts(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", json={"message": "Account not found", "code": 401, "data": None})
    with pytest.raises(AirbyteTracedException, match="HTTP 401"):
        read()


def test_an_error_inside_the_body_is_no_row(api: responses.RequestsMock, waits: list[float]) -> None:
    api.get(f"{API}reports", json={"message": "Error", "code": 500, "data": {}})
    run = sync("reports")
    assert not run.records("reports")
    assert "HTTP 500" in run.errors[0]["message"]


def test_a_transient_404_does_not_lead_to_the_old_path(api: responses.RequestsMock, waits: list[float]) -> None:
    api.get(f"{API}customers", status=404, body="<html>deployment</html>")
    api.get(f"{API}nps/customers", status=404, body="<html>deployment</html>")
    api.get(f"{API}customers", json={"code": 200, "data": {"subscribers": [{"id": "1"}], "total": 1}})
    run = sync("customers")
    assert [row["id"] for row in run.records("customers")] == ["1"]
    assert not run.errors


def test_the_rate_limit_is_waited_out(api: responses.RequestsMock, waits: list[float]) -> None:
    api.get(f"{API}campaigns", status=429, headers={"Retry-After": "17"})
    api.get(f"{API}campaigns", json=GOOD)
    assert read() == [{"id": "1"}]
    assert waits == [17]


def test_ten_minutes_of_429_fail_the_stream(api: responses.RequestsMock, waits: list[float]) -> None:
    api.get(f"{API}campaigns", status=429)
    with pytest.raises(AirbyteTracedException, match="rate limit") as caught:
        read()
    assert caught.value.failure_type == FailureType.transient_error
    assert 600 <= sum(waits) < 700


def test_a_redirect_is_a_config_error(api: responses.RequestsMock) -> None:
    assert meaning_of_status(302).failure_type == FailureType.config_error


@pytest.mark.parametrize("address", ["http://[", "https://:99999/", "https://a:x/", "https://[::1/"])
def test_a_redirect_to_what_is_no_address_is_a_config_error(api: responses.RequestsMock, address: str) -> None:
    api.get(f"{API}campaigns", status=302, headers={"Location": address})
    with pytest.raises(AirbyteTracedException, match="redirected the request for campaigns to another address") as caught:
        read()
    assert caught.value.failure_type == FailureType.config_error


def test_every_request_has_timeouts() -> None:
    kwargs = Campaigns().request_kwargs(None)
    assert kwargs["timeout"] == (10, 60)


def test_bodies_with_invalid_json_numbers_are_read(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", body='{"campaigns": [{"id": "1", "name": "\\ud800", "x": 1e400, "y": NaN}]}')
    assert read()[0]["id"] == "1"


def test_a_compressed_body_is_read(api: responses.RequestsMock) -> None:
    body = gzip.compress(json.dumps(GOOD).encode() + b" " * 300_000)
    api.get(f"{API}campaigns", body=body, headers={"Content-Encoding": "gzip"})
    assert read() == [{"id": "1"}]


def test_a_body_that_arrives_too_slowly_times_out(api: responses.RequestsMock, waits: list[float]) -> None:
    class Dripping(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            waits.append(1)  # a byte a second: no time-out between two of them ever strikes
            return self.read(1)

    raw = HTTPResponse(Dripping(b" " * 10_000), preload_content=False)
    response = requests.Response()
    response.raw = raw
    with pytest.raises(requests.exceptions.ReadTimeout):
        read_body(response, 300)
    assert 300 <= sum(waits) < 310
