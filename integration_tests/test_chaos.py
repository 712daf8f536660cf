"""Random faults by seed, over real sockets: a sync ends complete, or fails with the right type and resumes to completeness.

`make chaos` runs it alone and prints the figures. Waits are skipped, so that a run takes no five minutes; everything else is
what users run.
"""

import json
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read

from integration_tests.conftest import CATALOG
from sandbox.faults import PASSING
from sandbox.process import PATHS, SandboxProcess
from sandbox.switches import Switches
from source_retently import SourceRetently, source
from source_retently.environment import BASE_URL_VARIABLE
from source_retently.run_context import Timeouts
from source_retently.streams.endpoints import STREAMS

RUNS = int(os.environ.get("CHAOS_RUNS", "40"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROWS: dict[str, Any] = {"customers": 45, "companies": 23, "feedback": 67, "outbox": 52}
KEYS = {stream().name: str(stream.primary_key) for stream in STREAMS}
# Two cost real time, and of a score "no data" is an answer; test_faults.py tries them one by one.
QUICK = [*(kind for kind in PASSING if kind not in ("hang", "drip", "null")), "empty", "served"]


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(**ROWS, rate_limit=0, survey_id="always") as own:
        yield own


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch, own: SandboxProcess) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, own.url)
    monkeypatch.setattr(source, "SYNC_TIMEOUTS", Timeouts(connect=2, read=0.5, response=0.7, retry=0.1, rate_limit=0.1))
    monkeypatch.setattr(time, "sleep", lambda _: None)


def sync(own: SandboxProcess, state: list[AirbyteStateMessage] | None = None) -> EntrypointOutput:
    config = {**own.config, "_page_size": 10, "requests_per_minute": 10_000, "lookback_window": 0}
    catalog = ConfiguredAirbyteCatalogSerializer.load(json.loads(CATALOG.read_text(encoding="utf-8")))
    handlers = list(logging.getLogger().handlers)
    try:
        return read(SourceRetently(), config, catalog, state, expecting_exception=None)
    finally:
        logging.getLogger().handlers[:] = handlers  # the wrapper leaves its own behind, and each line goes through all of them


def keys(output: EntrypointOutput) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for message in output.records:
        record: Any = message.record
        found.setdefault(record.stream, []).append(str(record.data[KEYS[record.stream]]))
    return found


def last_states(output: EntrypointOutput) -> list[AirbyteStateMessage]:
    states: dict[str, AirbyteStateMessage] = {}
    for message in output.state_messages:
        state: Any = message.state
        states[state.stream.stream_descriptor.name] = state
    return list(states.values())


def messages(output: EntrypointOutput, level: str) -> list[str]:
    logs: list[Any] = [message.log for message in output.logs]
    return [log.message for log in logs if log.level.value == level]


def rows_of(own: SandboxProcess) -> dict[str, set[str]]:
    """Keys of the rows that the account has now, for the streams whose rows come and go."""
    return {kind: {row["surveyId" if kind == "outbox" else "id"] for row in own.rows(kind)} for kind in ROWS}


def churn(chance: random.Random, most: int) -> list[dict[str, Any]]:
    """Rows come and go while pages are read: anywhere, at most so many each time."""
    orders = []
    for kind in ROWS:
        for page in chance.sample(range(2, 6), chance.randrange(3)):
            gone = sorted(chance.sample(range(15), chance.randrange(most + 1)))
            orders.append({"kind": kind, "before_page": page, "delete": gone, "insert": len(gone)})
    return orders


def disorder(chance: random.Random) -> dict[str, Any]:
    """Positions of the switches that play what an API may do wrong with its lists."""
    is_honest = chance.random() < 0.5
    return {
        "total": "exact" if is_honest else chance.choice(["more", "fewer", "zero", "capped", "swinging"]),
        "total_off": chance.choice([3, 15, 40]),
        "past_end": chance.choice(["empty", "refuse", "last", "first"]),
        "echoed_page": chance.choice(["right", "one", "from_zero"]),
        "paging_in": chance.choice(["data", "top", "none"]),
        "sort": "honoured" if chance.random() < 0.8 else "ignored",
        "ties": "changing" if is_honest and chance.random() < 0.2 else "stable",
    }


HEALTHY = {field.name: field.default for field in fields(Switches)} | {"rate_limit": 0, "survey_id": "always"}


def test_chaos(own: SandboxProcess) -> None:
    figures: Counter[str] = Counter()
    for run in range(RUNS):
        chance = random.Random(SEED * 1_000_003 + run)
        own.do({"switch": HEALTHY}, {"faults": {"rate": 0}}, {"forget_plans": True})
        before = rows_of(own)
        switches = disorder(chance)
        own.do({"switch": HEALTHY | switches})
        # A page without rows is an empty list, where no total or a wrong one says otherwise.
        counts = switches["total"] == "exact" and switches["paging_in"] != "none"
        kinds = [kind for kind in QUICK if counts or kind != "empty"]
        # Ties in changing order together with rows that go can hide a row: docs/architecture.md, "Paging", says so.
        coming_and_going = churn(chance, 6) if switches["ties"] == "stable" else []
        own.do({"faults": {"rate": chance.choice([0, 0.1, 0.3, 0.5]), "seed": run, "kinds": kinds}}, *coming_and_going)
        if chance.random() < 0.4:  # and one fault that does not pass
            kind = chance.choice([*kinds, "400", "401", "409", "422", "redirect"])
            path, page = chance.choice(list(PATHS.values())), chance.choice([1, 2, 3, 4])
            own.do({"fault": kind, "path": path, "page": page, "times": 10**9})
        output = sync(own)
        figures["faults"] += own.stats()["faults"]
        figures["runs"] += 1
        delivered = keys(output)
        for name, found in delivered.items():
            assert len(found) == len(set(found)), (run, name)
        stayed = {kind: rows & before[kind] for kind, rows in rows_of(own).items()}
        own.do({"switch": HEALTHY | {"sort": switches["sort"]}}, {"faults": {"rate": 0}}, {"forget_plans": True})
        failed = {error.trace.error.stream_descriptor.name for error in output.errors if error.trace.error.stream_descriptor}  # type: ignore[union-attr]
        warned = {line.split(":")[0] for line in messages(output, "WARN")}
        for kind, rows in stayed.items():
            if kind not in failed | warned:
                assert rows <= set(delivered.get(kind, [])), (run, kind)
            figures["warned"] += kind in warned
        if output.errors:
            figures["failed"] += 1
            for error in output.errors:
                assert error.trace.error.failure_type in FailureType, run  # type: ignore[union-attr]
                assert "Something went wrong" not in error.trace.error.message, run  # type: ignore[union-attr]
        # Whatever was said: what stayed comes, now or with the next sync.
        resumed = keys(sync(own, last_states(output)))
        for kind, rows in stayed.items():
            assert rows <= set(delivered.get(kind, [])) | set(resumed.get(kind, [])), (run, kind)
        figures["rows"] += sum(map(len, delivered.values()))
    sys.stderr.write(
        f"\nchaos, seed {SEED}: {figures['runs']} runs, {figures['failed']} failed and were resumed, {figures['warned']} "
        f"streams warned, {figures['faults']:,} faults, {figures['rows']:,} rows, 0 lost, 0 twice within a sync, "
        "0 silently short\n"
    )
    assert figures["faults"] > 0


def test_healthy_accounts(own: SandboxProcess) -> None:
    for run in range(max(5, RUNS // 5)):
        chance = random.Random(SEED * 1_000_003 + run)
        own.do({"switch": HEALTHY}, {"faults": {"rate": 0}}, {"forget_plans": True})
        before = rows_of(own)
        own.do(*churn(chance, 1))
        output = sync(own)
        assert not output.errors, run
        assert not messages(output, "WARN"), run
        assert not [line for line in messages(output, "INFO") if "reading the list again" in line], run
        delivered = keys(output)
        for kind, rows in rows_of(own).items():
            assert len(delivered[kind]) == len(set(delivered[kind])), (run, kind)
            assert rows & before[kind] <= set(delivered[kind]), (run, kind)
    sys.stderr.write(f"\nhealthy accounts, seed {SEED}: {run + 1} runs, 0 failed, 0 warnings, none read twice\n")


@pytest.mark.parametrize("kind", PASSING)
def test_every_passing_fault_is_survived(own: SandboxProcess, kind: str) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": kind, "path": "feedback", "page": 3, "times": 1})
    output = sync(own)
    assert not output.errors
    assert len(keys(output)["feedback"]) == ROWS["feedback"]
    assert own.stats()["faults"] == 1


@pytest.mark.parametrize(
    ("kind", "failure_type"),
    [
        ("400", FailureType.transient_error),  # past page 1 it says that the list has changed, which it has not
        ("401", FailureType.config_error),
        ("409", FailureType.system_error),
        ("422", FailureType.system_error),
        ("redirect", FailureType.config_error),
        ("503", FailureType.transient_error),
        ("429", FailureType.transient_error),
        ("html", FailureType.transient_error),
        ("cut", FailureType.transient_error),
        ("hang", FailureType.transient_error),
        ("drip", FailureType.transient_error),
    ],
)
def test_every_lasting_fault_has_its_type_and_what_came_before_is_out(
    own: SandboxProcess, kind: str, failure_type: FailureType
) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": kind, "path": "feedback", "page": 3, "times": 10**9})
    output = sync(own)
    (error, *_) = (error.trace.error for error in output.errors)  # type: ignore[union-attr]
    assert error.failure_type == failure_type
    # A 401 is about the key, and a redirect about an address, which has no page.
    assert (
        "(page 3)" in error.message
        or "to its end" in error.message
        or "(HTTP 401)" in error.message
        or "another address" in error.message
    )
    assert len(keys(output)["feedback"]) in (18, 20)  # pages overlap by a row or two
    assert len(keys(output)["templates"]) == 5  # the streams after it are read
