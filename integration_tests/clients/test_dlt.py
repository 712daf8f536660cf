"""examples/to_dlt.py loads the sandbox into a DuckDB database twice; the second load has what is new."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.conftest import run_program
from integration_tests.foreign import with_connector
from integration_tests.test_pyairbyte import KINDS
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

pytestmark = pytest.mark.clients

PYTHON = ROOT / ".venv-clients/dlt/bin/python"


def load(sandbox: SandboxProcess, work: Path) -> None:
    (work / "config.json").write_text(json.dumps(sandbox.config), encoding="utf-8")
    environment = {
        **sandbox.environment,
        **with_connector(),
        "HOME": str(work),  # where dlt has its state
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DESTINATION__DUCKDB__CREDENTIALS": str(work / "warehouse.duckdb"),
    }
    words = ["--config", "config.json", "--out", "out/acme.duckdb", "--destination", "duckdb"]
    ended = run_program(str(PYTHON), str(ROOT / "examples/to_dlt.py"), *words, environment=environment, cwd=work)
    assert ended.returncode == 0, ended.stderr[-3000:]


def query(work: Path, text: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(work / "warehouse.duckdb"), read_only=True) as connection:
        rows: list[tuple[Any, ...]] = connection.sql(text).fetchall()
        return rows


def assert_loaded(sandbox: SandboxProcess, work: Path) -> None:
    rows = sandbox.stats()["rows"]
    assert {name: query(work, f"select count(*) from retently.{name}")[0][0] for name in rows} == rows
    for kind, (key, value) in KINDS.items():
        landed = query(work, f'select "{key.lower()}", "{value.lower()}" from retently.{kind}')
        assert set(landed) == {(row[key], row[value]) for row in sandbox.rows(kind)}, kind


def test_two_loads(tmp_path: Path) -> None:
    with SandboxProcess(customers=30, companies=5, feedback=600, outbox=40, survey_id="always", rate_limit=0) as sandbox:
        load(sandbox, tmp_path)
        assert_loaded(sandbox, tmp_path)
        sandbox.do(
            {"kind": "feedback", "insert": 3},
            {"kind": "customers", "change": 3, "values": {"jobTitle": "Chief Happiness Officer"}},
        )
        load(sandbox, tmp_path)
        assert_loaded(sandbox, tmp_path)
        newest = "select count(*) from retently.feedback where _dlt_load_id = (select max(load_id) from retently._dlt_loads)"
        assert 3 <= query(tmp_path, newest)[0][0] < 100
