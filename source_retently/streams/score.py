"""`Score`: what the scores of all metrics have in common."""

from abc import ABC
from functools import cached_property
from typing import Any

import requests

from source_retently.http.handler import PageRefused
from source_retently.streams.base import (
    NO_CONTENT,
    Fetched,
    PageToken,
    Records,
    RetentlyStream,
    Slice,
    response_without_body,
)
from source_retently.streams.pages import Row


class Score(RetentlyStream, ABC):
    """`GET /{metric}/score` (docs/api.md#scores): one row, the latest score of a metric with its counts.

    What the API returns for a metric that the account never surveyed is unknown: 404, no data, or nulls. None is an error.
    """

    primary_key = "metricsType"
    record_paths = ("data",)
    accepts_single_object = True

    def path(self, **_: Any) -> str:
        return f"{self.name}/score"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)

    @cached_property
    def _object_fields(self) -> frozenset[str]:
        return super()._object_fields | {self.name}  # as older responses name the score

    def rows_in(self, body: Any) -> list[Any] | None:
        is_empty = isinstance(body, dict) and body.get("code") == 200 and not body.get("data", True)
        return [] if is_empty else super().rows_in(body)

    def fill_in(self, row: Row, parent: Row) -> None:
        # Older responses name the score by its metric (docs/api.md#score-name), and not all of them name the metric.
        if row.get("score") is None and self.name in row:
            row["score"] = row.pop(self.name)
        row["metricsType"] = row.get("metricsType") or self.name.upper()

    def replace_refused(self, refusal: PageRefused, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        if refusal.status != 404:
            return super().replace_refused(refusal, stream_slice, next_page_token)
        self._outcome.no_data.add(self.name)
        self.logger.info(f"{self.name}: the account has no score of this metric.")
        return response_without_body(NO_CONTENT)
