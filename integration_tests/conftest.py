"""What the integration tests share: a sandbox in its own process, and the connector in another.

The output of every run of the connector is searched for the secrets that it had, and its stderr for rows
(`integration_tests.leaks`).
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from integration_tests.leaks import leaked, rows_in
from sandbox.process import SandboxProcess
from source_retently.run_context import Timeouts

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "integration_tests/configured_catalog.json"

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["source_retently.entrypoint", "pytest"])


class Run:
    """What one run of the connector's command line printed."""

    def __init__(self, code: int | None, output: str, stderr: str) -> None:
        self.code = code
        self.stderr = stderr
        self.output = output

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.split("\n") if line]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message[kind.lower()] for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [record["data"] for record in self.of("RECORD") if record["stream"] == stream]

    def last_states(self) -> list[dict[str, Any]]:
        """The state file of the next run: the last state of each stream."""
        return list({state["stream"]["stream_descriptor"]["name"]: state for state in self.of("STATE")}.values())

    def errors(self) -> list[dict[str, Any]]:
        return [trace["error"] for trace in self.of("TRACE") if trace["type"] == "ERROR"]

    @property
    def sentence(self) -> str:
        """What the user is told last: the message of the failure, or of a failed check."""
        for message in reversed(self.messages):
            if message["type"] == "CONNECTION_STATUS":
                return str(message["connectionStatus"].get("message", ""))
            if message.get("trace", {}).get("type") == "ERROR":
                return str(message["trace"]["error"]["message"])
        return ""


def catalog_of(*names: str) -> dict[str, Any]:
    """The catalog of the repository, with these streams of it."""
    catalog: dict[str, Any] = json.loads(CATALOG.read_text(encoding="utf-8"))
    return {"streams": [stream for stream in catalog["streams"] if stream["stream"]["name"] in names]}


def secrets_of(config: Any) -> list[str]:
    """The secrets that a configuration holds."""
    credentials = config.get("credentials", config) if isinstance(config, Mapping) else {}
    names = ("api_key", "ApiKey", "client_secret", "refresh_token")
    return [credentials[name] for name in names if isinstance(credentials, Mapping) and isinstance(credentials.get(name), str)]


def _words(command: str, tmp_path: Path, files: Mapping[str, Any]) -> list[str]:
    """The command line, after its files were written."""
    words = [command]
    for name, held in files.items():
        path = held if isinstance(held, Path) else tmp_path / f"{name}.json"
        if path is not held:
            path.write_text(json.dumps(held), encoding="utf-8")
        words += [f"--{name}", str(path)]
    return words


def _files(command: str, config: Any, catalog: Any, state: Any) -> dict[str, Any]:
    reading = {"catalog": catalog, **({"state": state} if state is not None else {})}
    return {"config": config, **(reading if command == "read" else {})}


Connector = Callable[..., Run]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=2500, companies=240, feedback=4200, outbox=3300, rate_limit=0) as running:
        yield running


def _against_sandboxes(start: Callable[..., Run], tmp_path: Path) -> Connector:
    """`start`, with the address of a sandbox, and with files given as what they hold."""

    def run(
        command: str,
        sandbox: SandboxProcess,
        *,
        config: Any = None,
        catalog: Any = CATALOG,
        state: Any = None,
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
        secrets: tuple[str, ...] = (),
        **how: Any,
    ) -> Run:
        config = config or sandbox.config
        words = [*_words(command, tmp_path, _files(command, config, catalog, state)), *options]
        ended = start(*words, environment={**sandbox.environment, **(environment or {})}, **how)
        assert not leaked(ended.output + ended.stderr, [*secrets_of(config), *secrets, *sandbox.issued_tokens()])
        return ended

    return run


@pytest.fixture
def connector(tmp_path: Path) -> Connector:
    """Runs one command of `main.py` in a new process, against a sandbox."""
    return _against_sandboxes(_spawned, tmp_path)


def _spawned(*words: str, environment: Mapping[str, str], program: tuple[str, ...] = ("main.py",), cwd: Path = ROOT) -> Run:
    """
    :param program: words for the interpreter, before those of the command line
    """
    ended = subprocess.run(
        [sys.executable, *program, *words],
        capture_output=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    # In bytes until here: line ends are as they were written, and the encoding is what the protocol wants, not the locale's.
    run = Run(ended.returncode, ended.stdout.decode("utf-8"), ended.stderr.decode("utf-8", "backslashreplace"))
    assert not rows_in(run.stderr, run.output)
    return run


Forked = Callable[..., Run]


@pytest.fixture
def forked(tmp_path: Path) -> Forked:
    """Runs a command line in a process that is forked from one which has imported everything: a second faster than a new one.

    `secrets` may not occur in its output; `timeouts` are in place of its own, and without `waits` no time passes between tries.
    """

    def run(
        *words: str,
        environment: Mapping[str, str] | None = None,
        secrets: list[str] | None = None,
        timeouts: Timeouts | None = None,
        waits: bool = True,
    ) -> Run:
        out, err = tmp_path / "stdout", tmp_path / "stderr"
        process = processes.Process(target=_run_forked, args=(words, dict(environment or {}), out, err, timeouts, waits))
        process.start()
        process.join(60)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"{' '.join(words)} did not end: {err.read_text()[-2000:]}")
        ended = Run(
            process.exitcode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8", errors="backslashreplace")
        )
        assert not leaked(ended.output + ended.stderr, secrets or [])
        assert not rows_in(ended.stderr, ended.output)
        return ended

    return run


def _run_forked(
    words: tuple[str, ...], environment: dict[str, str], out: Path, err: Path, timeouts: Timeouts | None, waits: bool
) -> None:
    from source_retently import source
    from source_retently.run import run

    os.chdir(ROOT)
    os.environ.update(environment)
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    if timeouts:
        for name in ("SYNC_TIMEOUTS", "CHECK_TIMEOUTS"):
            setattr(source, name, timeouts)
    if not waits:
        time.sleep = lambda _: None
    try:
        run(words)
    except Exception:
        sys.excepthook(*sys.exc_info())  # as a process of its own ends; multiprocessing would print it in its own way
        sys.exit(1)


@pytest.fixture
def call(forked: Forked, tmp_path: Path) -> Connector:
    """Runs one command in a forked process, against a sandbox; takes what `forked` takes, too."""
    return _against_sandboxes(forked, tmp_path)
