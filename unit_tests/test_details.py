"""Streams with a request for each row of another stream, and scores that may be missing."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses

from unit_tests.conftest import API, CONFIG, refusal, sync
from unit_tests.run import state_of

GROUPS = {
    "success": True,
    "groups": [{"_id": "g1", "groupName": "Teams", "metric": "NPS"}, {"_id": "g/2", "groupName": "Regions"}],
}


def serve_trends(api: responses.RequestsMock) -> None:
    api.get(f"{API}trends", json=GROUPS)
    trends = [{"name": "Sales", "score": {"current": 1.5}}, {"name": "Sales", "updated": "2026-01-01T00:00:00Z"}]
    api.get(f"{API}trends/g1", json={"success": True, "dateRange": {"from": "2026-01-01"}, "trends": trends})
    api.get(f"{API}trends/g%2F2", json={"success": True, "trends": [{"name": "Sales"}, {"_id": "own"}]})


def test_trends_have_their_groups_name_and_a_key(api: responses.RequestsMock) -> None:
    serve_trends(api)
    run = sync("trend_groups", "trends")
    groups, trends = run.records("trend_groups"), run.records("trends")
    assert [(group["id"], group["_id"]) for group in groups] == [("g1", "g1"), ("g/2", "g/2")]
    assert [(trend["groupId"], trend["groupName"]) for trend in trends] == [("g1", "Teams")] * 2 + [("g/2", "Regions")] * 2
    assert trends[0]["trend"] == {"name": "Sales", "score": {"current": 1.5}}
    assert trends[0]["dateRange"] == {"from": "2026-01-01"}
    assert trends[0]["metric"] == "NPS"
    assert len({trend["id"] for trend in trends}) == 4


def test_the_keys_of_trends_stay_the_same(api: responses.RequestsMock) -> None:
    serve_trends(api)
    first = [trend["id"] for trend in sync("trends").records("trends")]
    assert [trend["id"] for trend in sync("trends").records("trends")] == first
    # Golden: other keys would bring every trend into every warehouse a second time.
    assert first[0] == GOLDEN


GOLDEN = "738fcf17080b0883e031c71d675765fb"


def test_groups_and_templates_are_requested_once(api: responses.RequestsMock) -> None:
    serve_trends(api)
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}]})
    api.get(f"{API}templates/t1", json={"data": {"id": "t1", "surveyQuestions": [{"title": "Why?"}]}})
    run = sync("templates", "template_details", "trend_groups", "trends")
    assert run.records("template_details") == [{"id": "t1", "surveyQuestions": [{"title": "Why?"}]}]
    requested = [str(call.request.url).removeprefix(API) for call in api.calls]
    assert sorted(requested) == ["templates", "templates/t1", "trends", "trends/g%2F2", "trends/g1"]
    assert not run.errors


def test_details_are_read_again_with_the_state_of_the_last_sync(api: responses.RequestsMock) -> None:
    serve_trends(api)
    of_slices = {"states": [{"partition": {"parent": {"id": "g1"}}, "cursor": {"__ab_full_refresh_sync_complete": True}}]}
    for state in [*sync("trends").of("STATE"), state_of("trends", of_slices)]:
        assert len(sync("trends", states=[state]).records("trends")) == 4


def test_details_of_deleted_rows_are_left_out(api: responses.RequestsMock) -> None:
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}, {"id": "t2"}]})
    api.get(f"{API}templates/t1", status=404, json=refusal(404))
    api.get(f"{API}templates/t2", json={"data": {"name": "Two"}})
    run = sync("template_details")
    assert run.records("template_details") == [{"id": "t2", "name": "Two"}]
    assert run.warnings == ["template_details: t1 was deleted meanwhile (HTTP 404), going on without it."]


def test_details_that_no_row_has_are_skipped(api: responses.RequestsMock) -> None:
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}, {"id": "t2"}]})
    for name in ("t1", "t2"):
        api.get(f"{API}templates/{name}", status=404, json=refusal(404))
    run = sync("templates", "template_details")
    assert run.warnings[-1].startswith("template_details is skipped: the API has no details of any of the 2 rows of templates")
    assert "template_details: skipped, see the warning above" in run.logs()[-1]


@pytest.mark.parametrize("status", [404, 410])
def test_details_of_deleted_groups_are_left_out(api: responses.RequestsMock, status: int) -> None:
    api.get(f"{API}trends", json=GROUPS)
    api.get(f"{API}trends/g1", status=status, json={"success": False})
    api.get(f"{API}trends/g%2F2", json={"success": True, "trends": [{"name": "Sales"}]})
    run = sync("trends")
    assert len(run.records("trends")) == 1
    assert run.warnings == [f"trends: g1 was deleted meanwhile (HTTP {status}), going on without it."]
    assert len(api.calls) == 3


@pytest.mark.parametrize("refused", [{"status": 403, "json": refusal(403)}, {"status": 404, "body": "<html>deployment</html>"}])
def test_details_that_are_refused_after_others_came_fail(
    api: responses.RequestsMock, waits: list[float], refused: dict[str, Any]
) -> None:
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}, {"id": "t2"}, {"id": "t3"}]})
    api.get(f"{API}templates/t1", json={"data": {"name": "One"}})
    api.get(f"{API}templates/t2", **refused)
    run = sync("template_details")
    assert len(run.records("template_details")) == 1
    assert run.errors


def test_details_that_the_plan_lacks_cost_one_request(api: responses.RequestsMock) -> None:
    api.get(f"{API}templates", json={"templates": [{"id": "t1"}, {"id": "t2"}]})
    api.get(f"{API}templates/t1", status=403, json=refusal(403))
    run = sync("templates", "template_details")
    assert len(run.warnings) == 1
    assert len(api.calls) == 2
    assert not run.errors


@pytest.mark.parametrize("status", [403, 404])
def test_details_of_a_stream_that_is_skipped_are_skipped(api: responses.RequestsMock, status: int) -> None:
    api.get(f"{API}trends", status=status, json=refusal(status))
    run = sync("trends")
    assert "trends is skipped, since trend_groups is." in run.warnings
    assert "every stream of the connection" in run.error_message


def test_a_parent_that_fails_fails_its_details(api: responses.RequestsMock) -> None:
    api.get(f"{API}trends", status=400)
    assert sync("trends").errors


@pytest.mark.parametrize("metric", ["nps", "csat", "ces", "star"])
@pytest.mark.parametrize(
    ("response", "rows"),
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
    api: responses.RequestsMock, metric: str, response: dict[str, Any], rows: int
) -> None:
    api.get(f"{API}{metric}/score", **response)
    run = sync(metric)
    assert not run.errors
    assert not run.warnings
    assert len(run.records(metric)) == rows
    assert all(record["metricsType"] == metric.upper() for record in run.records(metric))


@pytest.mark.parametrize("metric", ["nps", "csat", "ces", "star"])
def test_older_responses_name_the_score_by_its_metric(api: responses.RequestsMock, metric: str) -> None:
    api.get(f"{API}{metric}/score", json={"data": {metric: 39, "promoters": 62}})
    assert sync(metric).records(metric) == [{"score": 39, "promoters": 62, "metricsType": metric.upper()}]


def test_the_account_is_one_row_whatever_it_holds(api: responses.RequestsMock) -> None:
    api.get(f"{API}ping", json={"code": 200, "data": {"account": {"id": "a1", "name": "ACME"}, "usage": {"sent": 7}}})
    assert sync("account").records("account") == [{"account": {"id": "a1", "name": "ACME"}, "usage": {"sent": 7}, "id": "a1"}]
    api.replace(responses.GET, f"{API}ping", json={"code": 200, "data": {"usage": {"sent": 8}}})
    assert sync("account").records("account") == [{"usage": {"sent": 8}, "id": "account"}]


def test_suppressions_may_be_masked_alike(api: responses.RequestsMock) -> None:
    masked = [{"id": "1", "email": "j***@g***.com"}, {"id": "2", "email": "j***@g***.com"}]
    api.get(f"{API}suppressions/emails", json={"data": masked})
    api.get(f"{API}suppressions/domains", json={"data": []})
    run = sync("suppressed_emails", "suppressed_domains")
    assert run.records("suppressed_emails") == masked
    assert not run.errors


@pytest.mark.parametrize(("start", "expected"), [(None, None), ("2026-03-04T23:30:00-02:00", "2026-03-05")])
def test_reports_are_requested_since_the_start_date(
    api: responses.RequestsMock, start: str | None, expected: str | None
) -> None:
    api.get(f"{API}reports", json={"data": []})
    sync("reports", config={**CONFIG, **({"start_date": start} if start else {})})
    params = dict(parse_qsl(urlsplit(str(api.calls[0].request.url)).query))
    assert params.get("startDate") == expected
    assert ("endDate" in params) == bool(expected)
    assert all(len(value) == 10 for value in params.values())
