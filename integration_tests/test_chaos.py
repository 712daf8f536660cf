"""Random errors by seed, over real sockets: a sync ends complete, or fails with the right type and resumes to completeness.

`make chaos` runs it alone and prints the figures. Waits are skipped, so that a run takes no five minutes; everything else is
what users run.
"""

import gc
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airbyte_cdk.models import FailureType

from integration_tests.conftest import keys_in, small_pages
from sandbox.data import TEMPLATES
from sandbox.faults import PASSING
from sandbox.process import PATHS, SandboxProcess
from sandbox.switches import Switches
from source_retently import source
from source_retently.environment import BASE_URL_VARIABLE
from source_retently.run_context import Timeouts
from source_retently.values import date_text
from unit_tests.run import KEYS, Run, catalog_of, read_in_process

RUNS = int(os.environ.get("CHAOS_RUNS", "25"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROWS: dict[str, Any] = {"customers": 45, "companies": 23, "feedback": 67, "outbox": 52}
# Two cost real time, and "no data" is a valid response for a score; test_faults.py tries them one by one.
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


def sync(own: SandboxProcess, states: list[dict[str, Any]] | None = None, *streams: str, rows: int = 10) -> Run:
    """Reads these streams, or all, in pages of so many rows."""
    return read_in_process({**own.config, **small_pages(rows)}, catalog_of(*streams), states)


def rows_of(own: SandboxProcess) -> dict[str, set[str]]:
    """Keys of the rows that the account has now, for the streams whose rows come and go."""
    return {kind: set(keys_in(own, kind)) for kind in ROWS}


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
    is_total_exact = chance.random() < 0.5
    return {
        "total": "exact" if is_total_exact else chance.choice(["more", "fewer", "zero", "capped", "swinging"]),
        "total_off": chance.choice([3, 15, 40]),
        "past_end": chance.choice(["empty", "refuse", "last", "first"]),
        "echoed_page": chance.choice(["right", "one", "from_zero"]),
        "paging_in": chance.choice(["data", "top", "none"]),
        "sort": "honoured" if chance.random() < 0.8 else "ignored",
        "customers_sort": chance.choice([*["honoured"] * 4, "ignored", "refused", "disordered", "nulls_last"]),
        "ties": "changing" if is_total_exact and chance.random() < 0.2 else "stable",
    }


HEALTHY = {field.name: field.default for field in fields(Switches)} | {"rate_limit": 0, "survey_id": "always"}


def test_chaos(own: SandboxProcess) -> None:
    figures: Counter[str] = Counter()
    for number in range(RUNS):
        gc.collect()  # the connections of the last sync; a thousand runs would take all descriptors
        chance = random.Random(SEED * 1_000_003 + number)
        own.do({"switch": HEALTHY}, {"faults": {"rate": 0}}, {"forget_plans": True})
        before = rows_of(own)
        switches = disorder(chance)
        own.do({"switch": HEALTHY | switches})
        # A page without rows is an empty list, where no total or a wrong one shows otherwise.
        counts = switches["total"] == "exact" and switches["paging_in"] != "none"
        kinds = [kind for kind in QUICK if counts or kind != "empty"]
        # Ties in changing order together with rows that go can hide a row: see docs/architecture.md, "Paging".
        coming_and_going = churn(chance, 6) if switches["ties"] == "stable" else []
        own.do({"faults": {"rate": chance.choice([0, 0.1, 0.3, 0.5]), "seed": number, "kinds": kinds}}, *coming_and_going)
        if chance.random() < 0.4:  # and one error that lasts
            kind = chance.choice([*kinds, "400", "401", "409", "422", "redirect"])
            path, page = chance.choice(list(PATHS.values())), chance.choice([1, 2, 3, 4])
            own.do({"fault": kind, "path": path, "page": page, "times": 10**9})
        run = sync(own)
        figures["faults"] += own.stats()["faults"]
        figures["runs"] += 1
        delivered = {stream: set(run.keys(stream)) for stream in KEYS}
        stayed = {kind: rows & before[kind] for kind, rows in rows_of(own).items()}
        sorts = {name: switches[name] for name in ("sort", "customers_sort")}
        own.do({"switch": HEALTHY | sorts}, {"faults": {"rate": 0}}, {"forget_plans": True})
        failed = {error["stream_descriptor"]["name"] for error in run.errors if "stream_descriptor" in error}
        warned = {line.split(":")[0] for line in run.warnings}
        for kind, rows in stayed.items():
            if kind not in failed | warned:
                assert rows <= delivered[kind], (number, kind)
            figures["warned"] += kind in warned
        figures["failed"] += bool(run.errors)
        for error in run.errors:
            assert error["failure_type"] in [kind.value for kind in FailureType], number
            assert "Something went wrong" not in error["message"], number
        # Whatever was logged: what stayed comes, now or with the next sync.
        resumed = sync(own, run.states)
        for kind, rows in stayed.items():
            assert rows <= delivered[kind] | set(resumed.keys(kind)), (number, kind)
        figures["rows"] += sum(map(len, delivered.values()))
        # Some customers change: they come, whichever way customers are read.
        customers = keys_in(own, "customers")
        places = chance.sample(range(len(customers)), chance.choice([1, 3, 15]))
        dates = [date_text(datetime.now(timezone.utc) - timedelta(milliseconds=10 * i)) for i in range(len(places))]
        changed = {customers[place] for place in places}
        own.do(
            {"switch": HEALTHY | sorts},
            {"faults": {"rate": chance.choice([0, 0.1, 0.3]), "seed": number, "kinds": kinds}},
            *(
                {"kind": "customers", "change": place, "values": {"updatedDate": date}}
                for place, date in zip(places, dates, strict=True)
            ),
        )
        # Since the whole list was read, each 50th may have lost its date; its change comes when all are read again.
        changed &= {row["id"] for row in own.rows("customers") if "updatedDate" in row}
        later = sync(own, resumed.states, "customers", rows=20)
        if not later.errors and not later.warnings:
            assert changed <= set(later.keys("customers")), number
        figures["by_change"] += any("changes since" in line and "customers" in line for line in later.logs("INFO"))
    sys.stderr.write(
        f"\nchaos, seed {SEED}: {figures['runs']} runs, {figures['failed']} failed and were resumed, {figures['warned']} "
        f"streams warned, {figures['faults']:,} faults, {figures['rows']:,} rows, {figures['by_change']} times by change, "
        "0 lost, 0 twice within a sync, 0 silently short\n"
    )
    assert figures["faults"] > 0
    assert figures["by_change"] > 0


def test_healthy_accounts(own: SandboxProcess) -> None:
    for number in range(max(5, RUNS // 5)):
        gc.collect()
        chance = random.Random(SEED * 1_000_003 + number)
        own.do({"switch": HEALTHY}, {"faults": {"rate": 0}}, {"forget_plans": True})
        before = rows_of(own)
        own.do(*churn(chance, 1))
        run = sync(own)
        assert not run.errors, number
        assert not run.warnings, number
        assert not [line for line in run.logs("INFO") if "reading the list again" in line], number
        for kind, rows in rows_of(own).items():
            assert rows & before[kind] <= set(run.keys(kind)), (number, kind)
    sys.stderr.write(f"\nhealthy accounts, seed {SEED}: {number + 1} runs, 0 failed, 0 warnings, none read twice\n")


@pytest.mark.parametrize("kind", PASSING)
def test_every_transient_error_is_survived(own: SandboxProcess, kind: str) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": kind, "path": "feedback", "page": 3, "times": 1})
    run = sync(own)
    assert not run.errors
    assert len(run.keys("feedback")) == ROWS["feedback"]
    assert own.stats()["faults"] == 1


@pytest.mark.parametrize(
    ("kind", "failure_type"),
    [
        ("400", FailureType.transient_error),  # past page 1 it means that the list has changed, which it has not
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
def test_every_lasting_error_has_its_type_and_earlier_pages_are_emitted(
    own: SandboxProcess, kind: str, failure_type: FailureType
) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": kind, "path": "feedback", "page": 3, "times": 10**9})
    run = sync(own)
    error = run.errors[0]
    assert error["failure_type"] == failure_type.value
    # A 401 is about the key, and a redirect about an address, which has no page.
    assert any(part in error["message"] for part in ("(page 3)", "to its end", "(HTTP 401)", "another address"))
    assert len(run.keys("feedback")) in (18, 20)  # pages overlap by a row or two
    assert len(run.keys("templates")) == len(TEMPLATES)  # the streams after it are read
