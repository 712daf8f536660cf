"""A new paged stream is a class and a schema with `examples`: the sandbox serves it, the connector reads it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from unit_tests.run import ROOT

CLASS = """
class Surveys(IncrementalStream):
    cursor_field = "createdDate"
    record_paths = ("data.surveys",)
    sort = "createdDate"

    def path(self, **_: Any) -> str:
        return "surveys"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


"""
SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "description": "One row a survey.",
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "id": {"type": ["null", "string"], "description": "Its key."},
        "title": {"type": ["null", "string"], "description": "Its title."},
        "createdDate": {
            "type": ["null", "string"],
            "description": "When it was made.",
            "format": "date-time",
            "airbyte_type": "timestamp_with_timezone",
        },
    },
    "examples": [{"id": "1", "title": "How was it?", "createdDate": "2026-01-01T00:00:00.000Z"}],
}
SECTION = """### surveys

<!-- generated: fields of surveys -->

<!-- end of fields of surveys -->

"""
READ = """
import json, os, subprocess, sys
from docs.generate import CATALOG
from sandbox.process import SandboxProcess
with SandboxProcess(customers=1, companies=1, feedback=1, outbox=1, surveys=2500) as sandbox:
    open("config.json", "w").write(json.dumps(sandbox.config))
    words = ["main.py", "read", "--config", "config.json", "--catalog", str(CATALOG)]
    subprocess.run([sys.executable, *words], check=True, env={**os.environ, **sandbox.environment})
    print(json.dumps({"stats": sandbox.stats(), "rows": sandbox.rows("surveys")}))
"""


def test_a_class_and_a_schema_make_a_stream(tmp_path: Path) -> None:
    def python(*words: str) -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, *words]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, encoding="utf-8", cwd=tmp_path, env=environment
        ).stdout.splitlines()

    def insert(path: str, before: str, text: str) -> None:
        file = tmp_path / path
        head, found, rest = file.read_text(encoding="utf-8").partition(before)
        assert found
        file.write_text(head + text + found + rest, encoding="utf-8")

    for folder in ("source_retently", "sandbox", "docs", "integration_tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("main.py", "metadata.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    endpoints = "source_retently/streams/endpoints.py"
    insert(endpoints, "# fmt: off\n", CLASS)
    insert(endpoints, "    Campaigns, Companies,", "    Surveys,\n")
    (tmp_path / "source_retently/schemas/surveys.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    insert("docs/integrations/sources/retently.md", "### campaigns\n", SECTION)

    assert python("-m", "docs.generate") == [
        "wrote docs/integrations/sources/retently.md",
        "wrote sandbox/README.md",
        "wrote integration_tests/configured_catalog.json",
        "wrote integration_tests/abnormal_state.json",
        "wrote metadata.yaml",
        "wrote integration_tests/expected_records.jsonl",
    ]
    *messages, held = map(json.loads, python("-c", READ))
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    found = [record["data"] for record in records if record["stream"] == "surveys"]
    assert found == held["rows"]
    assert len({row["id"] for row in found}) == held["stats"]["rows"]["surveys"] == 2500
    assert held["stats"]["requests"]["surveys"] == 3
