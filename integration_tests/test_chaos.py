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
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read

from integration_tests.conftest import CATALOG
from sandbox.faults import PASSING
from sandbox.process import PATHS, SandboxProcess
from source_retently import SourceRetently, source
from source_retently.context import BASE_URL_VARIABLE, Patience
from source_retently.streams import STREAMS

RUNS = int(os.environ.get("CHAOS_RUNS", "40"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROWS = {"customers": 45, "companies": 23, "feedback": 67, "outbox": 52}
KEYS = {stream().name: str(stream.primary_key) for stream in STREAMS}
# Two cost real time, and of a score "no data" is an answer; test_faults.py tries them one by one.
QUICK = [kind for kind in PASSING if kind not in ("hang", "drip", "null")]


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(**ROWS, rate_limit=0, survey_id="always") as own:
        yield own


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch, own: SandboxProcess) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, own.url)
    monkeypatch.setattr(source, "SYNC_PATIENCE", Patience(connect=2, read=0.5, answer=0.7, retry=0.1, rate_limit=0.1))
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


def test_chaos(own: SandboxProcess) -> None:
    whole = keys(sync(own))
    assert {name: len(found) for name, found in whole.items()} == own.stats()["rows"]
    figures: Counter[str] = Counter()
    for run in range(RUNS):
        chance = random.Random(SEED * 1_000_003 + run)
        own.do({"faults": {"rate": chance.choice([0, 0.1, 0.3, 0.5]), "seed": run, "kinds": QUICK}})
        if chance.random() < 0.4:  # and one fault that does not pass
            kind = chance.choice([*QUICK, "400", "401", "409", "422", "redirect"])
            own.do(
                {
                    "fault": kind,
                    "path": chance.choice(list(PATHS.values())),
                    "page": chance.choice([1, 2, 3, 4]),
                    "times": 10**9,
                }
            )
        output = sync(own)
        figures["faults"] += own.stats()["faults"]
        figures["runs"] += 1
        delivered = keys(output)
        for name, found in delivered.items():
            assert found == whole[name][: len(found)], (run, name)  # in order and once, as far as it came
        if output.errors:
            figures["failed"] += 1
            types = {error.trace.error.failure_type for error in output.errors}  # type: ignore[union-attr]
            assert types <= {FailureType.transient_error, FailureType.config_error, FailureType.system_error}, run
            for error in output.errors:
                assert "Something went wrong" not in error.trace.error.message, run  # type: ignore[union-attr,operator]
            own.do({"faults": {"rate": 0}})
            resumed = keys(sync(own, last_states(output)))
            for name, expected in whole.items():
                assert set(delivered.get(name, [])) | set(resumed.get(name, [])) == set(expected), (run, name)
        else:
            assert delivered == whole, run
        figures["rows"] += sum(map(len, delivered.values()))
    sys.stderr.write(
        f"\nchaos, seed {SEED}: {figures['runs']} runs, {figures['failed']} of them failed and were resumed, "
        f"{figures['faults']:,} faults, {figures['rows']:,} rows delivered before resuming, 0 lost, 0 twice within a sync\n"
    )
    assert figures["faults"] > 0


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
        ("400", FailureType.system_error),
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
    assert "(page 3)" in error.message or "(HTTP 401)" in error.message or "another address" in error.message
    assert len(keys(output)["feedback"]) == 20
    assert len(keys(output)["templates"]) == 5  # the streams after it are read
