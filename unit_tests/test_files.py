"""What is found in files; what is wrong with them is in integration_tests/test_bad_input.py."""

import json
from pathlib import Path
from typing import Any

import pytest
import responses

from source_retently.entrypoint import launch
from source_retently.files import read_state
from unit_tests.conftest import API, CONFIG

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
