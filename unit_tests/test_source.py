import json
import logging
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.models import Status, SyncMode

import source_retently
from source_retently import SourceRetently
from source_retently.environment import BASE_URL_VARIABLE
from source_retently.run import run
from source_retently.streams.endpoints import STREAMS
from unit_tests.conftest import API, CONFIG, KEY, ListEndpoint, Response, refusal, sync
from unit_tests.run import catalog_of, read_in_process, state_of

LOGGER = logging.getLogger("airbyte")
CUSTOMERS = f"{API}customers"


def check(config: Any = CONFIG) -> tuple[Status, str | None]:
    status = SourceRetently().check(LOGGER, config)
    return status.status, status.message


@pytest.mark.parametrize("found", [[], [{"id": "1"}]])
def test_check_reads_one_customer_and_an_empty_account_is_fine(api: responses.RequestsMock, found: list[Any]) -> None:
    api.get(CUSTOMERS, json={"data": {"subscribers": found, "total": 9000, "pages": 9000}})
    assert check() == (Status.SUCCEEDED, None)
    assert [call.request.url for call in api.calls] == [f"{CUSTOMERS}?page=1&limit=1&sort=createdDate"]


@pytest.mark.parametrize(
    ("response", "part"),
    [
        ({"status": 401, "json": {"message": f"bad {KEY}"}}, "does not accept the API key"),
        ({"status": 403, "json": refusal(403)}, "no permission"),
        ({"status": 404, "json": refusal(404)}, BASE_URL_VARIABLE),
        ({"status": 403, "body": "<html>"}, "did not return a Retently response"),
        ({"status": 200, "body": "<html>"}, "did not return a Retently response"),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example/login"}}, "another address"),
        ({"status": 503}, "try again later"),
        ({"status": 429}, "rate limit"),
        ({"body": requests.exceptions.ConnectionError(KEY)}, "No connection to app.retently.com"),
        ({"body": requests.exceptions.ReadTimeout(KEY)}, "in time"),
        ({"body": requests.exceptions.SSLError(KEY)}, "TLS"),
        ({"body": requests.exceptions.ProxyError(KEY)}, "HTTPS_PROXY"),
    ],
)
def test_each_failed_check_has_its_message(
    api: responses.RequestsMock, waits: list[float], response: dict[str, Any], part: str
) -> None:
    api.get(CUSTOMERS, **response)
    api.get(f"{API}nps/customers", **response)
    api.get("https://elsewhere.example/login", body="<html>log in</html>")
    status, message = check()
    assert status == Status.FAILED
    assert message
    assert part in message
    assert message.endswith(".")
    assert not set('"\n') & set(message)
    assert KEY not in message
    assert sum(waits) < 12


def test_check_does_not_say_that_it_reads_the_list(api: responses.RequestsMock, caplog: pytest.LogCaptureFixture) -> None:
    api.get(CUSTOMERS, json={"data": {"subscribers": []}})
    with caplog.at_level("INFO", "airbyte"):
        assert check() == (Status.SUCCEEDED, None)
    assert not caplog.messages
    assert str(api.calls[0].request.url).endswith("page=1&limit=1&sort=createdDate")


def test_check_asks_for_one_row_by_the_older_path_as_well(
    api: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    api.get(CUSTOMERS, status=404, json=refusal(404))
    api.get(f"{API}nps/customers", json={"data": {"subscribers": []}})
    with caplog.at_level("INFO", "airbyte"):
        assert check() == (Status.SUCCEEDED, None)
    assert len(caplog.messages) == 1
    assert [str(call.request.url).split("?")[1] for call in api.calls] == ["page=1&limit=1&sort=createdDate"] * 2


def test_a_bad_configuration_fails_check_with_its_message() -> None:
    assert check({"api_key": ""}) == (Status.FAILED, "credentials.api_key is empty: fill it in.")


def test_a_bad_base_url_fails_check_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, "http://retently.example")
    assert check()[0] == Status.FAILED
    assert "must use https" in str(check()[1])


def test_the_base_url_replaces_the_host_of_requests(api: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, "http://127.0.0.1:8080/gateway")
    api.get("http://127.0.0.1:8080/gateway/api/v2/customers", json={"data": {"subscribers": []}})
    assert check() == (Status.SUCCEEDED, None)


def test_discover_lists_every_stream_with_a_key() -> None:
    catalog = SourceRetently().discover(LOGGER, CONFIG)
    assert [stream.name for stream in catalog.streams] == [stream().name for stream in STREAMS]
    assert all(stream.source_defined_primary_key for stream in catalog.streams)
    incremental = {
        stream.name: stream.default_cursor_field
        for stream in catalog.streams
        if SyncMode.incremental in stream.supported_sync_modes
    }
    assert incremental == {"customers": ["updatedDate"], "feedback": ["createdDate"], "outbox": ["sentDate"]}


def test_a_failed_stream_fails_the_run_after_the_other_streams(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", status=400, body="the body of a failure")
    api.get(f"{API}templates", json={"templates": [{"id": "1"}]})
    run = sync("campaigns", "templates")
    assert [record["data"] for record in run.of("RECORD")] == [{"id": "1"}]
    assert run.statuses == {"campaigns": "INCOMPLETE", "templates": "COMPLETE"}
    error = "Retently refused the request for campaigns as malformed (HTTP 400): please report it with the log."
    assert run.errors[0]["message"] == error
    assert "the body of a failure" not in run.output


EVERY_ACCOUNT_HAS = ("campaigns", "companies", "customers", "feedback", "outbox", "reports", "templates")
MAY_BE_LACKING = ("trend_groups", "suppressed_emails", "suppressed_domains", "account")
PATHS = {"trend_groups": "trends", "suppressed_emails": "suppressions/emails", "suppressed_domains": "suppressions/domains"}


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((503, 400), "transient_error"),
        ((503, 401), "config_error"),
        ((400, 422), "system_error"),
        ((503, 502), "transient_error"),
    ],
)
def test_a_run_whose_streams_fail_in_different_ways_has_the_most_urgent_type(
    api: responses.RequestsMock, statuses: tuple[int, int], kind: str
) -> None:
    for stream, status in zip(("templates", "campaigns"), statuses, strict=True):
        api.get(API + stream, status=status)
    run = sync("templates", "campaigns")
    assert run.errors[-1]["message"].startswith("2 of 2 streams failed")
    assert run.errors[-1]["failure_type"] == kind


@pytest.mark.parametrize("data", [{}, {"reports": [{"campaignId": "1"}]}, {"page": 1, "docs": []}])
@pytest.mark.parametrize("stream", ["reports", "account"])
def test_an_object_of_an_unknown_shape_is_no_row(api: responses.RequestsMock, stream: str, data: Any) -> None:
    api.get(API + {"account": "ping"}.get(stream, stream), json={"message": "", "code": 200, "data": data})
    run = sync(stream)
    assert not run.records(stream)
    assert "returned JSON without the data" in run.errors[0]["message"]


@pytest.mark.parametrize("body", [{"data": None}, {"items": [{"id": "1"}]}, [1], {"success": False}])
def test_json_without_the_data_of_a_stream_is_no_proxys(api: responses.RequestsMock, body: Any) -> None:
    api.get(f"{API}campaigns", json=body)
    message = sync("campaigns").errors[0]["message"]
    assert "returned JSON without the data" in message
    assert "proxy" not in message


def test_a_row_that_is_not_an_object_is_reported_as_left_out(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", json={"campaigns": [{"id": "1"}, "2", "3"]})
    run = sync("campaigns")
    assert run.keys("campaigns") == ["1"]
    assert run.warnings == ["campaigns: a row should be an object but came as str; such rows are left out."]
    assert run.logs()[-1].endswith("campaigns: 1 read, 1 emitted, some may be missing")


@pytest.mark.parametrize(("doubt", "line"), [({}, "resuming this"), ({"order_changes": True}, "reading everything")])
def test_a_full_refresh_says_what_it_reads(api: responses.RequestsMock, doubt: dict[str, Any], line: str) -> None:
    rows = [{"id": str(i), "createdDate": f"2024-01-01T00:{i:02}:00.000Z"} for i in range(30)]
    api.add_callback(responses.GET, f"{API}companies", ListEndpoint("companies", rows, limit=10))
    state = {"position": 20, "keys": ["19"], "size": 10, **doubt}
    run = sync("companies", states=[state_of("companies", state)])
    assert any(line in text for text in run.logs())
    assert len(run.records("companies")) == (30 if doubt else 11)


def refuse(api: responses.RequestsMock, stream: str, status: int, **body: Any) -> None:
    path = {**PATHS, "account": "ping"}.get(stream, stream)
    api.get(f"{API}{path}", status=status, **body)
    api.get(f"{API}nps/{path}", status=status, **body)


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("stream", MAY_BE_LACKING)
def test_a_stream_that_the_plan_lacks_is_skipped(api: responses.RequestsMock, stream: str, status: int) -> None:
    refuse(api, stream, status, json=refusal(status))
    api.get(f"{API}templates", json={"templates": [{"id": "1"}]})
    run = sync(stream, "templates")
    assert not run.errors
    assert [record["stream"] for record in run.of("RECORD")] == ["templates"]
    (warning,) = run.warnings
    assert warning.startswith(f"{stream} ")
    assert f"HTTP {status}" in warning
    assert warning.endswith(".")


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("stream", [*EVERY_ACCOUNT_HAS])
def test_a_stream_that_every_account_has_is_never_skipped(api: responses.RequestsMock, stream: str, status: int) -> None:
    refuse(api, stream, status, json=refusal(status))
    api.get(f"{API}ping", json={"data": {"account": {"id": "1"}}})
    run = sync(stream, "account")
    assert f"(HTTP {status})" in run.errors[0]["message"]
    assert [record["stream"] for record in run.of("RECORD")] == ["account"]


BODIES = [
    {"body": "<html>Forbidden</html>"},
    {"body": ""},
    {"json": {"message": "no"}},
    {"json": {"message": "no", "code": 500}},
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("stream", "status"), [*((name, 403) for name in ("campaigns", "nps", *MAY_BE_LACKING)), ("nps", 404)])
def test_a_refusal_of_another_server_is_retried_and_then_fails(
    api: responses.RequestsMock, waits: list[float], stream: str, status: int, body: dict[str, Any]
) -> None:
    path = {"nps": "nps/score"}.get(stream, stream)
    refuse(api, path, status, **body)
    assert sync(stream).errors[0]["failure_type"] == "transient_error"
    assert 250 < sum(waits) < 400


def test_a_refusal_of_a_firewall_is_retried(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", status=403, body="<html>")
    api.get(f"{API}campaigns", json={"campaigns": [{"id": "1"}]})
    assert len(sync("campaigns").records("campaigns")) == 1


@pytest.mark.parametrize("stream", MAY_BE_LACKING)
def test_an_unknown_path_is_skipped_after_a_minute(api: responses.RequestsMock, waits: list[float], stream: str) -> None:
    refuse(api, stream, 404, body="<html>Cannot GET</html>")
    api.get(f"{API}campaigns", json={"campaigns": [{"id": "1"}]})
    run = sync(stream, "campaigns")
    assert not run.errors
    assert 50 < sum(waits) < 130
    assert any(f"{stream} is skipped" in line for line in run.logs())


@pytest.mark.parametrize("body", [{"json": refusal(404)}, {"body": "<html>Cannot GET</html>"}])
@pytest.mark.parametrize(("stream", "array"), [("customers", "subscribers"), ("outbox", "surveys")])
def test_a_404_falls_back_to_the_older_path_once_a_run(
    api: responses.RequestsMock, waits: list[float], stream: str, array: str, body: dict[str, Any]
) -> None:
    api.get(f"{API}{stream}", status=404, **body)
    api.get(f"{API}nps/{stream}", json={"data": {array: [{"id": "1", "surveyId": "1"}], "total": 1}})
    run = sync(stream)
    assert len(run.records(stream)) == 1
    assert [str(call.request.url).split("?")[0] for call in api.calls] == [API + stream, f"{API}nps/{stream}"]
    assert not sum(waits)
    assert any(f"asking for nps/{stream}" in line for line in run.logs())
    assert SourceRetently().check_connection(logging.getLogger(), CONFIG)[0] == (stream == "customers")


def test_a_resumed_sync_restarts_at_page_1_after_a_404(api: responses.RequestsMock) -> None:
    endpoint = ListEndpoint("responses", [{"id": str(i), "createdDate": "2024-01-01T00:00:00.000Z"} for i in range(30)])

    def only_page_1(request: requests.PreparedRequest) -> Response:
        return endpoint(request) if "page=1&" in str(request.url) else (404, {}, "<html>")

    api.add_callback(responses.GET, f"{API}feedback", only_page_1)
    unfinished = {"position": 3000, "keys": ["x"], "started": "2024-01-01T00:00:00.000Z", "newest": "", "sync": "incremental"}
    states = [state_of("feedback", {"unfinished": {**unfinished, "asked_from": None}})]
    assert len(sync("feedback", states=states, mode="incremental").records("feedback")) == 30


def test_when_all_streams_are_skipped_the_run_fails(api: responses.RequestsMock) -> None:
    api.get(f"{API}ping", status=403, json=refusal(403))
    api.get(f"{API}trends", status=404, json=refusal(404))
    error_message = sync("account", "trend_groups").error_message
    assert "every stream of the connection (account, trend_groups)" in error_message


def test_a_bad_key_skips_no_stream(api: responses.RequestsMock) -> None:
    api.get(f"{API}reports", status=401)
    api.get(f"{API}templates", json={"templates": [{"id": "1"}]})
    assert sync("reports", "templates").errors


def test_a_stream_that_does_not_exist_fails_the_run(api: responses.RequestsMock) -> None:
    catalog = catalog_of("templates")
    catalog["streams"][0]["stream"]["name"] = "surveys"
    assert read_in_process(CONFIG, catalog).errors


def run_lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    run(arguments)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_spec_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = run_lines(capsys, "spec")
    assert line["spec"]["documentationUrl"] == "https://docs.airbyte.com/integrations/sources/retently"
    assert line["spec"]["connectionSpecification"]["title"] == "Retently Spec"


@pytest.mark.parametrize("config", [{"api_key": KEY}, {"ApiKey": KEY}, CONFIG, {"credentials": {"api_key": f" {KEY} "}}])
def test_check_on_the_command_line(
    api: responses.RequestsMock, capsys: pytest.CaptureFixture[str], tmp_path: Path, config: dict[str, Any]
) -> None:
    api.get(CUSTOMERS, json={"data": {"subscribers": []}})
    (tmp_path / "config.json").write_text(json.dumps(config))
    status = run_lines(capsys, "check", "--config", str(tmp_path / "config.json"))[-1]
    assert status == {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    assert api.calls[0].request.headers["Authorization"] == f"api_key={KEY}"


def test_a_bad_configuration_on_the_command_line_is_not_quoted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credentials": f"{KEY}"}))
    status = run_lines(capsys, "check", "--config", str(tmp_path / "config.json"))[-1]
    assert status["connectionStatus"]["status"] == "FAILED"
    assert status["connectionStatus"]["message"].startswith("credentials must be an object")
    assert KEY not in json.dumps(status)


def test_the_package_exports_the_source() -> None:
    assert source_retently.__all__ == ["SourceRetently"]
    with pytest.raises(AttributeError, match="nothing"):
        source_retently.nothing  # type: ignore[attr-defined]  # noqa: B018
