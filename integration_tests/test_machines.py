"""Machines that are set up in another way: other locales, no temporary folder, warnings as errors, a system like Windows."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import ROOT, Connector, catalog_of
from integration_tests.leaks import rows_in
from sandbox.process import SandboxProcess

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
def test_stdout_is_utf_8_in_any_locale(connector: Connector, sandbox: SandboxProcess, locale: dict[str, str]) -> None:
    run = connector("read", sandbox, catalog=catalog_of("feedback"), environment=locale)
    assert run.code == 0, run.stderr[-500:]
    assert run.stderr == ""
    assert len(run.records("feedback")) == 4200
    assert not run.output.isascii()
    assert "\r" not in run.output


@pytest.mark.parametrize("file", ["config", "catalog", "state", "missing"])
def test_text_that_no_encoding_has_ends_as_a_message(
    connector: Connector, sandbox: SandboxProcess, tmp_path: Path, file: str
) -> None:
    odd = "\ud800\udfff\udce9"
    feedback = {"stream_descriptor": {"name": "feedback"}, "stream_state": {"createdDate": odd}}
    held: dict[str, Any] = {
        "config": {**sandbox.config, "start_date": odd, odd: odd},
        "catalog": {"streams": [{"stream": {"name": odd}, "sync_mode": "full_refresh"}]},
        "state": {"type": "STREAM", "stream": feedback},
    }
    changed = {"config": tmp_path / os.fsdecode(b"a\xe9b.json")} if file == "missing" else {file: held[file]}
    run = connector("read", sandbox, **{"catalog": catalog_of("feedback"), **changed})
    assert run.stderr == ""
    assert run.code == (0 if file == "state" else 1)  # a cursor that is no date: the stream is read anew
    assert len(run.records("feedback")) == (4200 if file == "state" else 0)
    assert "Something went wrong" not in run.sentence


@pytest.mark.parametrize("stdout", ["/dev/full", None], ids=["full", "closed"])
def test_a_stdout_that_takes_nothing_fails_without_a_row_on_stderr(
    sandbox: SandboxProcess, tmp_path: Path, stdout: str | None
) -> None:
    for name, held in (("config", sandbox.config), ("catalog", catalog_of("feedback"))):
        (tmp_path / f"{name}.json").write_text(json.dumps(held), encoding="utf-8")
    files = [word for name in ("config", "catalog") for word in (f"--{name}", str(tmp_path / f"{name}.json"))]
    command = shlex.join([sys.executable, "main.py", "read", *files])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{command} >{stdout or '&-'}"],
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
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
def test_every_way_in_is_the_connector(connector: Connector, sandbox: SandboxProcess, program: tuple[str, ...]) -> None:
    run = connector("read", sandbox, catalog=catalog_of("campaigns"), program=program)
    assert run.code == 0
    assert run.stderr == ""
    assert run.records("campaigns")
    assert connector("nonsense", sandbox, program=program).sentence.startswith("The command line can't be used")


@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_a_machine_without_a_temporary_folder_is_told_so(connector: Connector, sandbox: SandboxProcess, command: str) -> None:
    # Root may write anywhere; but no process can write a file beyond this limit, and Python tries whether it can.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    program = ("-c", f"{limit}; from source_retently.run import run; run()")
    run = connector(command, sandbox, catalog=catalog_of("campaigns"), program=program)
    assert run.code == 1
    assert run.stderr == ""
    assert run.errors()[0]["failure_type"] == "config_error"
    assert run.sentence == "No folder for temporary files can be written: set TMPDIR to one that can."


@pytest.mark.parametrize("warnings", ["error", "always", "error::DeprecationWarning"])
def test_warnings_of_libraries_change_nothing(connector: Connector, sandbox: SandboxProcess, warnings: str) -> None:
    for command in ("check", "discover", "read"):
        run = connector(command, sandbox, catalog=catalog_of("campaigns"), environment={"PYTHONWARNINGS": warnings})
        assert run.code == 0, run.stderr[-500:]
        assert run.stderr == ""
        assert run.messages  # and each line is one
