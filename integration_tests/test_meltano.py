"""Meltano's way into a warehouse: every record through Singer's SDK and a target, and each leaf of it arrives as it was.

The SDK and the target want other versions of the same libraries than the connector, so each has an environment of its own, in
`.venv-meltano`, made once. Where they can't be installed these tests are skipped.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import Connector
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

ENVIRONMENTS = ROOT / ".venv-meltano"
SDKS = ("singer-sdk==0.39.1", "singer-sdk==0.54.9")
"""The one that tap-airbyte 0.7.0 pins, and a new one: each loses values by its own kinds of schemas."""
TARGET = "target-jsonl==0.1.4"

VALUES: list[Any] = ["Professional plan", "", 65, 0, 7.5, True, False, None, ["a", 1], [], {"a": {"b": False}}, {}]
"""What the value of a custom property may be."""


def python_with(package: str) -> str:
    """The Python of an environment that has this package."""
    folder = ENVIRONMENTS / package.replace("==", "-")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "done").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "setuptools<80", package]
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"{package} can't be installed here: {type(error).__name__}")
        (folder / "done").touch()
    return str(python)


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=40, companies=4, feedback=60, outbox=80, rate_limit=0) as own:
        properties = [{"name": f"p{number}", "type": "text", "value": value} for number, value in enumerate(VALUES)]
        recipients = ["cc@example.com", {"email": "dd@example.com", "isNotified": False}]
        own.do(
            {
                "kind": "customers",
                "change": 39,
                "values": {"properties": properties, "location": "Berlin", "unheardOf": [{"a": 1}]},
            },
            {"kind": "feedback", "change": 59, "values": {"customProps": properties, "notes": ["by phone", {"colour": "red"}]}},
            {
                "kind": "outbox",
                "change": 79,
                "values": {"attributes": {"customProps": properties, "more": 0}, "additionalRecipients": recipients},
            },
        )
        yield own


def landed(folder: Path) -> dict[str, list[str]]:
    return {file.stem: file.read_text(encoding="utf-8").splitlines() for file in folder.glob("*.jsonl")}


def canonical(rows: list[Any]) -> list[str]:
    """Rows as texts, in which `true` and 1 differ."""
    return [json.dumps(row, sort_keys=True) for row in rows]


@pytest.mark.parametrize("sdk", SDKS)
def test_every_leaf_of_every_record_arrives(own: SandboxProcess, forked: Connector, tmp_path: Path, sdk: str) -> None:
    tap, target = python_with(sdk), python_with(TARGET)
    (catalog,) = forked("discover", own).of("CATALOG")
    (tmp_path / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    names = [stream["name"] for stream in catalog["streams"]]
    state = None
    for attempt in ("first", "second"):
        run = forked("read", own, state=state)
        assert run.code == 0
        state = run.states
        work = tmp_path / attempt
        work.mkdir()
        (work / "messages").write_text(run.output, encoding="utf-8")
        (work / "tap.json").write_text(
            json.dumps({"catalog": str(tmp_path / "catalog.json"), "messages": str(work / "messages")})
        )
        (work / "target.json").write_text(json.dumps({"destination_path": str(work / "rows"), "do_timestamp_file": False}))
        program = "from integration_tests.singer_tap import ReplayTap; ReplayTap.cli()"  # the SDK wants it in a package
        words = [tap, "-c", program, "--config", str(work / "tap.json")]
        singer = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
        assert singer.returncode == 0, singer.stderr.decode()[-2000:]
        script = str(Path(target).with_name("target-jsonl"))
        subprocess.run([script, "--config", str(work / "target.json")], input=singer.stdout, capture_output=True, check=True)
        rows = landed(work / "rows")
        for name in names:
            sent = canonical(run.records(name))
            assert canonical([json.loads(line) for line in rows.get(name, [])]) == sent, name
            assert sent, name
