"""The assets of docs/deploy.md are materialized by the real Dagster twice, and the second time reads what is new."""

import json
from pathlib import Path

import pytest

from integration_tests.clients.conftest import INSTALL_DAGSTER, MATERIALIZE, Machine, blocks_of
from unit_tests.run import ROOT

pytestmark = pytest.mark.clients

LOCK = ROOT / "integration_tests/clients/dagster.lock"
METADATA = """
import dagster, json
event = dagster.DagsterInstance.get().get_latest_materialization_event(dagster.AssetKey("retently_globex"))
print(json.dumps({name: rows.value for name, rows in event.asset_materialization.metadata.items()}))
"""


def test_two_materializations(machine: Machine, tmp_path: Path) -> None:
    (_, definitions), (settings,) = blocks_of("python"), blocks_of("yaml")
    (machine.home / "definitions.py").write_text(machine.here(definitions), encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(settings, encoding="utf-8")
    machine.environment |= {"DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "1"}
    machine.type(INSTALL_DAGSTER.replace("install dagster", f"install --no-deps --require-hashes --requirement {LOCK}"))
    machine.type(MATERIALIZE)
    machine.assert_synced()
    changed = machine.change()
    machine.type(MATERIALIZE)
    machine.assert_incremental(changed)
    assert json.loads(machine.run(machine.home / "venv/bin/python", "-c", METADATA)) == machine.rows("globex")
