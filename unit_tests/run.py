"""One run of the connector: what it printed, and how to run it within the tests' process. All tests use it."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.test.entrypoint_wrapper import read
from airbyte_cdk.test.models import ExpectedOutcome

from source_retently import SourceRetently
from source_retently.streams.endpoints import STREAMS

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "integration_tests/configured_catalog.json"
KEYS = {stream().name: str(stream.primary_key) for stream in STREAMS}
"""The field of each stream's primary key."""


@dataclass(frozen=True)
class Run:
    """What one run of the connector's command line printed."""

    code: int | None
    output: str
    stderr: str = ""

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.split("\n") if line]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message[kind.lower()] for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [record["data"] for record in self.of("RECORD") if record["stream"] == stream]

    def keys(self, stream: str) -> list[str]:
        """The primary keys of the records; no record comes twice in a run."""
        keys = [str(record[KEYS[stream]]) for record in self.records(stream)]
        assert len(keys) == len(set(keys)), f"records of {stream} came twice"
        return keys

    @cached_property
    def states(self) -> list[dict[str, Any]]:
        """The state file of the next run: the last state of each stream."""
        return list({state["stream"]["stream_descriptor"]["name"]: state for state in self.of("STATE")}.values())

    def state(self, stream: str) -> dict[str, Any]:
        """The stream's last state."""
        (state,) = (state["stream"] for state in self.states if state["stream"]["stream_descriptor"]["name"] == stream)
        return dict(state["stream_state"])

    @cached_property
    def statuses(self) -> dict[str, str]:
        """The last status of each stream."""
        traces = [trace["stream_status"] for trace in self.of("TRACE") if "stream_status" in trace]
        return {status["stream_descriptor"]["name"]: status["status"] for status in traces}

    def logs(self, *levels: str) -> list[str]:
        """What was logged, at these levels or at any."""
        return [log["message"] for log in self.of("LOG") if not levels or log["level"] in levels]

    @property
    def warnings(self) -> list[str]:
        return self.logs("WARN")

    @cached_property
    def errors(self) -> list[dict[str, Any]]:
        return [trace["error"] for trace in self.of("TRACE") if trace["type"] == "ERROR"]

    @property
    def check_status(self) -> str:
        """SUCCEEDED or FAILED."""
        return str(self.messages[-1]["connectionStatus"]["status"])

    @property
    def error_message(self) -> str:
        """The last message to the user: of an error, or of a failed check."""
        for message in reversed(self.messages):
            if message["type"] == "CONNECTION_STATUS":
                return str(message["connectionStatus"].get("message", ""))
            if message.get("trace", {}).get("type") == "ERROR":
                return str(message["trace"]["error"]["message"])
        return ""


def catalog_of(*names: str, **changes: Any) -> dict[str, Any]:
    """The catalog of the repository, with these streams of it (all without any name); `changes` to each of them."""
    catalog: dict[str, Any] = json.loads(CATALOG.read_text(encoding="utf-8"))
    streams = [stream for stream in catalog["streams"] if not names or stream["stream"]["name"] in names]
    return {"streams": [{**stream, **changes} for stream in streams]}


def state_of(stream: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """A stream's state, as it is in a state file."""
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": dict(state)}}


def read_in_process(config: Mapping[str, Any], catalog: Mapping[str, Any], states: list[dict[str, Any]] | None = None) -> Run:
    """A read within the tests' process, whose network and clock they can replace. Logs come after all other messages."""
    handlers = list(logging.getLogger().handlers)
    try:
        output = read(
            SourceRetently(),
            config,
            ConfiguredAirbyteCatalogSerializer.load(dict(catalog)),
            None if states is None else [AirbyteStateMessageSerializer.load(state) for state in states],
            expected_outcome=ExpectedOutcome.ALLOW_ANY,
        )
    finally:
        logging.getLogger().handlers[:] = handlers  # the CDK leaves its own behind, and each line goes through all of them
    lines = [json.dumps(AirbyteMessageSerializer.dump(message)) for message in output.get_message_iterator()]
    return Run(1 if output.errors else 0, "\n".join(lines))
