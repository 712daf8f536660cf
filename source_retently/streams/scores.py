"""What it adds up to: the latest score and the reports of the campaigns."""

from collections.abc import Iterable
from typing import Any

import requests

from source_retently.streams.base import RetentlyStream, Token
from source_retently.streams.walk import Row


class Nps(RetentlyStream):
    """`GET /nps/score` (reference 2.13): one row, the latest Net Promoter Score with its counts."""

    primary_key = "metricsType"
    records_at = ("data",)
    answers_one_object = True

    def path(self, **_: Any) -> str:
        return "nps/score"

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return None

    def complete(self, row: Row) -> None:
        # Older answers call the score by its metric (contradiction 13), and not all of them name the metric.
        if row.get("score") is None and "nps" in row:
            row["score"] = row.pop("nps")
        row["metricsType"] = row.get("metricsType") or "NPS"


class Reports(RetentlyStream):
    """`GET /reports` (reference 2.12): one row a campaign, with its figures of each day; a list, or a single object."""

    primary_key = "campaignId"
    records_at = ("data",)
    answers_one_object = True

    def path(self, **_: Any) -> str:
        return "reports"

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return None
