"""Streams that ask about each row of another one, and scores that may not be there."""

import json
from typing import Any

import pytest
import responses
from airbyte_cdk.models import SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.test.entrypoint_wrapper import read as run_read
from airbyte_cdk.test.state_builder import StateBuilder

from source_retently import SourceRetently
from unit_tests.conftest import API, CONFIG, refusal

GROUPS = {
    "success": True,
    "groups": [{"_id": "g1", "groupName": "Teams", "metric": "NPS"}, {"_id": "g/2", "groupName": "Regions"}],
}


def sync(*names: str, state: Any = None, config: Any = CONFIG, fails: bool = False) -> EntrypointOutput:
    builder = CatalogBuilder()
    for name in names:
        builder = builder.with_stream(name, SyncMode.full_refresh)
    return run_read(SourceRetently(), config, builder.build(), state, expecting_exception=fails)


def records(output: EntrypointOutput, stream: str) -> list[dict[str, Any]]:
    found = [message.record for message in output.records]
    return [dict(record.data) for record in found if record and record.stream == stream]


def warnings(output: EntrypointOutput) -> list[str]:
    return [message.log.message for message in output.logs if message.log and message.log.level.value == "WARN"]


def serve_trends(api: responses.RequestsMock) -> None:
    api.get(f"{API}trends", json=GROUPS)
    trends = [{"name": "Sales", "score": {"current": 1.5}}, {"name": "Sales", "updated": "2026-01-01T00:00:00Z"}]
    api.get(f"{API}trends/g1", json={"success": True, "dateRange": {"from": "2026-01-01"}, "trends": trends})
    api.get(f"{API}trends/g%2F2", json={"success": True, "trends": [{"name": "Sales"}, {"_id": "own"}]})


def test_trends_of_each_group_with_its_name_and_a_key_of_their_own(api: responses.RequestsMock) -> None:
    serve_trends(api)
    output = sync("trend_groups", "trends")
    groups, trends = records(output, "trend_groups"), records(output, "trends")
    assert [(group["id"], group["_id"]) for group in groups] == [("g1", "g1"), ("g/2", "g/2")]
    assert [(trend["groupId"], trend["groupName"]) for trend in trends] == [("g1", "Teams")] * 2 + [("g/2", "Regions")] * 2
    assert trends[0]["trend"] == {"name": "Sales", "score": {"current": 1.5}}
    assert trends[0]["dateRange"] == {"from": "2026-01-01"}
    assert trends[0]["metric"] == "NPS"
    assert len({trend["id"] for trend in trends}) == 4


def test_the_keys_of_trends_stay_the_same(api: responses.RequestsMock) -> None:
    serve_trends(api)
    first = [trend["id"] for trend in records(sync("trends"), "trends")]
    assert [trend["id"] for trend in records(sync("trends"), "trends")] == first
    # Golden: other keys would bring every trend into every warehouse a second time.
    assert first[0] == GOLDEN


GOLDEN = "738fcf17080b0883e031c71d675765fb"


def test_groups_and_templates_are_asked_for_once(api: responses.RequestsMock) -> None:
    serve_trends(api)
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}]})
    api.get(f"{API}templates/t1", json={"data": {"id": "t1", "surveyQuestions": [{"title": "Why?"}]}})
    output = sync("templates", "template_details", "trend_groups", "trends")
    assert records(output, "template_details") == [{"id": "t1", "surveyQuestions": [{"title": "Why?"}]}]
    asked = [str(call.request.url).removeprefix(API) for call in api.calls]
    assert sorted(asked) == ["templates", "templates/t1", "trends", "trends/g%2F2", "trends/g1"]
    assert not output.errors


def test_details_are_read_again_with_the_state_of_the_last_sync(api: responses.RequestsMock) -> None:
    serve_trends(api)
    states = [json.loads(json.dumps(vars(message.state.stream.stream_state))) for message in sync("trends").state_messages]  # type: ignore[union-attr]
    for state in [
        *states,
        {"states": [{"partition": {"parent": {"id": "g1"}}, "cursor": {"__ab_full_refresh_sync_complete": True}}]},
    ]:
        again = sync("trends", state=StateBuilder().with_stream_state("trends", state).build())
        assert len(records(again, "trends")) == 4


def test_what_is_gone_meanwhile_is_left_out(api: responses.RequestsMock) -> None:
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}, {"id": "t2"}]})
    api.get(f"{API}templates/t1", status=404, json=refusal(404))
    api.get(f"{API}templates/t2", json={"data": {"name": "Two"}})
    output = sync("template_details")
    assert records(output, "template_details") == [{"id": "t2", "name": "Two"}]
    assert warnings(output) == ["template_details: t1 was deleted meanwhile (HTTP 404), going on without it."]


def test_details_that_the_plan_lacks_are_asked_for_once(api: responses.RequestsMock) -> None:
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}, {"id": "t2"}]})
    api.get(f"{API}templates/t1", status=403, json=refusal(403))
    output = sync("templates", "template_details")
    assert len(warnings(output)) == 1
    assert len(api.calls) == 2
    assert not output.errors


@pytest.mark.parametrize("status", [403, 404])
def test_details_of_a_stream_that_is_skipped_are_skipped(api: responses.RequestsMock, status: int) -> None:
    api.get(f"{API}trends", status=status, json=refusal(status))
    output = sync("trends", fails=True)
    assert "trends is skipped, since trend_groups is." in warnings(output)
    assert "every stream of the connection" in output.errors[-1].trace.error.message  # type: ignore[union-attr]


def test_a_parent_that_fails_fails_its_details(api: responses.RequestsMock) -> None:
    api.get(f"{API}trends", status=400)
    assert sync("trends", fails=True).errors


@pytest.mark.parametrize("metric", ["nps", "csat", "ces", "star"])
@pytest.mark.parametrize(
    ("answer", "rows"),
    [
        ({"status": 404, "json": refusal(404)}, 0),
        ({"json": {"code": 200, "data": None}}, 0),
        ({"json": {"code": 200, "data": {}}}, 0),
        ({"json": {"code": 200, "data": []}}, 0),
        ({"json": {"code": 200, "data": {"score": None, "totalResponses": 0}}}, 1),
        ({"json": {"code": 200, "data": {"score": "4.25", "ratingDistribution": {"5": 3}}}}, 1),
    ],
)
def test_a_metric_that_was_never_surveyed_is_no_failure(
    api: responses.RequestsMock, metric: str, answer: dict[str, Any], rows: int
) -> None:
    api.get(f"{API}{metric}/score", **answer)
    output = sync(metric)
    assert not output.errors
    assert not warnings(output)
    assert len(records(output, metric)) == rows
    assert all(record["metricsType"] == metric.upper() for record in records(output, metric))


@pytest.mark.parametrize("metric", ["nps", "csat", "ces", "star"])
def test_older_answers_call_the_score_by_its_metric(api: responses.RequestsMock, metric: str) -> None:
    api.get(f"{API}{metric}/score", json={"data": {metric: 39, "promoters": 62}})
    assert records(sync(metric), metric) == [{"score": 39, "promoters": 62, "metricsType": metric.upper()}]


def test_the_account_is_one_row_whatever_it_holds(api: responses.RequestsMock) -> None:
    api.get(f"{API}ping", json={"code": 200, "data": {"account": {"id": "a1", "name": "ACME"}, "usage": {"sent": 7}}})
    assert records(sync("account"), "account") == [{"account": {"id": "a1", "name": "ACME"}, "usage": {"sent": 7}, "id": "a1"}]
    api.replace(responses.GET, f"{API}ping", json={"code": 200, "data": {"usage": {"sent": 8}}})
    assert records(sync("account"), "account") == [{"usage": {"sent": 8}, "id": "account"}]


def test_suppressions_may_be_masked_alike(api: responses.RequestsMock) -> None:
    masked = [{"id": "1", "email": "j***@g***.com"}, {"id": "2", "email": "j***@g***.com"}]
    api.get(f"{API}suppressions/emails", json={"data": masked})
    api.get(f"{API}suppressions/domains", json={"data": []})
    output = sync("suppressed_emails", "suppressed_domains")
    assert records(output, "suppressed_emails") == masked
    assert not output.errors


@pytest.mark.parametrize(("start", "asked"), [(None, None), ("2026-03-04T23:30:00-02:00", "2026-03-05")])
def test_reports_are_asked_for_since_the_start_date(api: responses.RequestsMock, start: str | None, asked: str | None) -> None:
    api.get(f"{API}reports", json={"data": []})
    sync("reports", config={**CONFIG, **({"start_date": start} if start else {})})
    params = api.calls[0].request.params  # type: ignore[attr-defined]
    assert params.get("startDate") == asked
    assert ("endDate" in params) == bool(asked)
    assert all(len(value) == 10 for value in params.values())
