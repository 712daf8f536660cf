"""Every row, or not COMPLETE: the connector as a process against an API with the errors that cost other connectors rows."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from integration_tests.conftest import Connector, keys_in, small_pages
from sandbox.process import SandboxProcess
from unit_tests.run import KEYS, Run, catalog_of, state_of

PAGED = ("customers", "companies", "feedback", "outbox")


@pytest.fixture
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=500, companies=500, feedback=500, outbox=500, rate_limit=0, survey_id="always") as own:
        yield own


def read(forked: Connector, own: SandboxProcess, *streams: str, state: Any = None, waits: bool = True, **config: Any) -> Run:
    """Reads these streams in pages of 100 rows."""
    options = {**own.config, **small_pages(100), **config}
    return forked("read", own, catalog=catalog_of(*streams), config=options, state=state, waits=waits)


def assert_complete(run: Run, own: SandboxProcess, *streams: str) -> None:
    assert run.code == 0, run.error_message
    assert run.stderr == ""
    for stream in streams:
        assert set(run.keys(stream)) == set(keys_in(own, stream)), stream
        assert run.statuses[stream] == "COMPLETE"


# ------------------------------------------------------------------------------------------------- 1-3: pages that are wrong


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("fault", [{"fault": "empty"}, {"fault": "served", "page_served": 1}])
@pytest.mark.parametrize("times", [1, 2])
def test_a_page_that_is_wrong_for_a_while(forked: Connector, own: SandboxProcess, fault: Any, times: int, workers: int) -> None:
    own.do(*({**fault, "path": path, "page": page, "times": times} for path in PAGED for page in (2, 4)))
    run = read(forked, own, *PAGED, num_workers=workers)
    assert_complete(run, own, *PAGED)
    assert not run.warnings


@pytest.mark.parametrize("fault", [{"fault": "empty", "page": 3}, {"fault": "served", "page_served": 1, "page": 2}])
def test_a_page_that_stays_wrong_is_not_complete(forked: Connector, own: SandboxProcess, fault: Any) -> None:
    own.do(*({**fault, "path": path, "times": 10**9} for path in PAGED))
    run = read(forked, own, *PAGED)
    assert run.code == 1
    assert {error["failure_type"] for error in run.errors} == {"transient_error"}
    assert run.statuses == dict.fromkeys(PAGED, "INCOMPLETE")
    for stream in PAGED:
        run.keys(stream)
        assert not {"createdDate", "updatedDate", "sentDate"} & set(run.state(stream))
    own.do({"faults": {"rate": 0}})
    resumed = read(forked, own, *PAGED, state=run.states)
    for stream in PAGED:
        assert set(run.keys(stream)) | set(resumed.keys(stream)) == set(keys_in(own, stream))


@pytest.mark.parametrize("echoed", ["one", "from_zero"])
def test_the_repeated_page_number_alone_means_nothing(forked: Connector, own: SandboxProcess, echoed: str) -> None:
    own.do({"switch": {"echoed_page": echoed}})
    run = read(forked, own, *PAGED)
    assert_complete(run, own, *PAGED)
    assert not run.warnings


# ---------------------------------------------------------------------------------------------------- 4, 8: wrong totals


@pytest.mark.parametrize("total", ["more", "fewer", "zero", "capped", "swinging"])
def test_a_wrong_total_is_reported_once(forked: Connector, own: SandboxProcess, total: str) -> None:
    own.do({"switch": {"total": total, "total_off": 150}})
    run = read(forked, own, *PAGED)
    assert_complete(run, own, *PAGED)
    reported = [line for line in run.warnings if "counts" in line]
    if total != "swinging":
        assert len(reported) == len(PAGED)
        assert all("500" in line for line in reported)
    assert sum(own.stats()["requests"].values()) <= len(PAGED) * 6 * 1.2 + 12
    own.do({"reset": True})
    again = read(forked, own, *PAGED, state=run.states)
    assert again.code == 0
    reported = [line.split(":")[0] for line in again.warnings if "counts" in line]
    if total != "swinging":  # where the first sync that sees it reports it
        assert set(reported) <= {"companies"}  # which has no state to keep it in


# ----------------------------------------------------------------------------------------------------- 5: order that changes


def test_ties_in_changing_order(forked: Connector) -> None:
    with SandboxProcess(customers=0, companies=0, feedback=0, outbox=0, rate_limit=0, ties="changing") as own:
        own.do({"kind": "customers", "insert": 300, "when": 1_720_000_000_000})
        run = read(forked, own, "customers")
        assert run.code == 0
        lacking = set(keys_in(own, "customers")) - set(run.keys("customers"))
        reported = [line for line in run.warnings if "records were read" in line]
        assert bool(reported) == bool(lacking)
        assert ("updatedDate" in run.state("customers")) == (not lacking)
        again = read(forked, own, "customers", state=run.states)
        is_repeated = ["reading the list again" in one.output for one in (run, again)]
        assert is_repeated == [True, False]  # once a day it is read several times


# ------------------------------------------------------------------------------------- 6, 7, 10: rows that come and go


@pytest.mark.parametrize("stream", PAGED)
def test_rows_change_between_a_kill_and_the_resumed_sync(forked: Connector, own: SandboxProcess, stream: str) -> None:
    own.do({"fault": "401", "path": stream, "page": 4})
    killed = read(forked, own, stream)
    assert killed.code == 1
    before = set(keys_in(own, stream))
    own.do(
        {"faults": {"rate": 0}}, {"kind": stream, "delete": list(range(40))}, {"kind": stream, "insert": 60}, {"reset": True}
    )
    resumed = read(forked, own, stream, state=killed.states)
    assert resumed.code == 0
    stayed = before & set(keys_in(own, stream))
    assert stayed <= set(killed.keys(stream)) | set(resumed.keys(stream))
    assert len(set(killed.keys(stream)) & set(resumed.keys(stream))) <= 100
    assert sum(own.stats()["requests"].values()) <= 6


def test_the_newest_rows_are_deleted_during_the_read(forked: Connector) -> None:
    with SandboxProcess(customers=3000, companies=0, feedback=0, outbox=0, rate_limit=0) as own:
        own.do({"kind": "customers", "before_page": 15, "delete": list(range(1800, 3000))})
        run = read(forked, own, "customers")
        assert run.code == 0
        assert set(keys_in(own, "customers")) <= set(run.keys("customers"))


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("stream", PAGED)
def test_as_many_rows_are_inserted_as_deleted_twice(forked: Connector, own: SandboxProcess, stream: str, state: bool) -> None:
    old = [state_of(stream, {"createdDate": "2024-01-01", "sentDate": "2024-01-01"})]
    before = set(keys_in(own, stream))
    swap = {"kind": stream, "delete": list(range(30)), "insert": 30}
    own.do({**swap, "before_page": 2}, {**swap, "before_page": 4})
    run = read(forked, own, stream, state=old if state else None)
    assert run.code == 0
    assert before & set(keys_in(own, stream)) <= set(run.keys(stream))
    assert not run.warnings


# ----------------------------------------------------------------------------------------------------------------- 9: dates


def test_rows_without_a_date_come_in_full_and_once_a_day(forked: Connector, own: SandboxProcess) -> None:
    own.do({"switch": {"row_dates": "sometimes"}})
    dated = ("feedback", "outbox")
    run = read(forked, own, *dated)
    assert_complete(run, own, *dated)
    assert not any("Date=" in line for line in own.stats()["log"])
    undated = {
        stream: {
            key
            for key, row in zip(keys_in(own, stream), own.rows(stream), strict=True)
            if not {"createdDate", "sentDate"} & set(row)
        }
        for stream in dated
    }
    assert all(undated.values())
    own.do({"reset": True})
    again = read(forked, own, *dated, state=run.states)
    assert all("startDate=" in line for line in own.stats()["log"])
    assert not any(set(again.keys(stream)) & undated[stream] for stream in dated)
    states = again.states
    for state in states:
        assert state["stream"]["stream_state"]["undated_read"]
        state["stream"]["stream_state"]["undated_read"] = "2024-01-01T00:00:00.000Z"
    daily = read(forked, own, *dated, state=states)
    for stream in dated:
        assert undated[stream] <= set(daily.keys(stream))
        assert len(daily.keys(stream)) < len(undated[stream]) + 20
        assert daily.state(stream)["undated_read"] > "2026"


# -------------------------------------------------------------------------------------------- 11-14: changes of customers


def change(own: SandboxProcess, position: int, stamp: bool = True, **values: Any) -> str:
    own.do({"kind": "customers", "change": position, "values": values, "stamp": stamp})
    return keys_in(own, "customers")[position]


def hours_ago(hours: float) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}.000Z"


def test_an_api_whose_clock_is_behind(forked: Connector, own: SandboxProcess) -> None:
    own.do(
        {"switch": {"clock_minutes": -60}}, {"kind": "customers", "before_page": 4, "change": 0, "values": {"jobTitle": "x"}}
    )
    first = read(forked, own, "customers", num_workers=1)
    again = read(forked, own, "customers", state=first.states)
    assert keys_in(own, "customers")[0] in again.keys("customers")
    assert again.state("customers")["updatedDate"] < hours_ago(0.9)


def test_a_future_cursor_requests_nothing_in_the_future(forked: Connector, own: SandboxProcess) -> None:
    state = [state_of("feedback", {"createdDate": hours_ago(-23)})]
    run = read(forked, own, "feedback", state=state)
    assert run.code == 0
    (line,) = own.stats()["log"]
    start = line.split("startDate=")[1][:13].replace("%3A", ":")
    assert start <= hours_ago(0)[:13]


def test_a_change_that_a_replica_shows_late(forked: Connector, own: SandboxProcess) -> None:
    first = read(forked, own, "customers")
    late = change(own, 7, stamp=False, updatedDate=hours_ago(2 / 60), jobTitle="late")
    again = read(forked, own, "customers", state=first.states)
    assert late in again.keys("customers")


def test_a_nightly_mass_update_does_not_come_again_every_hour(forked: Connector, own: SandboxProcess) -> None:
    own.do(*({"kind": "customers", "change": i, "values": {"updatedDate": hours_ago(3)}} for i in range(50)))
    first = read(forked, own, "customers")
    again = read(forked, own, "customers", state=first.states)
    assert not again.keys("customers")


def test_customers_without_an_updated_date(forked: Connector, own: SandboxProcess) -> None:
    own.do({"switch": {"updated_date": "absent"}})
    first = read(forked, own, "customers")
    changed = change(own, 11, jobTitle="changed")
    again = read(forked, own, "customers", state=first.states)
    assert changed in again.keys("customers")
    assert len([line for line in again.logs() if "updatedDate" in line and "emitted in each sync" in line]) == 1
    own.do({"switch": {"updated_date": "present"}})
    third = read(forked, own, "customers", state=again.states)
    fourth = read(forked, own, "customers", state=third.states)
    assert len(fourth.keys("customers")) < 20


@pytest.mark.parametrize(
    "values",
    [
        {"isInQueueSetAt": "NOW"},
        {"lastSurveySent": {"date": "NOW"}},
        {"lastSurveySent": {"email": {"sent": "NOW"}}},
        {"surveySubscriptionStatus": {"changedAt": "NOW", "status": "off"}},
    ],
)
def test_a_change_that_moves_another_date(forked: Connector, own: SandboxProcess, values: Any) -> None:
    def dated(value: Any, date: str) -> Any:
        return (
            {name: dated(inner, date) for name, inner in value.items()}
            if isinstance(value, dict)
            else value.replace("NOW", date)
        )

    first = read(forked, own, "customers")
    changed = change(own, 3, stamp=False, **dated(values, hours_ago(1 / 60)))
    future = change(own, 4, stamp=False, **dated(values, hours_ago(-48)))
    again = read(forked, own, "customers", state=first.states)
    assert changed in again.keys("customers")
    assert future not in again.keys("customers")


# ------------------------------------------------------------------------------------------------------------- 15: the states


def test_a_state_follows_each_page_with_or_without_new_rows(forked: Connector, own: SandboxProcess) -> None:
    first = read(forked, own, "customers")
    again = read(forked, own, "customers", state=first.states)
    assert not again.records("customers")
    assert len(again.of("STATE")) == 7  # the first of a page that was asked for changes
    own.do({"fault": "401", "path": "customers", "page": 5})
    killed = read(forked, own, "customers", state=first.states)
    assert killed.code == 1
    own.do({"faults": {"rate": 0}}, {"reset": True})
    resumed = read(forked, own, "customers", state=killed.states)
    assert resumed.code == 0
    assert own.stats()["requests"] == {"customers": 2}


# ---------------------------------------------------------------------------------------------- 16: attempts of one sync


def of_sync(sync_id: Any, *streams: str) -> dict[str, Any]:
    return catalog_of(*streams, sync_mode="full_refresh", sync_id=sync_id)


@pytest.mark.parametrize("sync_id", [None, 0, 1, 2, 77])
def test_streams_of_an_earlier_attempt_are_not_emitted_again(forked: Connector, sandbox: SandboxProcess, sync_id: Any) -> None:
    catalog = of_sync(sync_id)
    first = forked("read", sandbox, catalog=catalog)
    assert first.code == 0
    second = forked("read", sandbox, catalog=catalog, state=first.states)
    assert second.code == 0
    assert second.statuses == dict.fromkeys(KEYS, "COMPLETE")
    is_same_sync = (sync_id or 0) > 1
    for stream in KEYS:
        assert len(second.records(stream)) == (0 if is_same_sync else len(first.records(stream))), stream
    third = forked("read", sandbox, catalog=of_sync((sync_id or 0) + 1), state=second.states)
    for stream in KEYS:
        assert len(third.records(stream)) == len(first.records(stream)), stream


def test_a_finished_parent_is_still_listed_for_its_details(forked: Connector, sandbox: SandboxProcess) -> None:
    first = forked("read", sandbox, catalog=of_sync(5, "templates"))
    second = forked("read", sandbox, catalog=of_sync(5, "templates", "template_details"), state=first.states)
    assert not second.records("templates")
    assert len(second.records("template_details")) == len(first.records("templates"))


# ----------------------------------------------------------------------------------------- limits, weight, the log


@pytest.mark.parametrize("limits", ["any", "round"])
def test_the_last_log_line_counts_the_records(forked: Connector, own: SandboxProcess, limits: str) -> None:
    own.do({"switch": {"limits": limits}})
    run = read(forked, own, *PAGED)
    assert_complete(run, own, *PAGED)
    for stream in PAGED:
        lines = [line for line in run.logs() if line.startswith(f"{stream}: ")]
        assert lines[-1].startswith(f"{stream}: 500 of 500 records, read to the end")
        assert ("completeness is not proved" in lines[-1]) == (limits == "round")
    assert not run.warnings


@pytest.mark.parametrize(("heavy", "used"), [(501, 500), (101, 100)])
def test_pages_that_are_too_heavy_become_smaller(forked: Connector, own: SandboxProcess, heavy: int, used: int) -> None:
    own.do({"switch": {"heavy_rows": heavy}})
    run = read(forked, own, "feedback", _page_size=1000, waits=False)
    assert_complete(run, own, "feedback")
    assert f"asking for {used}" in " ".join(run.logs())


def test_a_healthy_account_costs_few_requests(forked: Connector, own: SandboxProcess) -> None:
    run = read(forked, own, *PAGED)
    assert own.stats()["requests"] == dict.fromkeys(PAGED, 6)
    own.do({"reset": True})
    again = read(forked, own, "feedback", "outbox", state=run.states)
    assert set(own.stats()["requests"].values()) == {1}
    assert not run.warnings + again.warnings
