"""The endpoints that give everything in one response: short lists, single objects, and details of one row."""

from collections.abc import Mapping
from typing import Any

from sandbox.control import Control
from sandbox.data import METRICS, Row, campaigns, questions, stamp, templates, trend_groups, trends_of
from sandbox.endpoints import example_rows, likely_array, nested
from sandbox.errors import ApiError
from sandbox.reports import DEFAULT_DAYS, reports, score
from sandbox.store import DAY
from source_retently.streams.base import RetentlyStream
from source_retently.streams.score import Score


class ShortLists:
    """Makes the bodies of the endpoints without pages."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def body(self, stream: RetentlyStream, ids: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
        """
        :param ids: what is in place of the placeholders of the path
        :raises ApiError: when there is no such row, or no such endpoint
        """
        switches = self._control.switches
        if isinstance(stream, Score):
            return self.score(stream.name.upper())
        if stream.name == "trend_groups":
            return {"success": True, "groups": self._trend_groups()}
        if stream.name == "trends":
            return self._trends(ids["groupId"])
        rows = self.rows(stream)
        if stream.name == "reports":
            rows = reports(self._control.store, query.get("startDate"), query.get("endDate"))
        if stream.name == "template_details":
            rows = [row for row in rows if row["id"] == ids["templateId"]]
        is_single = switches.reports_as == "object" if stream.name == "reports" else stream.accepts_single_object
        if is_single and not rows:
            raise ApiError(404)
        array = {"campaigns": switches.campaigns_in, "templates": switches.templates_in}.get(stream.name, likely_array(stream))
        return nested(array, rows[0] if is_single else rows)

    def rows(self, stream: RetentlyStream) -> list[Row]:
        """All rows of an endpoint; of one with an id in its path the rows of all ids."""
        store, switches = self._control.store, self._control.switches
        match stream.name:
            case "campaigns":
                return campaigns()
            case "templates":
                return templates()
            case "template_details":
                return [{**template, "surveyQuestions": questions(template["metric"])} for template in templates()]
            case "trend_groups":
                return self._trend_groups()
            case "trends":
                return [trend for group in self._trend_groups() for trend in self._trends_of(group)]
            case "reports":
                return reports(store)[: 1 if switches.reports_as == "object" else None]
            case "account" if switches.ping == "absent":
                return []
        if isinstance(stream, Score):
            found = score(store, switches, stream.name.upper())
            return [found] if found else [self._nulls(stream.name.upper())] if switches.unsurveyed == "nulls" else []
        return example_rows(stream)

    def score(self, metric: str) -> dict[str, Any]:
        """The body of a score, also of a metric that has no stream.

        :raises ApiError: when there is no such metric, or it was never surveyed and the switch wants that refused
        """
        switches = self._control.switches
        if metric not in METRICS:
            raise ApiError(404)
        found = score(self._control.store, switches, metric)
        if found is None and switches.unsurveyed == "refuse":
            raise ApiError(404)
        return {"data": found or {"null": None, "empty": {}, "nulls": self._nulls(metric)}[switches.unsurveyed]}

    @staticmethod
    def _nulls(metric: str) -> Row:
        return {"score": None, "metricsType": metric, "totalResponses": 0}

    def _trends(self, group_id: str) -> dict[str, Any]:
        days = self._day(-DEFAULT_DAYS * DAY), self._day(-1)
        for group in self._trend_groups():
            if group_id in (group["_id"], "default" if group["isDefault"] else None):
                named = {"groupName": group["groupName"], "metric": group["metric"]}
                date_range = dict(zip(("startDate", "endDate"), days, strict=True))
                return {"success": True, "group": named, "dateRange": date_range, "trends": self._trends_of(group)}
        raise ApiError(404)

    def _trends_of(self, group: Row) -> list[Row]:
        return trends_of(group, self._control.switches.trend_ids == "present", self._day(-1))

    def _trend_groups(self) -> list[Row]:
        return trend_groups(stamp(self._control.store.account.start))

    def _day(self, milliseconds: int) -> str:
        """The day so many milliseconds from where the account's dates end."""
        return stamp(self._control.store.account.end + milliseconds)[:10]
