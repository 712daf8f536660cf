"""PyAirbyte reads the sandbox into DuckDB twice, as `make sync` does, and DuckDB ends with the API's rows."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from integration_tests.conftest import ROOT
from sandbox.process import SandboxProcess

KINDS = {
    "customers": ("id", "jobTitle"),
    "companies": ("id", "companyName"),
    "feedback": ("id", "score"),
    "outbox": ("surveyId", "status"),
}


def sync(sandbox: SandboxProcess, work: Path) -> str:
    """One call of the program behind `make sync`, in a process of its own: PyAirbyte's libraries warn a great deal."""
    (work / "config.json").write_text(json.dumps(sandbox.config), encoding="utf-8")
    words = ["--config", str(work / "config.json"), "--out", str(work / "retently.duckdb")]
    ended = subprocess.run(
        [sys.executable, "examples/to_duckdb.py", *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **sandbox.environment},
    )
    return ended.stdout


def landed(work: Path) -> dict[str, set[tuple[Any, ...]]]:
    with duckdb.connect(str(work / "retently.duckdb")) as connection:
        return {
            kind: set(connection.sql(f'select "{key}", "{value}" from "{kind}"').fetchall())
            for kind, (key, value) in KINDS.items()
        }


def in_the_api(sandbox: SandboxProcess) -> dict[str, set[tuple[Any, ...]]]:
    return {kind: {(row[key], row[value]) for row in sandbox.rows(kind)} for kind, (key, value) in KINDS.items()}


def test_two_reads_the_second_incremental(tmp_path: Path) -> None:
    with SandboxProcess(customers=1300, companies=60, feedback=2100, outbox=1500, survey_id="always") as sandbox:
        first = sync(sandbox, tmp_path)
        assert "4,978 rows arrived" in first
        assert landed(tmp_path) == in_the_api(sandbox)
        sandbox.do(
            {"kind": "feedback", "insert": 5},
            {"kind": "outbox", "insert": 7},
            {"kind": "customers", "insert": 2},
            {"kind": "customers", "change": 3, "values": {"jobTitle": "Chief Happiness Officer"}},
            # Late changes within the look-back window, without any mark that they happened.
            {"kind": "feedback", "change": 2100, "values": {"score": 0}},
            {"kind": "outbox", "change": 1500, "values": {"status": "BOUNCED"}},
        )
        second = sync(sandbox, tmp_path)
        assert landed(tmp_path) == in_the_api(sandbox)
        # Every full-refresh stream is read again, the others bring what is new and the days of the window.
        assert 78 < int(second.split(" rows arrived")[0].rsplit("\n", 1)[-1].replace(",", "")) < 200
