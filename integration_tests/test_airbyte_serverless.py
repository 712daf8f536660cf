"""A second client, made by others: airbyte-serverless runs the console script, merges stderr into stdout, hands states back.

Meltano is left out: its tap-airbyte runs a container engine, or installs the connector from PyPI, where this version is not.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.conftest import run_program
from sandbox.data import CAMPAIGNS
from sandbox.process import SandboxProcess

BIN = Path(sys.executable).parent
RUN = "import sys, yaml, json; from airbyte_serverless.connections import Connection; "
RUN += "Connection(open(sys.argv[1]).read()).run(state=json.load(open(sys.argv[2])))"


def client(work: Path, sandbox: SandboxProcess, *words: str) -> str:
    ended = run_program(*words, environment=sandbox.environment, cwd=work)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert "NOT JSON" not in ended.stdout
    return ended.stdout


def landed(output: str, table: str) -> list[dict[str, Any]]:
    """The rows that its destination `print` writes under the name of a table."""
    rows, current = [], ""
    for line in output.splitlines():
        if line.startswith("_AIRBYTE"):
            current = line
        elif line.startswith('{"_airbyte_raw_id"') and current == table.upper():
            rows.append(json.loads(json.loads(line)["_airbyte_data"]))
    return rows


@pytest.fixture
def connection(tmp_path: Path) -> Path:
    """The client's own description of a connection, made from the connector's spec, and filled in."""
    with SandboxProcess(customers=0, companies=0, feedback=0, outbox=0) as any_account:
        words = ["create", "retently", "--source", str(BIN / "source-retently"), "--destination", "print"]
        client(tmp_path, any_account, str(BIN / "abs"), *words)
    path = tmp_path / "connections/retently.yaml"
    text = path.read_text(encoding="utf-8")
    for word in ("credentials:", "api_key:", "start_date:", "lookback_window: 7", "num_workers: 4"):
        assert word in text
    held = yaml.safe_load(text)
    held["source"]["config"] = {"credentials": {"auth_type": "Token", "api_key": "sandbox-key"}}
    path.write_text(yaml.safe_dump(held), encoding="utf-8")
    return path


def test_two_runs_the_second_incremental(tmp_path: Path, connection: Path) -> None:
    with SandboxProcess(customers=1100, companies=25, feedback=2100, outbox=1200, survey_id="always") as sandbox:
        first = client(tmp_path, sandbox, str(BIN / "abs"), "run", "retently")
        for stream, rows in sandbox.stats()["rows"].items():
            assert len(landed(first, f"_airbyte_raw_{stream}")) == rows
        states = {state["stream"]["stream_descriptor"]["name"]: state for state in landed(first, "_airbyte_states")}
        (tmp_path / "state.json").write_text(json.dumps(list(states.values())), encoding="utf-8")
        sandbox.do({"kind": "feedback", "insert": 3})
        second = client(tmp_path, sandbox, sys.executable, "-c", RUN, str(connection), str(tmp_path / "state.json"))
        before = {row["id"] for row in landed(first, "_airbyte_raw_feedback")}
        assert len({row["id"] for row in landed(second, "_airbyte_raw_feedback")} - before) == 3
        assert len(landed(second, "_airbyte_raw_feedback")) < 200
        assert len(landed(second, "_airbyte_raw_campaigns")) == len(CAMPAIGNS)
