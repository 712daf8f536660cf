"""A Singer tap that passes the connector's messages on as tap-airbyte does; it runs where Singer's SDK is installed.

tap-airbyte itself is not on PyPI and starts a container engine. What it does to records is the SDK's work, which is all here:
selection by the catalog, conforming to the schema, writing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from singer_sdk import Stream, Tap


class ReplayedStream(Stream):
    """A stream of the connector, out of a file of its messages."""

    def get_records(self, context: Any) -> Iterator[dict[str, Any]]:
        with open(self.config["messages"], encoding="utf-8") as lines:
            for message in map(json.loads, lines):
                if message["type"] == "RECORD" and message["record"]["stream"] == self.name:
                    yield message["record"]["data"]


class ReplayTap(Tap):
    """All streams of the connector's catalog."""

    name = "tap-replay"
    config_jsonschema = {"type": "object", "properties": {"catalog": {"type": "string"}, "messages": {"type": "string"}}}

    def discover_streams(self) -> list[Stream]:
        streams = []
        for stream in json.loads(Path(self.config["catalog"]).read_text(encoding="utf-8"))["streams"]:
            replayed = ReplayedStream(self, stream["json_schema"], stream["name"])
            # Of a composite key tap-airbyte takes the first path of each part.
            replayed.primary_keys = [path[0] for path in stream.get("source_defined_primary_key", [])]
            streams.append(replayed)
        return streams
