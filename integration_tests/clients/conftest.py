"""The scheduler's machine, set up as docs/deploy.md says: its commands are typed as they are."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pytest

from integration_tests.foreign import copy_of_checkout
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

SECTION = (ROOT / "docs/deploy.md").read_text(encoding="utf-8").split("## PyAirbyte in a scheduler")[1]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", SECTION, re.DOTALL)


def blocks_of(kind: str) -> list[str]:
    return [text for language, text in BLOCKS if language == kind]


ENVIRONMENT, FIRST_SYNC, INSTALL_DAGSTER, MATERIALIZE = blocks_of("bash")
ACCOUNTS = ("acme", "globex")
UV = Path(sys.executable).with_name("uv")


class Machine:
    """The scheduler's machine: the page's folder is `home`, and Retently is a sandbox."""

    def __init__(self, home: Path, sandbox: SandboxProcess) -> None:
        self.home = home
        self.sandbox = sandbox
        # As on a machine that has never seen this checkout, nor the environment that runs the tests. Python may write its
        # bytecode: pip does it when it installs, uv does not, and without it each process would compile every import again.
        foreign = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        self.environment = {name: value for name, value in os.environ.items() if name not in foreign}
        self.environment |= {**sandbox.environment, "DO_NOT_TRACK": "1"}

    def here(self, text: str) -> str:
        return text.replace("/opt/retently", str(self.home))

    def run(self, *words: str | Path, cwd: Path | None = None) -> str:
        ended = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=600, cwd=cwd or self.home, env=self.environment
        )
        assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
        return ended.stdout

    def type(self, block: str, cwd: Path | None = None) -> str:
        """Runs a block of commands. uv installs in place of pip: it takes the same options, and seconds instead of minutes."""
        text = self.here(block).replace("python3.11 ", f"{sys.executable} ").replace("your key", "sandbox-key")
        text = re.sub(r"\S+/venv/bin/pip install", f"{UV} pip install --quiet --python {self.home}/venv", text)
        return self.run("bash", "-euc", text, cwd=cwd)

    def rows(self, account: str) -> dict[str, int]:
        return {name: self._count(account, name) for name in self.sandbox.stats()["rows"]}

    def read_since(self, account: str, stream: str, moment: datetime) -> int:
        return self._count(account, stream, f"where _airbyte_extracted_at >= '{moment.isoformat()}'")

    def _count(self, account: str, stream: str, where: str = "") -> int:
        with duckdb.connect(str(self.home / f"out/{account}.duckdb"), read_only=True) as connection:
            return int(connection.sql(f'select count(*) from "{stream}" {where}').fetchall()[0][0])

    def assert_synced(self) -> None:
        for account in ACCOUNTS:
            assert self.rows(account) == self.sandbox.stats()["rows"]

    def change(self) -> datetime:
        """Adds rows; a sync that is incremental reads these and few others of the stream."""
        self.sandbox.do({"kind": "feedback", "insert": 3})
        return datetime.now(timezone.utc)

    def assert_incremental(self, changed: datetime) -> None:
        self.assert_synced()
        for account in ACCOUNTS:
            assert 3 <= self.read_since(account, "feedback", changed) < 100


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine after the page's first steps. The second account gets its configuration in the same way."""
    folder = tmp_path_factory.mktemp("scheduler")
    checkout, home = copy_of_checkout(folder / "checkout"), folder / "retently"
    with SandboxProcess(customers=30, companies=5, feedback=600, outbox=40, survey_id="always", rate_limit=0) as sandbox:
        home.mkdir()
        machine = Machine(home, sandbox)
        machine.type(ENVIRONMENT, checkout)
        shutil.rmtree(checkout)  # from here on, nothing may need it
        assert f"The rows are in {home}/out/acme.duckdb." in machine.type(FIRST_SYNC)
        shutil.copy(home / "secrets/acme.json", home / "secrets/globex.json")
        yield machine


@pytest.fixture
def machine(installed: Machine) -> Machine:
    shutil.rmtree(installed.home / "out")
    return installed
