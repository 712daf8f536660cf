"""Every row, or not COMPLETE: the connector as a process against an API that goes wrong in the ways that cost others rows."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from integration_tests.conftest import CATALOG, Connector, Run, catalog_of
from sandbox.process import SandboxProcess

PAGED = ("customers", "companies", "feedback", "outbox")
KEYS = {"customers": "id", "companies": "id", "feedback": "id", "outbox": "surveyId"}
SMALL_PAGES = {"lookback_window": 0, "requests_per_minute": 10_000, "_page_size": 100}


@pytest.fixture
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=500, companies=500, feedback=500, outbox=500, rate_limit=0, survey_id="always") as own:
        yield own


def config(own: SandboxProcess, **more: Any) -> dict[str, Any]:
    return {**own.config, **SMALL_PAGES, **more}


def keys(own: SandboxProcess, stream: str) -> list[str]:
    return [row[KEYS[stream]] for row in own.rows(stream)]


def ids(run: Run, stream: str) -> list[str]:
    found = [record["id"] for record in run.records(stream)]
    assert len(found) == len(set(found)), f"{stream} came twice"
    return found


def statuses(run: Run) -> dict[str, str]:
    """The last status of each stream."""
    traces = [trace["stream_status"] for trace in run.of("TRACE") if "stream_status" in trace]
    return {status["stream_descriptor"]["name"]: status["status"] for status in traces}


def warnings(run: Run) -> list[str]:
    return [log["message"] for log in run.of("LOG") if log["level"] == "WARN"]


def cursor(run: Run, stream: str) -> dict[str, Any]:
    states = {state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in run.last_states()}
    return dict(states[stream])


def assert_complete(run: Run, own: SandboxProcess, *streams: str) -> None:
    assert run.code == 0, run.sentence
    assert run.stderr == ""
    for stream in streams:
        assert set(ids(run, stream)) == set(keys(own, stream)), stream
        assert statuses(run)[stream] == "COMPLETE"


# ------------------------------------------------------------------------------------------------- 1-3: pages that are wrong


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("fault", [{"fault": "empty"}, {"fault": "served", "page_served": 1}])
@pytest.mark.parametrize("times", [1, 2])
def test_a_page_that_is_wrong_for_a_while(call: Connector, own: SandboxProcess, fault: Any, times: int, workers: int) -> None:
    own.do(*({**fault, "path": path, "page": page, "times": times} for path in PATHS for page in (2, 4)))
    run = call("read", own, catalog=catalog_of(*PAGED), config=config(own, num_workers=workers))
    assert_complete(run, own, *PAGED)
    assert not warnings(run)


PATHS = ("customers", "companies", "feedback", "outbox")


@pytest.mark.parametrize("fault", [{"fault": "empty", "page": 3}, {"fault": "served", "page_served": 1, "page": 2}])
def test_a_page_that_stays_wrong_is_not_complete(call: Connector, own: SandboxProcess, fault: Any) -> None:
    own.do(*({**fault, "path": path, "times": 10**9} for path in PATHS))
    run = call("read", own, catalog=catalog_of(*PAGED), config=config(own))
    assert run.code == 1
    assert {error["failure_type"] for error in run.errors()} == {"transient_error"}
    assert statuses(run) == dict.fromkeys(PAGED, "INCOMPLETE")
    for stream in PAGED:
        ids(run, stream)
        assert not {"createdDate", "updatedDate", "sentDate"} & set(cursor(run, stream))
    own.do({"faults": {"rate": 0}})
    resumed = call("read", own, catalog=catalog_of(*PAGED), config=config(own), state=run.last_states())
    for stream in PAGED:
        assert set(ids(run, stream)) | set(ids(resumed, stream)) == set(keys(own, stream))


@pytest.mark.parametrize("echoed", ["one", "from_zero"])
def test_the_repeated_page_number_alone_means_nothing(call: Connector, own: SandboxProcess, echoed: str) -> None:
    own.do({"switch": {"echoed_page": echoed}})
    run = call("read", own, catalog=catalog_of(*PAGED), config=config(own))
    assert_complete(run, own, *PAGED)
    assert not warnings(run)


# ---------------------------------------------------------------------------------------------------- 4, 8: totals that lie


@pytest.mark.parametrize("total", ["more", "fewer", "zero", "capped", "swinging"])
def test_a_total_that_lies_is_reported_once(call: Connector, own: SandboxProcess, total: str) -> None:
    own.do({"switch": {"total": total, "total_off": 150}})
    run = call("read", own, catalog=catalog_of(*PAGED), config=config(own))
    assert_complete(run, own, *PAGED)
    told = [line for line in warnings(run) if "counts" in line]
    if total != "swinging":
        assert len(told) == len(PAGED)
        assert all("500" in line for line in told)
    assert sum(own.stats()["requests"].values()) <= len(PAGED) * 6 * 1.2 + 12
    own.do({"reset": True})
    again = call("read", own, catalog=catalog_of(*PAGED), config=config(own), state=run.last_states())
    assert again.code == 0
    told = [line.split(":")[0] for line in warnings(again) if "counts" in line]
    if total != "swinging":  # where it is told by the first sync that it meets
        assert set(told) <= {"companies"}  # which has no state to remember it by


# ----------------------------------------------------------------------------------------------------- 5: order that changes


def test_ties_in_changing_order(call: Connector) -> None:
    with SandboxProcess(customers=0, companies=0, feedback=0, outbox=0, rate_limit=0, ties="changing") as own:
        own.do({"kind": "customers", "insert": 300, "when": 1_720_000_000_000})
        run = call("read", own, catalog=catalog_of("customers"), config=config(own))
        assert run.code == 0
        lacking = set(keys(own, "customers")) - set(ids(run, "customers"))
        told = [line for line in warnings(run) if "records came" in line]
        assert bool(told) == bool(lacking)
        assert ("updatedDate" in cursor(run, "customers")) == (not lacking)
        own.do({"reset": True})
        call("read", own, catalog=catalog_of("customers"), config=config(own), state=run.last_states())
        assert own.stats()["requests"]["customers"] <= 20  # once a day it is read several times


# ------------------------------------------------------------------------------------- 6, 7, 10: rows that come and go


@pytest.mark.parametrize("stream", PAGED)
def test_rows_go_and_come_between_a_kill_and_the_sync_that_resumes(call: Connector, own: SandboxProcess, stream: str) -> None:
    path = PATHS[PAGED.index(stream)]
    own.do({"fault": "401", "path": path, "page": 4})
    killed = call("read", own, catalog=catalog_of(stream), config=config(own))
    assert killed.code == 1
    before = set(keys(own, stream))
    own.do(
        {"faults": {"rate": 0}}, {"kind": stream, "delete": list(range(40))}, {"kind": stream, "insert": 60}, {"reset": True}
    )
    resumed = call("read", own, catalog=catalog_of(stream), config=config(own), state=killed.last_states())
    assert resumed.code == 0
    stayed = before & set(keys(own, stream))
    assert stayed <= set(ids(killed, stream)) | set(ids(resumed, stream))
    assert len(set(ids(killed, stream)) & set(ids(resumed, stream))) <= 100
    assert sum(own.stats()["requests"].values()) <= 6


def test_the_newest_rows_vanish_while_they_are_read(call: Connector) -> None:
    with SandboxProcess(customers=3000, companies=0, feedback=0, outbox=0, rate_limit=0) as own:
        own.do({"kind": "customers", "before_page": 15, "delete": list(range(1800, 3000))})
        run = call("read", own, catalog=catalog_of("customers"), config=config(own))
        assert run.code == 0
        assert set(keys(own, "customers")) <= set(ids(run, "customers"))


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("stream", PAGED)
def test_as_many_rows_are_made_as_deleted_twice(call: Connector, own: SandboxProcess, stream: str, state: bool) -> None:
    old = [
        {
            "stream": {
                "stream_descriptor": {"name": stream},
                "stream_state": {"createdDate": "2024-01-01", "sentDate": "2024-01-01"},
            }
        }
    ]
    before = set(keys(own, stream))
    swap = {"kind": stream, "delete": list(range(30)), "insert": 30}
    own.do({**swap, "before_page": 2}, {**swap, "before_page": 4})
    run = call("read", own, catalog=catalog_of(stream), config=config(own), state=old if state else None)
    assert run.code == 0
    assert before & set(keys(own, stream)) <= set(ids(run, stream))
    assert not warnings(run)


# ----------------------------------------------------------------------------------------------------------------- 9: dates


def test_rows_without_a_date_come_in_full_and_once_a_day(call: Connector, own: SandboxProcess) -> None:
    own.do({"switch": {"row_dates": "sometimes"}})
    dated = ("feedback", "outbox")
    run = call("read", own, catalog=catalog_of(*dated), config=config(own))
    assert_complete(run, own, *dated)
    assert not any("Date=" in line for line in own.stats()["log"])
    undated = {
        stream: {row[KEYS[stream]] for row in own.rows(stream) if not {"createdDate", "sentDate"} & set(row)}
        for stream in dated
    }
    assert all(undated.values())
    own.do({"reset": True})
    again = call("read", own, catalog=catalog_of(*dated), config=config(own), state=run.last_states())
    assert all("startDate=" in line for line in own.stats()["log"])
    assert not any(set(ids(again, stream)) & undated[stream] for stream in dated)
    states = again.last_states()
    for state in states:
        assert state["stream"]["stream_state"]["undated_read"]
        state["stream"]["stream_state"]["undated_read"] = "2024-01-01T00:00:00.000Z"
    daily = call("read", own, catalog=catalog_of(*dated), config=config(own), state=states)
    for stream in dated:
        assert undated[stream] <= set(ids(daily, stream))
        assert len(ids(daily, stream)) < len(undated[stream]) + 20
        assert cursor(daily, stream)["undated_read"] > "2026"


# -------------------------------------------------------------------------------------------- 11-14: changes of customers


def change(own: SandboxProcess, position: int, stamp: bool = True, **values: Any) -> str:
    own.do({"kind": "customers", "change": position, "values": values, "stamp": stamp})
    return keys(own, "customers")[position]


def hours_ago(hours: float) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}.000Z"


def test_an_api_whose_clock_is_behind(call: Connector, own: SandboxProcess) -> None:
    own.do(
        {"switch": {"clock_minutes": -60}}, {"kind": "customers", "before_page": 4, "change": 0, "values": {"jobTitle": "x"}}
    )
    first = call("read", own, catalog=catalog_of("customers"), config=config(own, num_workers=1))
    again = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert keys(own, "customers")[0] in ids(again, "customers")
    assert cursor(again, "customers")["updatedDate"] < hours_ago(0.9)


def test_a_state_of_tomorrow_asks_for_nothing_in_the_future(call: Connector, own: SandboxProcess) -> None:
    state = [{"stream": {"stream_descriptor": {"name": "feedback"}, "stream_state": {"createdDate": hours_ago(-23)}}}]
    run = call("read", own, catalog=catalog_of("feedback"), config=config(own), state=state)
    assert run.code == 0
    (line,) = own.stats()["log"]
    start = line.split("startDate=")[1][:13].replace("%3A", ":")
    assert start <= hours_ago(0)[:13]


def test_a_change_that_a_replica_shows_late(call: Connector, own: SandboxProcess) -> None:
    first = call("read", own, catalog=catalog_of("customers"), config=config(own))
    late = change(own, 7, stamp=False, updatedDate=hours_ago(2 / 60), jobTitle="late")
    again = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert late in ids(again, "customers")


def test_a_nightly_mass_update_does_not_come_again_every_hour(call: Connector, own: SandboxProcess) -> None:
    own.do(*({"kind": "customers", "change": i, "values": {"updatedDate": hours_ago(3)}} for i in range(50)))
    first = call("read", own, catalog=catalog_of("customers"), config=config(own))
    again = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert not ids(again, "customers")


def test_customers_without_an_updated_date(call: Connector, own: SandboxProcess) -> None:
    own.do({"switch": {"updated_date": "absent"}})
    first = call("read", own, catalog=catalog_of("customers"), config=config(own))
    changed = change(own, 11, jobTitle="changed")
    again = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert changed in ids(again, "customers")
    assert (
        len([log for log in again.of("LOG") if "updatedDate" in log["message"] and "emitted in each sync" in log["message"]])
        == 1
    )
    own.do({"switch": {"updated_date": "present"}})
    third = call("read", own, catalog=catalog_of("customers"), config=config(own), state=again.last_states())
    fourth = call("read", own, catalog=catalog_of("customers"), config=config(own), state=third.last_states())
    assert len(ids(fourth, "customers")) < 20


@pytest.mark.parametrize(
    "values",
    [
        {"isInQueueSetAt": "NOW"},
        {"lastSurveySent": {"date": "NOW"}},
        {"lastSurveySent": {"email": {"sent": "NOW"}}},
        {"surveySubscriptionStatus": {"changedAt": "NOW", "status": "off"}},
    ],
)
def test_a_change_that_moves_another_date(call: Connector, own: SandboxProcess, values: Any) -> None:
    def dated(value: Any, date: str) -> Any:
        return (
            {name: dated(inner, date) for name, inner in value.items()}
            if isinstance(value, dict)
            else value.replace("NOW", date)
        )

    first = call("read", own, catalog=catalog_of("customers"), config=config(own))
    changed = change(own, 3, stamp=False, **dated(values, hours_ago(1 / 60)))
    future = change(own, 4, stamp=False, **dated(values, hours_ago(-48)))
    again = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert changed in ids(again, "customers")
    assert future not in ids(again, "customers")


# ------------------------------------------------------------------------------------------------------------- 15: the states


def test_a_state_goes_out_with_each_page_whether_or_not_a_row_is_new(call: Connector, own: SandboxProcess) -> None:
    first = call("read", own, catalog=catalog_of("customers"), config=config(own))
    again = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert not again.records("customers")
    assert len(again.of("STATE")) == 6
    own.do({"fault": "401", "path": "customers", "page": 5})
    killed = call("read", own, catalog=catalog_of("customers"), config=config(own), state=first.last_states())
    assert killed.code == 1
    own.do({"faults": {"rate": 0}}, {"reset": True})
    resumed = call("read", own, catalog=catalog_of("customers"), config=config(own), state=killed.last_states())
    assert resumed.code == 0
    assert own.stats()["requests"] == {"customers": 2}


# ---------------------------------------------------------------------------------------------- 16: attempts of one sync


def of_sync(catalog: dict[str, Any], sync_id: Any, mode: str = "full_refresh") -> dict[str, Any]:
    streams = [{**stream, "sync_mode": mode, "sync_id": sync_id} for stream in catalog["streams"]]
    return {"streams": streams}


ALL = tuple(stream["stream"]["name"] for stream in json.loads(CATALOG.read_text(encoding="utf-8"))["streams"])


@pytest.mark.parametrize("sync_id", [None, 0, 1, 2, 77])
def test_what_an_earlier_attempt_has_finished_is_not_emitted_again(
    call: Connector, sandbox: SandboxProcess, sync_id: Any
) -> None:
    catalog = of_sync(catalog_of(*ALL), sync_id)
    first = call("read", sandbox, catalog=catalog)
    assert first.code == 0
    second = call("read", sandbox, catalog=catalog, state=first.last_states())
    assert second.code == 0
    assert statuses(second) == dict.fromkeys(ALL, "COMPLETE")
    is_same_sync = (sync_id or 0) > 1
    for stream in ALL:
        assert len(second.records(stream)) == (0 if is_same_sync else len(first.records(stream))), stream
    third = call("read", sandbox, catalog=of_sync(catalog_of(*ALL), (sync_id or 0) + 1), state=second.last_states())
    for stream in ALL:
        assert len(third.records(stream)) == len(first.records(stream)), stream


def test_a_finished_parent_is_still_listed_for_its_details(call: Connector, sandbox: SandboxProcess) -> None:
    first = call("read", sandbox, catalog=of_sync(catalog_of("templates"), 5))
    second = call("read", sandbox, catalog=of_sync(catalog_of("templates", "template_details"), 5), state=first.last_states())
    assert not second.records("templates")
    assert len(second.records("template_details")) == len(first.records("templates"))


# ----------------------------------------------------------------------------------------- limits, weight, what the log says


@pytest.mark.parametrize("limits", ["any", "round"])
def test_the_last_line_states_how_far_it_came(call: Connector, own: SandboxProcess, limits: str) -> None:
    own.do({"switch": {"limits": limits}})
    run = call("read", own, catalog=catalog_of(*PAGED), config=config(own))
    assert_complete(run, own, *PAGED)
    for stream in PAGED:
        lines = [log["message"] for log in run.of("LOG") if log["message"].startswith(f"{stream}: ")]
        assert lines[-1].startswith(f"{stream}: 500 of 500 records, read to the end")
        assert ("completeness is not proved" in lines[-1]) == (limits == "round")
    assert not warnings(run)


@pytest.mark.parametrize(("heavy", "used"), [(501, 500), (101, 100)])
def test_pages_that_are_too_heavy_become_smaller(call: Connector, own: SandboxProcess, heavy: int, used: int) -> None:
    own.do({"switch": {"heavy_rows": heavy}})
    run = call("read", own, catalog=catalog_of("feedback"), config=config(own, _page_size=1000), waits=False)
    assert_complete(run, own, "feedback")
    assert f"asking for {used}" in " ".join(log["message"] for log in run.of("LOG"))


def test_a_healthy_account_costs_few_requests(call: Connector, own: SandboxProcess) -> None:
    run = call("read", own, catalog=catalog_of(*PAGED), config=config(own))
    assert own.stats()["requests"] == dict.fromkeys(PATHS, 6)
    own.do({"reset": True})
    again = call("read", own, catalog=catalog_of("feedback", "outbox"), config=config(own), state=run.last_states())
    assert set(own.stats()["requests"].values()) == {1}
    assert not warnings(run) + warnings(again)
