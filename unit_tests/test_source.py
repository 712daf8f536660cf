import json
import logging
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.models import ConfiguredAirbyteCatalog, Status, SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import read as run_read

import source_retently
from source_retently import SourceRetently
from source_retently.context import BASE_URL_VARIABLE
from source_retently.run import run
from source_retently.streams import STREAMS
from unit_tests.conftest import API, CONFIG, KEY

LOGGER = logging.getLogger("airbyte")
CUSTOMERS = f"{API}nps/customers"


def check(config: Any = CONFIG) -> tuple[Status, str | None]:
    status = SourceRetently().check(LOGGER, config)
    return status.status, status.message


@pytest.mark.parametrize("found", [[], [{"id": "1"}]])
def test_check_reads_one_customer_and_an_empty_account_is_fine(api: responses.RequestsMock, found: list[Any]) -> None:
    api.get(CUSTOMERS, json={"data": {"subscribers": found, "total": 9000, "pages": 9000}})
    assert check() == (Status.SUCCEEDED, None)
    assert [call.request.url for call in api.calls] == [f"{CUSTOMERS}?page=1&limit=1&sort=createdDate"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 401, "json": {"message": f"bad {KEY}"}}, "does not accept the API key"),
        ({"status": 403}, "no permission"),
        ({"status": 404}, BASE_URL_VARIABLE),
        ({"status": 200, "body": "<html>"}, "not Retently's"),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example/login"}}, "another address"),
        ({"status": 503}, "try again later"),
        ({"status": 429}, "rate limit"),
        ({"body": requests.exceptions.ConnectionError(KEY)}, "No connection to app.retently.com"),
        ({"body": requests.exceptions.ReadTimeout(KEY)}, "in time"),
        ({"body": requests.exceptions.SSLError(KEY)}, "TLS"),
        ({"body": requests.exceptions.ProxyError(KEY)}, "HTTPS_PROXY"),
    ],
)
def test_each_reason_to_fail_has_its_sentence(
    api: responses.RequestsMock, waits: list[float], answer: dict[str, Any], said: str
) -> None:
    api.get(CUSTOMERS, **answer)
    api.get("https://elsewhere.example/login", body="<html>log in</html>")
    status, sentence = check()
    assert status == Status.FAILED
    assert sentence
    assert said in sentence
    assert sentence.endswith(".")
    assert not set('"\n') & set(sentence)
    assert KEY not in sentence
    assert sum(waits) < 12


def test_a_bad_configuration_fails_check_with_its_sentence() -> None:
    assert check({"api_key": ""}) == (Status.FAILED, "credentials.api_key is empty: fill it in.")


def test_a_bad_base_url_fails_check_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, "http://retently.example")
    assert check()[0] == Status.FAILED
    assert "must use https" in str(check()[1])


def test_the_base_url_moves_every_request(api: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, "http://127.0.0.1:8080/gateway")
    api.get("http://127.0.0.1:8080/gateway/api/v2/nps/customers", json={"data": {"subscribers": []}})
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


def catalog(*names: str) -> ConfiguredAirbyteCatalog:
    builder = CatalogBuilder()
    for name in names:
        builder = builder.with_stream(name, SyncMode.full_refresh)
    return builder.build()


def test_a_failed_stream_fails_the_run_after_the_others_are_out(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", status=400, body="the body of a failure")
    api.get(f"{API}templates", json={"templates": [{"id": "1"}]})
    output = run_read(SourceRetently(), CONFIG, catalog("campaigns", "templates"), expecting_exception=True)
    assert [message.record.data for message in output.records] == [{"id": "1"}]  # type: ignore[union-attr]
    assert output.get_stream_statuses("campaigns")[-1].value == "INCOMPLETE"
    assert output.get_stream_statuses("templates")[-1].value == "COMPLETE"
    error = output.errors[0].trace.error  # type: ignore[union-attr]
    assert error.message == "Retently refused the request for campaigns as malformed (HTTP 400): please report it with the log."  # type: ignore[union-attr]
    assert "the body of a failure" not in json.dumps([str(message) for message in output.get_message_iterator()])


@pytest.mark.parametrize("status", [403, 404])
def test_a_stream_that_the_plan_lacks_is_skipped_and_the_others_go_on(api: responses.RequestsMock, status: int) -> None:
    api.get(f"{API}reports", status=status)
    api.get(f"{API}feedback", status=status)
    api.get(f"{API}templates", json={"templates": [{"id": "1"}]})
    output = run_read(SourceRetently(), CONFIG, catalog("reports", "feedback", "templates"))
    assert not output.errors
    assert [message.record.stream for message in output.records] == ["templates"]  # type: ignore[union-attr]
    warned = [message.log.message for message in output.logs if message.log.level.value == "WARN"]  # type: ignore[union-attr]
    assert [line.split(" ")[0] for line in warned] == ["reports", "feedback"]
    assert all(f"HTTP {status}" in line and line.endswith(".") for line in warned)


def test_when_all_streams_are_skipped_the_run_fails(api: responses.RequestsMock) -> None:
    api.get(f"{API}reports", status=403)
    api.get(f"{API}campaigns", status=404)
    output = run_read(SourceRetently(), CONFIG, catalog("reports", "campaigns"), expecting_exception=True)
    error = output.errors[-1].trace.error  # type: ignore[union-attr]
    assert "every stream of the connection (campaigns, reports)" in error.message  # type: ignore[union-attr]


def test_a_bad_key_is_no_reason_to_skip(api: responses.RequestsMock) -> None:
    api.get(f"{API}reports", status=401)
    api.get(f"{API}templates", json={"templates": [{"id": "1"}]})
    assert run_read(SourceRetently(), CONFIG, catalog("reports", "templates"), expecting_exception=True).errors


def test_a_stream_that_does_not_exist_fails_the_run(api: responses.RequestsMock) -> None:
    output = run_read(SourceRetently(), CONFIG, catalog("surveys"), expecting_exception=True)
    assert output.errors


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
        source_retently.nothing  # noqa: B018
