"""The DAG of docs/deploy.md runs in the real Airflow twice, and the second run reads what is new."""

import re
from pathlib import Path

import pytest

from integration_tests.clients.conftest import SECTION, Machine, blocks_of
from unit_tests.run import ROOT

pytestmark = pytest.mark.clients

BIN = ROOT / ".venv-clients/airflow/bin"


def test_two_runs(machine: Machine, tmp_path: Path) -> None:
    (dag, _) = blocks_of("python")
    (command,) = re.findall(r"`airflow (dags test .*)`", SECTION)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/retently.py").write_text(machine.here(dag), encoding="utf-8")
    machine.environment |= {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    machine.run(BIN / "airflow", "db", "migrate")
    machine.run(BIN / "airflow", *command.split())
    machine.assert_synced()
    changed = machine.change()
    machine.run(BIN / "airflow", *command.split())
    machine.assert_incremental(changed)
