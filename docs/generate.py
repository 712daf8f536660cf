"""`make generate`: writes everything that follows from the stream classes, their schemas and the code.

Of a Markdown file it writes the parts between `<!-- generated: name -->` and `<!-- end of name -->`. Stale files fail
`unit_tests/test_agreement.py`, stale records `integration_tests/test_standard.py`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from docs.erd.relations import diagram, relation_table
from docs.tables import USER_PAGE, command_table
from sandbox.process import SandboxProcess
from sandbox.server import OPTIONS
from sandbox.switches import OPTIONS as SWITCHES
from source_retently.files import NAMES
from source_retently.streams.base import RetentlyStream
from source_retently.streams.endpoints import STREAMS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/integrations/sources/retently.md"
CATALOG = ROOT / "integration_tests/configured_catalog.json"
EXPECTED = ROOT / "integration_tests/expected_records.jsonl"
METADATA = ROOT / "metadata.yaml"
PAGES: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    PAGE: USER_PAGE,
    ROOT / "docs/erd/README.md": {"diagram": diagram, "relations": relation_table},
    ROOT / "sandbox/README.md": {
        "options": partial(command_table, OPTIONS),
        "switches": partial(command_table, SWITCHES),
    },
}
ACCOUNT: dict[str, Any] = {"customers": 30, "companies": 8, "feedback": 400, "outbox": 900, "rate_limit": 0}
"""The sandbox that the expected records come from."""
NOT_SUGGESTED = {"template_details"}
"""Streams that a new connection should not select by itself: they cost a request for each row."""


def page(path: Path) -> str:
    """A Markdown file with its generated parts."""
    text = path.read_text(encoding="utf-8")
    for name, part in PAGES[path].items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        if not found or end not in rest:
            sys.exit(f"{path} has no place for {name}: put {start} and {end} into it.")
        text = f"{before}{start}\n\n{part()}\n\n{end}{rest.partition(end)[2]}"
    return text


def catalog() -> str:
    """All streams, each in the best mode that it supports."""
    return json.dumps({"streams": [_configured(stream()) for stream in STREAMS]}, indent=2) + "\n"


def _configured(stream: RetentlyStream) -> dict[str, Any]:
    key, cursor = [[stream.primary_key]], [stream.cursor_field]
    incremental = stream.supports_incremental
    modes = ["full_refresh", *(["incremental"] if incremental else [])]
    declared = {"name": stream.name, "json_schema": {}, "supported_sync_modes": modes, "source_defined_primary_key": key}
    return {
        "stream": declared | ({"source_defined_cursor": True, "default_cursor_field": cursor} if incremental else {}),
        "sync_mode": modes[-1],
        "destination_sync_mode": "append_dedup" if incremental else "overwrite",
        "primary_key": key,
        **({"cursor_field": cursor} if incremental else {}),
    }


def future_states() -> str:
    """A state whose cursor can't be right, for each incremental stream."""
    states = [
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": stream.name},
                "stream_state": {stream.cursor_field: "2099-01-01T00:00:00.000Z"},
            },
        }
        for stream in (make() for make in STREAMS)
        if stream.supports_incremental
    ]
    return "[\n" + ",\n".join(f"  {json.dumps(state)}" for state in states) + "\n]\n"


def metadata() -> str:
    """The registry's description of the connector, with its `suggestedStreams`."""
    names = "".join(f"      - {name}\n" for name in NAMES if name not in NOT_SUGGESTED)
    text = METADATA.read_text(encoding="utf-8")
    return re.sub(r"(?<=  suggestedStreams:\n    streams:\n)(?:      - \w+\n)*", names, text)


def expected_records() -> str:
    """The first record of each stream, as the connector reads it from a sandbox."""
    config = ROOT / "integration_tests/acceptance_configs/token.json"
    command = [sys.executable, "main.py", "read", "--config", str(config), "--catalog", str(CATALOG)]
    with SandboxProcess(**ACCOUNT) as sandbox:
        environment = {**os.environ, **sandbox.environment}
        ended = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
    first: dict[str, dict[str, Any]] = {}
    for message in map(json.loads, ended.stdout.decode("utf-8").splitlines()):
        if message["type"] == "RECORD":
            record = message["record"]
            first.setdefault(record["stream"], {"stream": record["stream"], "data": record["data"]})
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in first.values())


FILES: Mapping[Path, Callable[[], str]] = {
    **{path: partial(page, path) for path in PAGES},
    CATALOG: catalog,
    ROOT / "integration_tests/abnormal_state.json": future_states,
    METADATA: metadata,
    EXPECTED: expected_records,
}
"""What each file should contain; the expected records come last, since they are read with the catalog."""


def check_schemas() -> None:
    """
    :raises SystemExit: where a schema has no description, which the table of streams shows
    """
    for stream in STREAMS:
        if not str(stream().get_json_schema().get("description")).startswith("One row"):
            sys.exit(f'source_retently/schemas/{stream().name}.json needs a description that begins with "One row".')


def main() -> None:
    check_schemas()
    written = []
    for path, contents in FILES.items():
        text = contents()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path.relative_to(ROOT).as_posix())
    print("\n".join(f"wrote {name}" for name in written) or "Nothing has changed.")


if __name__ == "__main__":
    main()
