"""The command line in a process of its own, against the sandbox over a socket."""

import json
import re
import time
from collections import Counter
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessageSerializer
from jsonschema import Draft7Validator

from integration_tests.conftest import Connector, keys_in
from sandbox.process import PATHS, SandboxProcess
from sandbox.sign_in import CLIENT
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.paged import PagedStream
from unit_tests.run import catalog_of

SCHEMAS = {stream().name: stream().get_json_schema() for stream in STREAMS}
PAGED = [stream().name for stream in STREAMS if issubclass(stream, PagedStream)]


def pages(rows: int) -> int:
    """How many requests so many rows take. Each page after the first begins with a row or two that were read."""
    return max(1, 1 + -(-(rows - 1000) // 998))


def test_check_and_discover(sandbox: SandboxProcess, spawned: Connector) -> None:
    checked = spawned("check", sandbox)
    assert checked.messages[-2]["log"]["message"] == "Check succeeded"
    assert checked.messages[-1] == {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    (catalog,) = spawned("discover", sandbox).of("CATALOG")
    assert [stream["name"] for stream in catalog["streams"]] == list(SCHEMAS)


def test_every_row_comes_once_and_matches_its_schema(sandbox: SandboxProcess, spawned: Connector) -> None:
    sandbox.do({"reset": True})
    run = spawned("read", sandbox)
    assert run.code == 0
    assert run.stderr == ""
    for line in run.output.splitlines():
        AirbyteMessageSerializer.load(json.loads(line))
    stats = sandbox.stats()
    for name, schema in SCHEMAS.items():
        records = run.records(name)
        assert len(run.keys(name)) == stats["rows"][name]
        validator = Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)
        for record in records:
            validator.validate(record)
    for name in ("customers", "companies", "feedback"):
        assert run.keys(name) == keys_in(sandbox, name)
    rows_of_details = {path: run.records(parent) for path, parent in (("templates/", "templates"), ("trends/", "trend_groups"))}
    assert stats["requests"] == {
        **{path: pages(stats["rows"][name]) for name, path in PATHS.items() if path not in rows_of_details},
        **{f"{path}{row['id']}": 1 for path, rows in rows_of_details.items() for row in rows},
    }
    assert {trace["stream_status"]["status"] for trace in run.of("TRACE") if "stream_status" in trace} == {
        "STARTED",
        "RUNNING",
        "COMPLETE",
    }


def test_a_second_read_reads_full_refresh_streams_again(sandbox: SandboxProcess, spawned: Connector) -> None:
    first = spawned("read", sandbox)
    sandbox.do({"reset": True})
    second = spawned("read", sandbox, state=first.states)
    assert second.code == 0
    rows = sandbox.stats()["rows"]
    for name in set(SCHEMAS) - {"customers", "feedback", "outbox"}:
        assert len(second.records(name)) == rows[name]
    assert 0 < len(second.records("feedback")) < 200
    requests = sandbox.stats()["requests"]
    assert requests.pop("customers") == pages(rows["customers"]) + 1  # it asked for changes first
    assert set(requests.values()) == {1}
    # An account with one page of each stream costs little.
    assert sum(requests.values()) + 1 < 30


def test_progress_is_estimated_and_logged(sandbox: SandboxProcess, spawned: Connector) -> None:
    run = spawned("read", sandbox)
    estimates = {trace["estimate"]["name"]: trace["estimate"] for trace in run.of("TRACE") if trace["type"] == "ESTIMATE"}
    rows = sandbox.stats()["rows"]
    assert {name: estimate["row_estimate"] for name, estimate in estimates.items()} == {name: rows[name] for name in PAGED}
    lines = [line for line in run.logs() if "records" in line and line.startswith("feedback:")]
    count = rows["feedback"]
    assert lines == [
        f"feedback: page 1 of {pages(count)}, 1,000 of {count:,} records",
        f"feedback: {count:,} of {count:,} records, read to the end",
    ]


def test_the_log_is_short_and_its_end_sums_it_up(sandbox: SandboxProcess, spawned: Connector) -> None:
    config = {**sandbox.config, "start_dat": "2024-01-01"}
    assert any("start_dat" in line and "start_date" in line for line in spawned("check", sandbox, config=config).warnings)
    sandbox.do({"reset": True})
    run = spawned("read", sandbox, config=config)
    lines = "\n".join(run.logs()).splitlines()
    assert len(lines) < 60
    rows, requests = sandbox.stats()["rows"], sum(sandbox.stats()["requests"].values())
    assert [line.split(":")[0] for line in lines[-len(rows) :]] == [f"  {name}" for name in SCHEMAS]
    for name, count in rows.items():
        counted = f" (the API counts {count:,})" if name in PAGED else ""
        assert f"  {name}: {count:,} read{counted}, {count:,} emitted" in lines
    total = f"{sum(rows.values()):,}"
    head = lines[-len(rows) - 1]
    assert re.match(
        rf"source-retently [\d.]+: 17 streams in \d+ s, {total} records read, {total} emitted; {requests} requests, "
        r"0 s of waiting for the rate limit\.$",
        head,
    )
    assert any("start_dat," in line and "start_date" in line for line in run.warnings)
    assert not [line for line in lines if re.match("Marking|Setting state|Syncing|Read |Finished syncing", line)]
    again = spawned("read", sandbox, config=sandbox.config, state=run.states)
    days = [line for line in again.logs() if line.startswith("feedback: from ")]
    assert len(days) == 1
    assert days[0].endswith("Z, the newest record less 7 days of look-back.")
    unchanged = rf"^  customers: .* 0 emitted, {rows['customers']:,} unchanged or outside the dates$"
    assert re.search(unchanged, again.logs()[-1], re.MULTILINE)


def test_the_summary_names_what_failed_was_skipped_or_became_null(sandbox: SandboxProcess, spawned: Connector) -> None:
    with SandboxProcess(customers=30, feedback=30, outbox=30, companies=3) as own:
        own.do(
            {"kind": "customers", "change": 3, "values": {"createdDate": ["soon"]}},
            {"fault": "422", "path": "companies", "times": 9},
            {"fault": "403", "path": "trends", "times": 9},
        )
        catalog = catalog_of(*SCHEMAS)
        catalog["streams"].sort(key=lambda stream: str(stream["stream"]["name"]))  # a detail stream before its parent
        run = spawned("read", own, catalog=catalog)
    assert run.code == 1
    summary = run.logs()[-1]
    assert re.search(r"  templates: (\d+) read, \1 emitted\n", summary)
    assert "  companies: 0 read, 0 emitted, FAILED, see the error above\n" in summary
    assert "  trend_groups: skipped, see the warning above\n" in summary
    assert "30 emitted, values that do not match the schema became null in createdDate\n" in summary


@pytest.mark.parametrize("kept", ["kept", "rotated"])
def test_an_oauth_application_works(sandbox: SandboxProcess, spawned: Connector, kept: str) -> None:
    with SandboxProcess(customers=30, feedback=30, outbox=30, companies=3, refresh_token=kept, token_seconds=2) as own:
        run = spawned("read", own, config={"credentials": CLIENT})
        assert run.code == 0
        assert len(run.records("feedback")) == 30
        controls = run.of("CONTROL")
        assert bool(controls) == (kept == "rotated")
        if controls:
            config = controls[-1]["connectorConfig"]["config"]
            assert config["credentials"]["refresh_token"] != CLIENT["refresh_token"]
            assert spawned("check", own, config=config).check_status == "SUCCEEDED"


def test_an_account_without_any_rows_passes_check_and_read(spawned: Connector) -> None:
    with SandboxProcess(customers=0, companies=0, feedback=0, outbox=0) as empty:
        assert spawned("check", empty).check_status == "SUCCEEDED"
        run = spawned("read", empty)
        assert run.code == 0
        rows = {name: number for name, number in empty.stats()["rows"].items() if number}
        assert Counter(record["stream"] for record in run.of("RECORD")) == rows
        assert spawned("read", empty, state=run.states).code == 0


POSITIONS: list[dict[str, Any]] = [
    {"paging_in": "top"},
    {"paging_in": "none"},
    {"paging_in": "none", "past_end": "last"},
    {"paging_in": "none", "past_end": "first"},
    {"paging_in": "none", "past_end": "refuse"},
    {"templates_in": "data", "campaigns_in": "data.campaigns"},
    {"templates_in": "data.templates", "reports_as": "object", "score_field": "nps"},
    {"survey_id": "never", "updated_date": "absent"},
    {"survey_id": "always", "sort": "ignored"},
    {"dates": "ignored", "bounds": "exclusive"},
    {"metrics": "nps", "trend_ids": "present", "ping": "absent"},
    {"metrics": "nps", "unsurveyed": "null"},
    {"metrics": "nps", "unsurveyed": "empty"},
    {"metrics": "nps", "unsurveyed": "nulls"},
    {"companies_limit": 100},
    {"companies_limit": 100, "over_limit": "refuse"},
    {"companies_limit": 100, "paging_in": "none"},
]


@pytest.mark.parametrize(
    "positions", POSITIONS, ids=lambda positions: "-".join(f"{name}={value}" for name, value in positions.items())
)
def test_all_rows_come_in_every_position_of_the_switches(forked: Connector, positions: dict[str, Any]) -> None:
    with SandboxProcess(customers=1100, companies=240, feedback=1000, outbox=2300, rate_limit=0, **positions) as own:
        run = forked("read", own)
        assert run.code == 0
        for name, number in own.stats()["rows"].items():
            assert len(run.keys(name)) == number, name


def test_rows_come_and_go_during_a_sync(forked: Connector) -> None:
    with SandboxProcess(customers=4000, companies=3000, feedback=4000, outbox=4000, rate_limit=0, survey_id="always") as own:
        kinds = ("customers", "companies", "feedback", "outbox")
        before = {kind: set(keys_in(own, kind)) for kind in kinds}
        for kind in kinds:
            # Together they never cancel out, whichever of the prefetched pages is served first: no total shows that.
            own.do(
                {"kind": kind, "before_page": 2, "delete": [3, 5, 7]},
                {"kind": kind, "before_page": 3, "insert": 5, "when": 1720000000000},
                {"kind": kind, "before_page": 4, "delete": [1500] if kind == "feedback" else list(range(1200))},
            )
        run = forked("read", own)
        assert run.code == 0
        for kind in kinds:
            assert before[kind] & set(keys_in(own, kind)) <= set(run.keys(kind)), kind


@pytest.mark.parametrize("kind", ["customers", "companies"])
def test_new_rows_do_not_hide_deleted_ones(forked: Connector, kind: str) -> None:
    with SandboxProcess(customers=3500, companies=3500, feedback=0, outbox=0, rate_limit=0) as own:
        before = set(keys_in(own, kind))
        own.do({"kind": kind, "before_page": 2, "delete": [3, 5, 7], "insert": 3})  # the total stays as it is
        run = forked("read", own, catalog=catalog_of(kind), config={**own.config, "num_workers": 1})
        assert before & set(keys_in(own, kind)) <= set(run.keys(kind))


def test_a_stream_that_fails_ends_the_run_with_an_error(sandbox: SandboxProcess, spawned: Connector) -> None:
    run = spawned("read", sandbox, config={"api_key": "another-key"})
    assert run.code == 1
    assert {error["failure_type"] for error in run.errors} == {"config_error"}
    assert "does not accept the API key" in run.errors[0]["message"]
    assert "another-key" not in run.output + run.stderr


def test_check_is_quick_when_the_host_hangs(sandbox: SandboxProcess, spawned: Connector) -> None:
    with SandboxProcess(customers=1, latency_ms=60_000) as hanging:
        started = time.monotonic()
        run = spawned("check", hanging)
        assert run.check_status == "FAILED"
        assert "in time" in run.error_message
        assert time.monotonic() - started < 20


def test_the_catalog_in_the_repository_has_all_streams() -> None:
    assert [stream["stream"]["name"] for stream in catalog_of()["streams"]] == list(SCHEMAS)
