"""The snippets of docs/deploy.md run as they are."""

import json
import re
import sys
from pathlib import Path

from integration_tests.conftest import run_program
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(encoding="utf-8"), re.DOTALL)
MATERIALIZE = """
result = dagster.materialize([retently])
(asset,) = result.asset_materializations_for_node("retently")
print(sorted((name, rows.value) for name, rows in asset.metadata.items()))
"""


def test_a_dagster_asset(tmp_path: Path) -> None:
    function, asset, airflow = SNIPPETS
    assert "airflow" in airflow
    with SandboxProcess(customers=12, companies=4, feedback=17, outbox=23) as sandbox:
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets/config.json").write_text(json.dumps(sandbox.config), encoding="utf-8")
        environment = {
            **sandbox.environment,
            "PYTHONPATH": str(ROOT),
            "DAGSTER_HOME": str(tmp_path),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }
        program = function + asset + MATERIALIZE
        ended = run_program(sys.executable, "-c", program, environment=environment, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr[-3000:]
        assert str(sorted(sandbox.stats()["rows"].items())) in ended.stdout
