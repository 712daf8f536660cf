"""A sync that is killed again and again still delivers every row, and is not read from the start each time."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from integration_tests.conftest import command_line, keys_in, small_pages
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT, catalog_of

PAGE = 100
KILLS = int(os.environ.get("KILLS", "15"))
FINISHED = {"__ab_full_refresh_sync_complete": True}
"""The CDK's state when a full refresh is done; handed back it means "start again", so no piece follows it here."""


def start(sandbox: SandboxProcess, words: list[str], *before: str) -> "subprocess.Popen[str]":
    """Starts the connector, by the program of the words `before`."""
    return subprocess.Popen(
        [*before, sys.executable, "main.py", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **sandbox.environment},
    )


class Killed:
    """A sync in pieces: each piece starts with the last state that the one before had printed."""

    def __init__(self, sandbox: SandboxProcess, folder: Path, streams: list[str]) -> None:
        self.delivered: dict[str, list[str]] = {stream: [] for stream in streams}
        self.states: dict[str, Any] = {}
        self._sandbox = sandbox
        self._folder = folder
        self._files = {"config": {**sandbox.config, **small_pages(PAGE)}, "catalog": catalog_of(*streams)}

    def piece(self, most: int | None, *, until_state: bool = False) -> bool:
        """Reads so many lines and kills the process; whether it came to its end first.

        :param until_state: kills it before the first state from then on, between a page and its state
        """
        words = command_line(self._folder, "read", **self._files, state=list(self.states.values()))
        with start(self._sandbox, words) as process:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                message = json.loads(line)
                is_late = most is not None and number >= most
                if is_late and (not until_state or message["type"] == "STATE"):
                    process.kill()
                    states = [state["stream"]["stream_state"] for state in self.states.values()]
                    return bool(states) and all(state == FINISHED for state in states)
                if message["type"] == "RECORD":
                    self.delivered[message["record"]["stream"]].append(message["record"]["data"]["id"])
                if message["type"] == "STATE":
                    self.states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
            assert process.wait() == 0
        return True


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=1500, companies=2500, feedback=2000, outbox=1500, rate_limit=0, survey_id="always") as own:
        yield own


@pytest.mark.parametrize(("streams", "seed"), [(["feedback"], 1), (["outbox", "customers"], 2), (["companies"], 3)])
def test_the_union_of_all_pieces_is_every_row(own: SandboxProcess, tmp_path: Path, streams: list[str], seed: int) -> None:
    chance = random.Random(seed)
    sync = Killed(own, tmp_path, streams)
    kills = 0
    while not sync.piece(chance.randrange(20, 300) if kills < 12 else None, until_state=kills % 3 == 0):
        kills += 1
    assert kills >= 10
    for stream in streams:
        rows = set(keys_in(own, stream))
        assert set(sync.delivered[stream]) == rows
        again = len(sync.delivered[stream]) - len(rows)
        assert again <= (kills + 1) * PAGE


def slow_read(sandbox: SandboxProcess, folder: Path) -> "subprocess.Popen[str]":
    """A read whose first page is out, while the pages after it hang."""
    sandbox.do({"switch": {"latency_ms": 0}}, {"reset": True})
    sandbox.do({"kind": "feedback", "before_page": 1, "switch": {"latency_ms": 30_000}})
    config = {**sandbox.config, **small_pages(PAGE)}
    return start(sandbox, command_line(folder, "read", config=config, catalog=catalog_of("feedback")))


def test_sigterm_ends_it_at_once_after_the_finished_page(own: SandboxProcess, tmp_path: Path) -> None:
    process = slow_read(own, tmp_path)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line)["type"])
        if lines[-1] == "STATE":
            break
    assert Counter(lines)["RECORD"] == PAGE  # flushed before the wait for the next page, not kept until it comes
    started = time.monotonic()
    process.terminate()
    rest, errors = process.communicate(timeout=60)
    assert time.monotonic() - started < 2
    assert process.returncode == -signal.SIGTERM
    assert errors == ""
    assert all(json.loads(line) for line in rest.splitlines())


def test_a_reader_that_goes_away_ends_it_at_once(own: SandboxProcess, tmp_path: Path) -> None:
    process = slow_read(own, tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "STATE":
            break
    started = time.monotonic()
    process.stdout.close()
    assert process.wait(timeout=60) == 120
    assert time.monotonic() - started < 2
    assert process.stderr.read() == ""
    process.stderr.close()


def big_read(sandbox: SandboxProcess, folder: Path, *before: str) -> "subprocess.Popen[str]":
    """A read of several streams that writes some MB as fast as it can.

    :param before: words before the command line, of a program that starts it
    """
    sandbox.do({"switch": {"latency_ms": 0}}, {"reset": True})
    catalog = catalog_of("feedback", "outbox", "customers", "companies")
    config = {**sandbox.config, "requests_per_minute": 10_000}
    return start(sandbox, command_line(folder, "read", config=config, catalog=catalog), *before)


def test_sigterm_doubles_no_row_and_cuts_off_only_the_last_line(own: SandboxProcess, tmp_path: Path) -> None:
    chance = random.Random(4)
    ended = Counter[int]()
    for _ in range(KILLS):
        with big_read(own, tmp_path) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            Timer(chance.uniform(0, 0.6), process.terminate).start()
            output, errors = process.communicate(timeout=120)
        ended[process.returncode] += 1
        *whole, last = (first + output).split("\n")
        messages = [json.loads(line) for line in whole]
        rows = Counter(
            (message["record"]["stream"], message["record"]["data"]["id"])
            for message in messages
            if message["type"] == "RECORD"
        )
        assert [row for row, times in rows.items() if times > 1] == []
        assert last == "" or process.returncode
        assert errors == ""
    assert ended.keys() <= {-signal.SIGTERM, 0}
    assert ended[-signal.SIGTERM] >= KILLS // 2


def test_sigterm_while_nobody_reads_ends_it_at_once(own: SandboxProcess, tmp_path: Path) -> None:
    with big_read(own, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(3)  # the pipe is full
        started = time.monotonic()
        process.terminate()
        assert process.wait(timeout=60) == -signal.SIGTERM
        assert time.monotonic() - started < 1
        process.communicate()


def test_ctrl_c_ends_it_without_a_traceback(own: SandboxProcess, tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would the child
    with big_read(own, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
        assert "Traceback" not in stderr


@pytest.mark.parametrize("reads", [True, False], ids=["reader", "full pipe"])
def test_sigterm_ends_the_first_process_of_a_container(own: SandboxProcess, tmp_path: Path, reads: bool) -> None:
    container = ("unshare", "--pid", "--fork", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*container, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no PID namespace can be made here")
    with big_read(own, tmp_path, *container) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0 if reads else 3)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
        started = time.monotonic()
        os.kill(int(child), signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 128 + signal.SIGTERM
        assert time.monotonic() - started < 1
