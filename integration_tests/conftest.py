"""What the integration tests share: a sandbox in its own process, and the connector in another.

The output of every run of the connector is searched for the secrets that it had, and its stderr for rows
(`integration_tests.leaks`).
"""

import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from integration_tests.leaks import leaked, rows_in
from integration_tests.synced import Ended, Sync
from sandbox.process import SandboxProcess
from source_retently.run_context import Timeouts
from unit_tests.run import CATALOG, ROOT, Run

processes = multiprocessing.get_context("forkserver")
# PyAirbyte itself is not imported before its environment is set, but what takes most of its import.
PYAIRBYTE_NEEDS = ["airbyte_api.models", "google.cloud.bigquery", "google.cloud.secretmanager", "pandas", "duckdb_engine"]
processes.set_forkserver_preload(["source_retently.entrypoint", "integration_tests.conftest", *PYAIRBYTE_NEEDS])


def small_pages(rows: int) -> dict[str, Any]:
    """Options for several pages out of few rows, without a look-back window and without waits for the rate budget.

    `_page_size` belongs to the CDK's internal configuration (`InternalConfig`), which is not in the spec: it sets the rows a
    page of every HttpStream.
    """
    return {"_page_size": rows, "lookback_window": 0, "requests_per_minute": 10_000}


def keys_in(sandbox: SandboxProcess, stream: str) -> list[str]:
    """The primary keys of the rows that the account has now, oldest first; its sent surveys must have a `surveyId`."""
    return [row["surveyId" if stream == "outbox" else "id"] for row in sandbox.rows(stream)]


def secrets_of(config: Any) -> list[str]:
    """The secrets that a configuration contains."""
    credentials = config.get("credentials", config) if isinstance(config, Mapping) else {}
    names = ("api_key", "ApiKey", "client_secret", "refresh_token")
    return [credentials[name] for name in names if isinstance(credentials, Mapping) and isinstance(credentials.get(name), str)]


def command_line(folder: Path, command: str, **files: Any) -> list[str]:
    """The words of a command line, after its files were written; each is given as its content, or as another file's path."""
    words = [command]
    for name, content in files.items():
        path = content if isinstance(content, Path) else folder / f"{name}.json"
        if path is not content:
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        words += [f"--{name}", str(path)]
    return words


def run_program(
    *words: str, environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Runs another program than the connector to its end."""
    variables = {**os.environ, **(environment or {})}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=600, cwd=cwd, env=variables)


class Connector:
    """Runs command lines of the connector, each in a process.

    A spawned process is a new one, as users run it. A forked one comes from a process which has imported everything: it starts
    a second earlier, and its timeouts and waits can be replaced.
    """

    def __init__(self, folder: Path, process: Literal["spawned", "forked"], program: tuple[str, ...] = ("main.py",)) -> None:
        """
        :param folder: for the files of the command line
        :param program: words for the interpreter of a spawned process, before those of the command line
        """
        self._folder = folder
        self._process = process
        self._program = program

    def __call__(
        self,
        command: str,
        sandbox: SandboxProcess,
        *,
        config: Any = None,
        catalog: Any = CATALOG,
        state: Any = None,
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
        secrets: Iterable[str] = (),
        timeouts: Timeouts | None = None,
        waits: bool = True,
    ) -> Run:
        """Runs one command against a sandbox; its files are given as what they contain."""
        config = config or sandbox.config
        reading = {"catalog": catalog, **({"state": state} if state is not None else {})}
        words = command_line(self._folder, command, config=config, **(reading if command == "read" else {}))
        return self.run(
            *words,
            *options,
            environment={**sandbox.environment, **(environment or {})},
            secrets=(*secrets_of(config), *secrets, *sandbox.issued_tokens()),
            timeouts=timeouts,
            waits=waits,
        )

    def run(
        self,
        *words: str,
        environment: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        timeouts: Timeouts | None = None,
        waits: bool = True,
    ) -> Run:
        """Runs any command line. `secrets` may not be in its output.

        :param timeouts: of a forked process, in place of the connector's own
        :param waits: whether time passes between the tries of a forked process
        """
        if self._process == "forked":
            run = self._forked(words, dict(environment or {}), timeouts, waits)
        else:
            assert timeouts is None
            assert waits
            run = self._spawned(words, dict(environment or {}))
        assert not leaked(run.output + run.stderr, secrets)
        assert not rows_in(run.stderr, run.output)
        return run

    def _spawned(self, words: tuple[str, ...], environment: dict[str, str]) -> Run:
        ended = subprocess.run(
            [sys.executable, *self._program, *words],
            capture_output=True,
            check=False,
            timeout=600,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        # In bytes until here: line ends stay as they were written, and the encoding is the protocol's, not the locale's.
        return Run(ended.returncode, ended.stdout.decode("utf-8"), ended.stderr.decode("utf-8", "backslashreplace"))

    def _forked(self, words: tuple[str, ...], environment: dict[str, str], timeouts: Timeouts | None, waits: bool) -> Run:
        return Run(*forked_from_preloaded(self._folder, 60, environment, _run_connector, words, timeouts, waits))


def forked_from_preloaded(
    folder: Path, timeout: float, environment: dict[str, str], target: Callable[..., None], *args: Any
) -> tuple[int, str, str]:
    """Runs a function in a process that has imported everything already. Returns exit code, stdout and stderr."""
    out, err = folder / "stdout", folder / "stderr"
    process = processes.Process(target=_redirected, args=(out, err, environment, target, *args))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{target.__name__} did not end: {err.read_text()[-2000:]}")
    return process.exitcode, out.read_text("utf-8"), err.read_text("utf-8", "backslashreplace")


def _redirected(out: Path, err: Path, environment: dict[str, str], target: Callable[..., None], *args: Any) -> None:
    os.environ.update(environment)
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    target(*args)


def _run_connector(words: tuple[str, ...], timeouts: Timeouts | None, waits: bool) -> None:
    from source_retently import source
    from source_retently.run import run

    os.chdir(ROOT)
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


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=2500, companies=240, feedback=4200, outbox=3300, rate_limit=0) as running:
        yield running


@pytest.fixture
def spawned(tmp_path: Path) -> Connector:
    return Connector(tmp_path, "spawned")


@pytest.fixture
def forked(tmp_path: Path) -> Connector:
    return Connector(tmp_path, "forked")


def _run_sync(words: tuple[str, ...], folder: Path) -> None:
    os.chdir(folder)
    tempfile.tempdir = str(folder)  # a forked process leaves its temporary folders behind
    program = str(ROOT / "examples/to_duckdb.py")
    sys.argv = [program, *words]
    runpy.run_path(program, run_name="__main__")


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """Runs the program behind `make sync` in an empty folder, against a sandbox or none."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)

    def run(sandbox: SandboxProcess | None, *options: str, config: Any = None) -> Ended:
        Path("secrets").mkdir(exist_ok=True)
        if sandbox:
            Path("secrets/config.json").write_text(json.dumps(config or sandbox.config), encoding="utf-8")
        environment = dict(sandbox.environment) if sandbox else {}
        ended = Ended(options, *forked_from_preloaded(tmp_path, 600, environment, _run_sync, options, tmp_path))
        used = [*secrets_of(config or sandbox.config), *sandbox.issued_tokens()] if sandbox else []
        assert not leaked(ended.stdout + ended.stderr, used)
        return ended

    return run
