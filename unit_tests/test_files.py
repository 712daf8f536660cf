"""Bad input on the command line: exit code, one sentence, nothing of the file's content."""

import json
from pathlib import Path
from typing import Any

import pytest
import responses

from source_retently.entrypoint import launch
from source_retently.files import read_state
from unit_tests.conftest import API, CONFIG

SECRET = "s3cr3t-of-a-file"
STREAM = {"name": "templates", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
CATALOG = {"streams": [{"stream": STREAM, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}


def configured(**changes: Any) -> dict[str, Any]:
    return {"streams": [{**CATALOG["streams"][0], **changes}]}


CASES: list[tuple[str, Any, str]] = [
    ("config", None, "does not exist"),
    ("config", b"", "is not JSON"),
    ("config", b"   ", "is not JSON"),
    ("config", SECRET.encode(), "is not JSON"),
    ("config", b'{"api_key": "' + SECRET.encode(), "is not JSON"),
    ("config", b"\xff\xfe\x00", "is not JSON"),
    ("config", SECRET.encode("utf-16"), "is not JSON"),
    ("config", b"[" * 100_000, "is not JSON"),
    ("config", [SECRET], "must hold a JSON object"),
    ("config", SECRET, "must hold a JSON object"),
    ("config", 5, "must hold a JSON object"),
    ("config", None, "does not exist"),
    ("config", {}, "credentials is missing"),
    ("config", {"apikey": SECRET}, "credentials is missing"),
    ("config", {"credentials": SECRET}, "must be an object"),
    ("config", {"credentials": [SECRET]}, "must be an object"),
    ("config", {"credentials": {"credentials": {"api_key": SECRET}}}, "credentials.api_key is missing"),
    ("config", {"credentials": {"api_key": {"value": SECRET}}}, "credentials.api_key must be text"),
    ("config", {"api_key": f"{SECRET}\n{SECRET}"}, "line break"),
    ("config", {"api_key": SECRET + "é"}, "not ASCII"),
    ("config", {**CONFIG, "start_date": SECRET}, "start_date"),
    ("config", {**CONFIG, "lookback_window": SECRET}, "lookback_window must be a whole number"),
    ("config", {**CONFIG, "num_workers": 0}, "num_workers must be a whole number from 1 to 10"),
    ("config", {**CONFIG, "num_workers": 11}, "num_workers must be a whole number from 1 to 10"),
    ("config", {**CONFIG, "requests_per_minute": 0}, "requests_per_minute must be a whole number from 1"),
    ("config", {**CONFIG, "requests_per_minute": SECRET}, "requests_per_minute must be a whole number from 1"),
    ("catalog", None, "does not exist"),
    ("catalog", b"", "is not JSON"),
    ("catalog", SECRET.encode(), "is not JSON"),
    ("catalog", [], "is not a configured catalog"),
    ("catalog", [SECRET], "is not a configured catalog"),
    ("catalog", {}, "is not a configured catalog"),
    ("catalog", {"streams": SECRET}, "is not a configured catalog"),
    ("catalog", {"streams": [SECRET]}, "is not a configured catalog"),
    ("catalog", {"streams": []}, "names no stream"),
    ("catalog", configured(sync_mode=SECRET), "is not a configured catalog"),
    ("catalog", configured(stream=SECRET), "is not a configured catalog"),
    ("catalog", configured(stream={**STREAM, "name": None}), "is not a configured catalog"),
    ("catalog", {"streams": [{"stream": STREAM}]}, "is not a configured catalog"),
    ("catalog", configured(stream={**STREAM, "name": "surveys"}), "surveys"),
    ("state", None, "does not exist"),
    ("state", b"", "is not JSON"),
    ("state", SECRET.encode(), "is not JSON"),
    ("state", SECRET, "holds no states"),
    ("state", 5, "holds no states"),
    ("state", [SECRET], "holds no states"),
    ("state", [[]], "holds no states"),
    ("state", [{}], "holds no states"),
    ("state", [{"type": SECRET}], "holds no states"),
    ("state", [{"type": "STREAM", "stream": SECRET}], "holds no states"),
    ("state", {"type": "STATE", "state": SECRET}, "holds no states"),
]


@pytest.mark.parametrize(("file", "held", "said"), CASES)
def test_bad_input_gets_an_exit_code_and_a_sentence(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, file: str, held: Any, said: str
) -> None:
    files: dict[str, Any] = {"config": CONFIG, "catalog": CATALOG, "state": [], file: held}
    words = []
    for name, content in files.items():
        path = tmp_path / f"{name}.json"
        words += [f"--{name}", str(path)]
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with responses.RequestsMock(), pytest.raises(SystemExit) as ended:
        launch(["read", *words])
    assert ended.value.code == 1
    output = capfd.readouterr()
    messages = [json.loads(line) for line in output.out.splitlines()]
    errors = [message["trace"]["error"] for message in messages if message.get("trace", {}).get("type") == "ERROR"]
    assert errors[-1]["failure_type"] == "config_error"
    assert said in errors[-1]["message"]
    assert "Traceback" not in errors[-1]["message"]
    assert SECRET not in output.out + output.err
    if said != "surveys":
        assert errors[-1]["message"].endswith(".")
        assert "\n" not in errors[-1]["message"]


def test_no_command_is_a_sentence_too(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        launch([])
    assert ended.value.code == 1
    assert "spec, check, discover or read" in capfd.readouterr().out


POSITION = {"createdDate": "2024-01-01T00:00:00.000Z"}
STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "feedback"}, "stream_state": POSITION}}


@pytest.mark.parametrize(
    "held",
    [
        [STATE],
        STATE,
        {"type": "STATE", "state": STATE},
        [{"type": "STATE", "state": STATE}],
        [{"stream": STATE["stream"]}],
        {"feedback": POSITION},
    ],
)
def test_a_state_is_found_however_it_was_kept(tmp_path: Path, held: Any) -> None:
    (tmp_path / "state.json").write_text(json.dumps(held), encoding="utf-8")
    (state,) = read_state(str(tmp_path / "state.json"))
    assert state.type is not None
    assert state.stream is not None
    assert state.stream.stream_descriptor.name == "feedback"
    assert vars(state.stream.stream_state) == POSITION


@pytest.mark.parametrize("held", ["[]", "{}", "null"])
def test_no_state_is_a_state(tmp_path: Path, held: str) -> None:
    (tmp_path / "state.json").write_text(held, encoding="utf-8")
    assert read_state(str(tmp_path / "state.json")) == []
    assert read_state(None) == []


def test_a_byte_order_mark_does_no_harm(api: responses.RequestsMock, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    api.get(f"{API}nps/customers", json={"data": {"subscribers": []}})
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(CONFIG).encode())
    launch(["check", "--config", str(tmp_path / "config.json")])
    assert "SUCCEEDED" in capfd.readouterr().out
