"""`Samples`: one response of each stream, requested once and used by all questions."""

from typing import Any

from probe.api import Api, Response
from source_retently.streams.details import DetailStream
from source_retently.streams.paged import PagedStream

SAMPLE = 200
"""Rows requested of each paged stream."""


class Samples:
    """The first response of each stream of an account."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.responses: dict[str, Response] = {}
        """By stream; without a detail stream whose parent has no rows."""
        for name, stream in api.streams.items():
            if isinstance(stream, DetailStream):
                rows = self.rows(stream.parent_stream().name)
                ids = [found for row in rows if isinstance(found := row.get("id") or row.get("_id"), str)]
                if ids:
                    self.responses[name] = api.get(stream.path(stream_slice={"parent": {"id": ids[0]}}))
            else:
                params = {"limit": SAMPLE, "sort": stream.sort} if isinstance(stream, PagedStream) else {}
                self.responses[name] = api.get(stream.path(), **params)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """The rows in a stream's response."""
        return self.api.rows(stream, self.responses[stream]) if stream in self.responses else []

    def request(self, stream: str, **params: Any) -> Response:
        """One more response of a stream."""
        return self.api.get(self.api.streams[stream].path(), **params)

    def request_rows(self, stream: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of one more response of a stream."""
        return self.api.rows(stream, self.request(stream, **params))
