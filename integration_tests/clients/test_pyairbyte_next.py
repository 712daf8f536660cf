"""The newest PyAirbyte, pre-releases included, reads the sandbox with examples/to_duckdb.py twice, as the released one does."""

import json
from pathlib import Path

import pytest

from integration_tests.conftest import run_program
from integration_tests.foreign import with_connector
from integration_tests.test_pyairbyte import in_the_api, landed, rows_in, rows_read
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

pytestmark = pytest.mark.clients

PYTHON = ROOT / ".venv-clients/pyairbyte/bin/python"


def test_two_reads(tmp_path: Path) -> None:
    with SandboxProcess(customers=130, companies=6, feedback=600, outbox=50, survey_id="always", rate_limit=0) as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(sandbox.config), encoding="utf-8")
        environment = {**sandbox.environment, **with_connector()}
        words = [str(PYTHON), str(ROOT / "examples/to_duckdb.py"), "--config", "config.json", "--out", "retently.duckdb"]
        for is_second in (False, True):
            if is_second:
                sandbox.do({"kind": "feedback", "insert": 5})
            ended = run_program(*words, environment=environment, cwd=tmp_path)
            assert ended.returncode == 0, ended.stderr[-3000:]
            assert rows_in(ended.stdout) == sandbox.stats()["rows"]
            assert landed(tmp_path) == in_the_api(sandbox)
            assert (rows_read(ended.stdout) < 400) is is_second
