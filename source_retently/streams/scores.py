"""Scores, reports and trends."""

from abc import ABC
from collections import Counter
from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any

import requests

from source_retently.http import PageRefused
from source_retently.streams.base import (
    NO_CONTENT,
    Fetched,
    Records,
    RetentlyStream,
    SingleResponseStream,
    Token,
    stable_hash,
    without_body,
)
from source_retently.streams.details import DetailStream, Listing, id_in
from source_retently.streams.paging import Row
from source_retently.values import Unfit, date_text, utc


class Score(SingleResponseStream, ABC):
    """`GET /{metric}/score` (docs/api.md#scores): one row, the latest score of a metric with its counts.

    What the API returns for a metric that the account never surveyed is unknown: 404, no data, or nulls. None is an error.
    """

    primary_key = "metricsType"
    records_at = ("data",)
    answers_one_object = True

    def path(self, **_: Any) -> str:
        return f"{self.name}/score"

    def rows_in(self, body: Any) -> list[Any] | None:
        is_empty = isinstance(body, dict) and body.get("code") == 200 and not body.get("data", True)
        return [] if is_empty else super().rows_in(body)

    def fill_in(self, row: Row, parent: Row) -> None:
        # Older responses call the score by its metric (docs/api.md#score-name), and not all of them name the metric.
        if row.get("score") is None and self.name in row:
            row["score"] = row.pop(self.name)
        row["metricsType"] = row.get("metricsType") or self.name.upper()

    def _skip(self, refusal: PageRefused, stream_slice: Token) -> Fetched:
        if refusal.status == 404:
            self._context.absent.add(self.name)
            self.logger.info(f"{self.name}: the account has no score of this metric.")
            return without_body(NO_CONTENT)
        return super()._skip(refusal, stream_slice)


class Nps(Score):
    """The Net Promoter Score, -100 to 100."""


class Csat(Score):
    """The customer satisfaction score."""


class Ces(Score):
    """The customer effort score."""


class Star(Score):
    """The score in stars."""


class Reports(RetentlyStream):
    """`GET /reports` (docs/api.md#reports): one row a campaign, with its figures of each day; a list, or a single object.

    With a start date it asks for the days since; the range that the API takes by default is unknown.
    """

    primary_key = "campaignId"
    records_at = ("data",)
    answers_one_object = True

    def path(self, **_: Any) -> str:
        return "reports"

    def request_params(
        self, stream_state: Token, stream_slice: Token = None, next_page_token: Token = None
    ) -> MutableMapping[str, Any]:
        start = self._context.window.start_date
        if start is None:
            return {}
        return {"startDate": date_text(start)[:10], "endDate": date_text(datetime.now(timezone.utc))[:10]}

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return None


class TrendGroups(Listing):
    """`GET /trends` (docs/api.md#trend_groups): one row a group of trends.

    Its key is `_id` in the API, and `id` here as well.
    """

    records_at = ("groups", "data.groups", "data")
    may_be_lacking = True

    def path(self, **_: Any) -> str:
        return "trends"

    def fill_in(self, row: Row, parent: Row) -> None:
        row["id"] = row.get("id") or row.get("_id")


class Trends(DetailStream):
    """`GET /trends/{groupId}` (docs/api.md#trends): one row a trend of a group, in the account's default range of dates.

    What a trend holds beside its score is unknown, so it stays whole, in `trend`. Its key is the API's, if there is one, else
    a hash of the group and of all texts in the trend that are no dates, and of its place among trends that agree in these.
    """

    parent_stream = TrendGroups
    records_at = ("trends", "data.trends", "data")

    def path(self, *, stream_slice: Token = None, **_: Any) -> str:
        return f"trends/{id_in(stream_slice, 'groupId')}"

    def rows_in(self, body: Any) -> list[Any] | None:
        trends = super().rows_in(body)
        if trends is None:
            return None
        data = body["data"] if isinstance(body.get("data"), dict) else {}
        date_range = body.get("dateRange") or data.get("dateRange")
        return [{"trend": trend, "dateRange": date_range} if isinstance(trend, dict) else trend for trend in trends]

    def records(self, response: requests.Response, stream_slice: Token = None) -> Records:
        alike: Counter[str] = Counter()
        for row in self._rows(response, stream_slice):
            key = row["id"]
            alike[key] += 1
            yield row if alike[key] == 1 else {**row, "id": stable_hash([key, alike[key]])}

    def fill_in(self, row: Row, parent: Row) -> None:
        row.update(groupId=parent.get("id"), groupName=parent.get("groupName"), metric=parent.get("metric"))

    def set_primary_key(self, row: Row) -> None:
        trend = row.get("trend") or {}
        own = trend.get("_id") or trend.get("id")
        texts = {name: value for name, value in trend.items() if isinstance(value, str) and not _is_date(value)}
        row["id"] = stable_hash([row["groupId"], own or texts])


def _is_date(text: str) -> bool:
    try:
        return utc(text) is not None
    except Unfit:
        return False
