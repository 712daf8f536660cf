"""The command line of Airbyte's CDK tests the connector, as maintainers of Airbyte's connectors do."""

import re
import sys
from pathlib import Path

import pytest

from integration_tests.acceptance import ACCOUNT
from integration_tests.conftest import run_program
from integration_tests.foreign import copy_of_checkout
from sandbox.process import SandboxProcess

pytestmark = pytest.mark.clients


def test_connector_test(tmp_path: Path) -> None:
    folder = copy_of_checkout(tmp_path / "source-retently")
    command = str(Path(sys.executable).with_name("airbyte-cdk"))
    with SandboxProcess(**ACCOUNT) as sandbox:
        ended = run_program(command, "connector", "test", str(folder), environment=sandbox.environment, cwd=folder)
    assert ended.returncode == 0, ended.stdout[-3000:]
    (passed,) = re.findall(r"(\d+) passed", ended.stdout)
    assert int(passed) >= 14
