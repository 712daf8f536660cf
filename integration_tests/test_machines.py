"""Machines that are set up in another way: other locales, no temporary folder, warnings as errors, a system like Windows."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import Connector, command_line
from integration_tests.leaks import rows_in
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT, catalog_of, state_of

LOCALES: list[dict[str, str]] = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252:strict"},
    {"PYTHONIOENCODING": "utf-16"},
    {"PYTHONIOENCODING": "cp037"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "nonsense"},
]


@pytest.mark.parametrize("locale", LOCALES, ids=str)
def test_stdout_is_utf_8_in_any_locale(spawned: Connector, sandbox: SandboxProcess, locale: dict[str, str]) -> None:
    run = spawned("read", sandbox, catalog=catalog_of("feedback"), environment=locale)
    assert run.code == 0, run.stderr[-500:]
    assert run.stderr == ""
    assert len(run.records("feedback")) == 4200
    assert not run.output.isascii()
    assert "\r" not in run.output


@pytest.mark.parametrize("file", ["config", "catalog", "state", "missing"])
def test_text_that_cannot_be_encoded_gets_a_message(
    spawned: Connector, sandbox: SandboxProcess, tmp_path: Path, file: str
) -> None:
    odd = "\ud800\udfff\udce9"
    held: dict[str, Any] = {
        "config": {**sandbox.config, "start_date": odd, odd: odd},
        "catalog": {"streams": [{"stream": {"name": odd}, "sync_mode": "full_refresh"}]},
        "state": state_of("feedback", {"createdDate": odd}),
    }
    changed = {"config": tmp_path / os.fsdecode(b"a\xe9b.json")} if file == "missing" else {file: held[file]}
    run = spawned("read", sandbox, **{"catalog": catalog_of("feedback"), **changed})
    assert run.stderr == ""
    assert run.code == (0 if file == "state" else 1)  # a cursor that is no date: the stream is read anew
    assert len(run.records("feedback")) == (4200 if file == "state" else 0)
    assert "Something went wrong" not in run.error_message


@pytest.mark.parametrize("stdout", ["/dev/full", None], ids=["full", "closed"])
def test_an_unwritable_stdout_fails_without_rows_on_stderr(sandbox: SandboxProcess, tmp_path: Path, stdout: str | None) -> None:
    words = command_line(tmp_path, "read", config=sandbox.config, catalog=catalog_of("feedback"))
    command = shlex.join([sys.executable, "main.py", *words])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{command} >{stdout or '&-'}"],
        stderr=subprocess.PIPE,
        check=False,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, **sandbox.environment},
    )
    assert ended.returncode != 0
    assert not rows_in(ended.stderr.decode(), "")


WAYS_IN: list[tuple[str, ...]] = [
    ("main.py",),
    ("-m", "source_retently"),
    ("-m", "source_retently.run"),
    (str(ROOT / "source_retently/run.py"),),
    (str(Path(sys.executable).with_name("source-retently")),),
]


@pytest.mark.parametrize("program", WAYS_IN, ids=" ".join)
def test_every_entry_point_is_the_connector(tmp_path: Path, sandbox: SandboxProcess, program: tuple[str, ...]) -> None:
    spawned = Connector(tmp_path, "spawned", program)
    run = spawned("read", sandbox, catalog=catalog_of("campaigns"))
    assert run.code == 0
    assert run.stderr == ""
    assert run.records("campaigns")
    assert spawned("nonsense", sandbox).error_message.startswith("The command line can't be used")


@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_a_missing_temporary_folder_gets_a_message(tmp_path: Path, sandbox: SandboxProcess, command: str) -> None:
    # Root may write anywhere; but no process can write a file beyond this limit, and Python tries whether it can.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    program = ("-c", f"{limit}; from source_retently.run import run; run()")
    run = Connector(tmp_path, "spawned", program)(command, sandbox, catalog=catalog_of("campaigns"))
    assert run.code == 1
    assert run.stderr == ""
    assert run.errors[0]["failure_type"] == "config_error"
    assert run.error_message == "No temporary folder can be written: set TMPDIR to a folder that can."


@pytest.mark.parametrize("warnings", ["error", "always", "error::DeprecationWarning"])
def test_warnings_of_libraries_change_nothing(spawned: Connector, sandbox: SandboxProcess, warnings: str) -> None:
    for command in ("check", "discover", "read"):
        run = spawned(command, sandbox, catalog=catalog_of("campaigns"), environment={"PYTHONWARNINGS": warnings})
        assert run.code == 0, run.stderr[-500:]
        assert run.stderr == ""
        assert run.messages  # and each line is one


WINDOWS = """
import ctypes, os, select, signal, socket, sys, time

for module, names in (
    (select, ("poll", "epoll")),
    (signal, ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm", "pause", "setitimer",
              "getitimer", "pthread_sigmask", "pthread_kill", "sigwait", "sigpending", "siginterrupt", "ITIMER_REAL")),
    (os, ("fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getpgid", "setsid", "killpg", "uname", "mkfifo",
          "chown", "sysconf", "getloadavg", "sched_getaffinity", "statvfs", "wait", "fchmod")),
    (socket, ("AF_UNIX",)),
    (time, ("tzset",)),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None  # an ImportError

class CDLL(ctypes.CDLL):
    def __init__(self, name, *args, **more):
        if name is None:
            raise TypeError("LoadLibrary() argument 1 must be str, not None")
        super().__init__(name, *args, **more)

ctypes.CDLL = CDLL
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding="cp1252", errors="strict", newline="\\r\\n")  # as for a pipe there
"""
"""What Python has not, or has otherwise, on Windows; run before anything else."""


@pytest.fixture
def windows(tmp_path: Path) -> dict[str, str]:
    """The environment of an interpreter that is like one on Windows."""
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows/sitecustomize.py").write_text(WINDOWS, encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path / "windows")}


@pytest.mark.parametrize("command", ["check", "discover"])
def test_commands_on_a_system_like_windows(
    spawned: Connector, sandbox: SandboxProcess, windows: dict[str, str], command: str
) -> None:
    run = spawned(command, sandbox, environment=windows)
    assert (run.code, run.stderr) == (0, "")
    assert run.messages[-1]["type"] == {"check": "CONNECTION_STATUS", "discover": "CATALOG"}[command]


def test_a_whole_read_on_a_system_like_windows(spawned: Connector, sandbox: SandboxProcess, windows: dict[str, str]) -> None:
    run = spawned("read", sandbox, environment=windows)
    assert (run.code, run.stderr) == (0, "")
    assert "\r" not in run.output
    assert not run.output.isascii()
    assert len(run.records("customers")) == 2500
    assert len(run.records("feedback")) == 4200
    assert len(run.records("outbox")) == 3300
    again = spawned("read", sandbox, environment=windows, state=run.states)
    assert again.code == 0
    assert len(again.records("feedback")) < 4200


def test_a_broken_file_on_a_system_like_windows(spawned: Connector, sandbox: SandboxProcess, windows: dict[str, str]) -> None:
    run = spawned("read", sandbox, environment=windows, catalog={"streams": []})
    assert (run.code, run.stderr) == (1, "")
    assert "names no stream" in run.error_message
