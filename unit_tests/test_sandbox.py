"""The sandbox's account: its streams agree with each other, and its dates end where they should."""

from collections import Counter
from datetime import datetime, timezone
from typing import Any

import pytest

from sandbox.account import Account
from sandbox.control import Control
from sandbox.data import METRICS, RATING_QUESTIONS, Row, stamp
from sandbox.endpoints import ENDPOINTS
from sandbox.lists import Lists
from sandbox.server import midnight
from sandbox.short_lists import ShortLists
from sandbox.store import Store
from sandbox.switches import Switches

COUNTS = {"customers": 90, "companies": 8, "feedback": 300, "outbox": 700}
PAGED = tuple(COUNTS)


class Imitation:
    """An account without its HTTP server."""

    def __init__(self, **account: Any) -> None:
        self.account = Account(COUNTS, **account)
        self.control = Control(Store(self.account), Switches(survey_id="always"))
        self._short_lists = ShortLists(self.control)

    def rows(self, name: str, **query: str) -> list[Row]:
        """The rows of a stream, as the API returns them."""
        if name in PAGED:
            return Lists(self.control).rows(name)
        (stream,) = (stream for stream in ENDPOINTS if stream.name == name)
        if name != "reports":
            return self._short_lists.rows(stream)
        reports: list[Row] = self._short_lists.body(stream, {}, query)["data"]
        return reports

    def by_id(self, name: str) -> dict[str, Row]:
        return {row["surveyId" if name == "outbox" else "id"]: row for row in self.rows(name)}


@pytest.fixture(scope="module")
def api() -> Imitation:
    imitation = Imitation()
    imitation.control.do({"kind": "feedback", "insert": 3})
    imitation.control.do({"kind": "feedback", "delete": [0, 7]})
    imitation.control.do({"kind": "feedback", "change": 4, "values": {"score": 1}})
    return imitation


def test_responses_and_sent_surveys_agree(api: Imitation) -> None:
    sent, templates, campaigns = api.by_id("outbox"), api.by_id("templates"), api.by_id("campaigns")
    for response in api.rows("feedback"):
        campaign = campaigns[response["campaignId"]]
        assert (campaign["name"], campaign["metric"]) == (response["campaignName"], response["metricsType"])
        assert {topic["sentiment"].title() for topic in response["feedbackTopics"]} == {response["ratingCategory"]}
        if response["surveyId"] is None:
            continue  # it was inserted
        survey = sent[response["surveyId"]]
        same = ("customerId", "campaignId", "companyId", "channel", "email")
        assert [survey[name] for name in same] == [response[name] for name in same]
        assert survey["responseId"] == response["id"]
        assert survey["detailedStatus"]["respondedDate"] == response["createdDate"]
        assert survey["sentDate"] < survey["detailedStatus"]["openedDate"] < response["createdDate"]
    for survey in sent.values():
        campaign, what = campaigns[survey["campaignId"]], survey["detailedStatus"]
        assert survey["surveyTemplateId"] == campaign["templateId"]
        assert survey["status"] == ("RESPONDED" if what["isResponded"] else "OPENED" if what["isOpened"] else "SENT")
        assert not (what["isBounced"] and what["isOpened"])
        assert what["isOpened"] or not (what["isResponded"] or what["isOptedOut"])
    assert {name: template["metric"] for name, template in templates.items()} == {
        campaign["templateId"]: campaign["metric"] for campaign in campaigns.values()
    }


def test_the_questions_of_a_template_are_about_its_metric(api: Imitation) -> None:
    for template in api.rows("template_details"):
        assert template["surveyQuestions"][0]["title"] == RATING_QUESTIONS[template["metric"]]


def test_a_score_is_what_the_responses_add_up_to(api: Imitation) -> None:
    for metric in METRICS[:4]:
        answers = [row["score"] for row in api.rows("feedback") if row["metricsType"] == metric]
        high, low, least, most = (9, 6, 0, 10) if metric == "NPS" else (4, 2, 1, 5)
        assert least <= min(answers) <= max(answers) <= most
        (score,) = api.rows(metric.lower())
        assert score["totalResponses"] == len(answers)
        assert score["promotersCount"] == sum(answer >= high for answer in answers)
        assert score["detractorsCount"] == sum(answer <= low for answer in answers)
        assert score["scoreSum"] == sum(answers)
        assert Counter({int(rating): n for rating, n in score["ratingDistribution"].items()}) == Counter(answers)
        share = 100 * score["promotersCount"] / len(answers)
        average = sum(answers) / len(answers)
        expected = {"NPS": share - 100 * score["detractorsCount"] / len(answers), "CSAT": share}.get(metric, average)
        assert score["score"] == pytest.approx(expected, abs=0.5 if metric in ("NPS", "CSAT") else 0.05)


@pytest.mark.parametrize(
    ("start", "end"), [("2020-01-01", "2030-01-01"), ("2026-01-10", "2026-03-20")], ids=["all days", "some days"]
)
def test_a_report_is_what_its_campaign_has_in_these_days(api: Imitation, start: str, end: str) -> None:
    for report in api.rows("reports", startDate=start, endDate=end):

        def ours(stream: str, date: str, campaign: str = report["campaignId"]) -> list[Row]:
            return [row for row in api.rows(stream) if row["campaignId"] == campaign and start <= row[date][:10] <= end]

        answers, sent = ours("feedback", "createdDate"), ours("outbox", "sentDate")
        assert report["last"]["total"] == len(answers)
        by_day = Counter(row["createdDate"][:10] for row in answers)
        assert {day["day"]: day["total"] for day in report["trend"]} == by_day
        assert report["score"] == report["last"]["score"]
        assert report["deliveryStats"] == {
            "totalCount": len(sent),
            "opened": sum(row["detailedStatus"]["isOpened"] for row in sent),
            "responded": sum(row["detailedStatus"]["isResponded"] for row in sent),
            "optedOut": sum(row["detailedStatus"]["isOptedOut"] for row in sent),
            "isBounced": sum(row["detailedStatus"]["isBounced"] for row in sent),
        }
        assert {question["metricsType"] for question in report["questionsStats"]} == {report["metric"]}


def test_a_company_has_the_customers_that_name_it(api: Imitation) -> None:
    named = Counter(row["companyId"] for row in api.rows("customers"))
    assert {row["id"]: row["contactsCount"] for row in api.rows("companies")} == named


@pytest.mark.parametrize("day", ["2026-06-01", "2031-02-03"])
def test_the_dates_end_at_the_newest(day: str) -> None:
    own = Imitation(newest=midnight(day))
    for stream in PAGED:
        rows = own.rows(stream)
        dates = [date for row in rows for date in dates_in({**row, "properties": None, "attributes": None})]
        assert max(dates) < day
        assert len(rows) < 200 or max(dates) > stamp(own.account.end - 7 * 86_400_000)


def test_the_same_rows_come_with_other_dates() -> None:
    one, other = Imitation(), Imitation(newest=midnight("2031-02-03"))
    assert [row["score"] for row in one.rows("feedback")] == [row["score"] for row in other.rows("feedback")]


def dates_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [date for inner in value.values() for date in dates_in(inner)]
    return [value] if isinstance(value, str) and value.endswith("Z") and value[:2] == "20" else []


def test_newest_is_today_or_a_date() -> None:
    assert midnight("2026-06-01") == datetime(2026, 6, 1, tzinfo=timezone.utc)
    assert midnight("today").date() == datetime.now(timezone.utc).date()
    with pytest.raises(ValueError, match="soon"):
        midnight("soon")
