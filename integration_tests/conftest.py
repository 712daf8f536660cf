"""What the integration tests share: a sandbox in its own process, and the connector in another."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.process import SandboxProcess

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "integration_tests/configured_catalog.json"


class Run:
    """What one run of the connector's command line printed."""

    def __init__(self, ended: subprocess.CompletedProcess[str]) -> None:
        self.code = ended.returncode
        self.stderr = ended.stderr
        self.output = ended.stdout
        self.messages: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message[kind.lower()] for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [record["data"] for record in self.of("RECORD") if record["stream"] == stream]

    def last_states(self) -> list[dict[str, Any]]:
        """The state file of the next run: the last state of each stream."""
        return list({state["stream"]["stream_descriptor"]["name"]: state for state in self.of("STATE")}.values())

    def errors(self) -> list[dict[str, Any]]:
        return [trace["error"] for trace in self.of("TRACE") if trace["type"] == "ERROR"]


Connector = Callable[..., Run]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=2500, companies=240, feedback=4200, outbox=3300, rate_limit=0) as running:
        yield running


@pytest.fixture
def connector(tmp_path: Path) -> Connector:
    """Runs one command of `main.py` in a process; files are given as what they hold."""

    def run(
        command: str,
        sandbox: SandboxProcess,
        *,
        config: Any = None,
        catalog: Any = CATALOG,
        state: Any = None,
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        files = {"config": config or sandbox.config}
        if command == "read":
            files |= {"catalog": catalog, **({"state": state} if state is not None else {})}
        words = []
        for name, held in files.items():
            path = held if isinstance(held, Path) else tmp_path / f"{name}.json"
            if path is not held:
                path.write_text(json.dumps(held), encoding="utf-8")
            words += [f"--{name}", str(path)]
        return Run(
            subprocess.run(
                [sys.executable, "main.py", command, *words],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                cwd=ROOT,
                env={**os.environ, **sandbox.environment, **(environment or {})},
            )
        )

    return run
