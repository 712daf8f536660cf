"""What files may contain; wrong files are in integration_tests/test_bad_input.py."""

import json
from pathlib import Path
from typing import Any

import pytest
import responses

from source_retently.entrypoint import launch
from source_retently.files import read_catalog, read_state
from unit_tests.conftest import API, CONFIG
from unit_tests.run import state_of

POSITION = {"createdDate": "2024-01-01T00:00:00.000Z"}
STATE = state_of("feedback", POSITION)


def test_the_state_of_an_unknown_stream_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state.json").write_text(json.dumps([STATE, state_of("feedbak", POSITION)]), encoding="utf-8")
    read_state(str(tmp_path / "state.json"))
    assert "has the state of feedbak, which is no stream and is ignored" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        [STATE],
        STATE,
        {"type": "STATE", "state": STATE},
        [{"type": "STATE", "state": STATE}],
        [{"stream": STATE["stream"]}],
        {"feedback": POSITION},
        # GLOBAL: one message for all streams
        {"type": "GLOBAL", "global": {"stream_states": [STATE["stream"]]}},
        {"type": "GLOBAL", "global": {"shared_state": None, "stream_states": [STATE["stream"]]}},
        {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": [STATE["stream"]]}},
        {"type": "GLOBAL", "global": {"shared_state": {"lsn": 7}, "stream_states": [STATE["stream"]]}},
        [{"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": [STATE["stream"]]}}}],
        {"global": {"stream_states": [STATE["stream"]]}},
        # LEGACY: the states by the streams' names
        {"type": "LEGACY", "data": {"feedback": POSITION}},
        [{"type": "LEGACY", "data": {"feedback": POSITION}}],
        {"data": {"feedback": POSITION}},
        {"type": "STATE", "state": {"data": {"feedback": POSITION}}},
        # what old and new platforms have beside it
        {**STATE, "data": {"feedback": POSITION}},
        {**STATE, "data": {}},
        {**STATE, "global": None, "data": None},
        {**STATE, "sourceStats": {"recordCount": "many"}, "destinationStats": None, "id": 1},
        [{"stream": {**STATE["stream"], "stream_descriptor": {"name": "feedback", "namespace": None}}}],
        [{"stream": {**STATE["stream"], "stream_descriptor": {"name": "feedback", "namespace": "public", "x": 1}}}],
    ],
    ids=json.dumps,
)
def test_a_state_is_found_in_any_format(tmp_path: Path, content: Any) -> None:
    (tmp_path / "state.json").write_text(json.dumps(content), encoding="utf-8")
    (state,) = read_state(str(tmp_path / "state.json"))
    assert state.type is not None
    assert state.type.value == "STREAM"
    assert state.stream is not None
    assert state.stream.stream_descriptor.name == "feedback"
    assert state.stream.stream_descriptor.namespace is None  # the CDK looks a stream's state up without one
    assert vars(state.stream.stream_state) == POSITION


SCHEMAS: list[Any] = [None, {}, [], {"properties": []}]
BARE: dict[str, Any] = {"stream": {"name": "feedback"}, "sync_mode": "incremental"}


@pytest.mark.parametrize(
    "configured",
    [
        BARE,
        *(
            {**BARE, "destination_sync_mode": mode}
            for mode in ("append", "overwrite_dedup", "soft_delete", None, 7, {"mode": 1})
        ),
        *({**BARE, "cursor_field": cursor} for cursor in (None, [], ["createdDate"], "createdDate", {"a": 1})),
        *({**BARE, "primary_key": key} for key in (None, [], [["id"]], ["id"], "id", [[["id"]]])),
        {**BARE, "include_files": "yes", "destination_object_name": 5, "mappers": [{}]},
        *(
            {**BARE, name: value}
            for name in ("generation_id", "minimum_generation_id", "sync_id")
            for value in (None, "x", 1.5)
        ),
        *({**BARE, "stream": {**BARE["stream"], "json_schema": schema}} for schema in SCHEMAS),
        {**BARE, "stream": {**BARE["stream"], "supported_sync_modes": ["cdc"]}},
        {**BARE, "stream": {**BARE["stream"], "supported_sync_modes": None, "source_defined_cursor": "yes"}},
        {**BARE, "stream": {**BARE["stream"], "namespace": 5, "default_cursor_field": "x", "source_defined_primary_key": "id"}},
        {**BARE, "stream": {**BARE["stream"], "is_resumable": None, "is_file_based": {}, "unknown": 1}},
    ],
    ids=json.dumps,
)
def test_unused_parts_of_a_catalog_may_be_anything(tmp_path: Path, configured: Any) -> None:
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [configured], "unknown": 1}), encoding="utf-8")
    (stream,) = read_catalog(str(tmp_path / "catalog.json")).streams
    assert (stream.stream.name, stream.sync_mode.value) == ("feedback", "incremental")


def test_used_parts_of_a_catalog_are_kept(tmp_path: Path) -> None:
    numbers = {"generation_id": 4, "minimum_generation_id": 3, "sync_id": 7}
    named = {"name": "feedback", "json_schema": {"properties": {"gone": {}}}}
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [{**BARE, **numbers, "stream": named}]}), encoding="utf-8")
    (stream,) = read_catalog(str(tmp_path / "catalog.json")).streams
    assert (stream.generation_id, stream.minimum_generation_id, stream.sync_id) == (4, 3, 7)
    assert "gone" in stream.stream.json_schema["properties"]  # the CDK warns of fields that there no longer are


@pytest.mark.parametrize("content", ["[]", "{}", "null"])
def test_an_empty_state_file_is_valid(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content, encoding="utf-8")
    assert read_state(str(tmp_path / "state.json")) == []
    assert read_state(None) == []


def test_a_byte_order_mark_does_no_harm(api: responses.RequestsMock, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    api.get(f"{API}customers", json={"data": {"subscribers": []}})
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(CONFIG).encode())
    launch(["check", "--config", str(tmp_path / "config.json")])
    assert "SUCCEEDED" in capfd.readouterr().out
