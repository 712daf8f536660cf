"""`DetailStream`: a request for each row of another stream."""

from abc import ABC
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import requests
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.http import HttpSubStream
from requests.auth import AuthBase

from source_retently.context import HttpContext
from source_retently.http import PageRefused
from source_retently.streams.base import NO_CONTENT, Fetched, Records, SingleResponseStream, Token, without_body
from source_retently.streams.paging import Row


class Listing(SingleResponseStream, ABC):
    """A short list in one response, whose rows are kept for the streams of their details."""

    def __init__(self, authenticator: AuthBase | None = None, context: HttpContext | None = None) -> None:
        super().__init__(authenticator, context)
        self._listed: list[Row] | None = None

    def records(self, response: requests.Response, stream_slice: Token = None) -> Records:
        self._listed = [row for row in super().records(response, stream_slice) if isinstance(row, dict)]
        return self._listed

    def listed(self) -> list[Row]:
        """The rows, asked for unless the sync has read them before."""
        if self._listed is None:
            list(self.read_records(SyncMode.full_refresh))
        return self._listed or []


class DetailStream(HttpSubStream, SingleResponseStream, ABC):
    """One request for each row of a `Listing`; a row that is gone meanwhile (404) costs a line in the log.

    Subclasses declare `parent_stream`, and get the row that a request is about in `fill_in(row, parent)`.
    """

    parent_stream: type[Listing]
    may_be_lacking = True

    def __init__(
        self,
        authenticator: AuthBase | None = None,
        context: HttpContext | None = None,
        parent: Listing | None = None,
    ) -> None:
        """
        :param parent: the stream whose rows are asked about; one of its own where none is shared
        """
        self._listing = parent or self.parent_stream(authenticator, context)
        super().__init__(parent=self._listing, authenticator=authenticator, context=context)
        # A state that says which rows are done is handed back after a finished sync, too, and would end all later ones.
        self.cursor = None

    def stream_slices(
        self, sync_mode: SyncMode | None = None, cursor_field: list[str] | None = None, stream_state: Token = None
    ) -> Iterable[Mapping[str, Any]]:
        """A slice for each row of the parent."""
        rows = self._listing.listed()
        if self._listing.name in self._context.skipped:
            self._context.skipped.add(self.name)
            self.logger.warning(f"{self.name} is skipped, since {self._listing.name} is.")
        for row in rows:
            yield {"parent": row}

    def _fetch_next_page(
        self, stream_slice: Token = None, stream_state: Token = None, next_page_token: Token = None
    ) -> Fetched:
        if self.name in self._context.skipped:
            return without_body(NO_CONTENT)  # what was refused for one row will be for all
        return super()._fetch_next_page(stream_slice, stream_state, next_page_token)

    def _skip(self, refusal: PageRefused, stream_slice: Token) -> Fetched:
        if refusal.status == 404 and refusal.is_own:
            key = (stream_slice or {}).get("parent", {}).get("id")
            self.logger.warning(f"{self.name}: {key} is gone (HTTP 404), going on without it.")
            return without_body(NO_CONTENT)
        return super()._skip(refusal, stream_slice)


def id_in(stream_slice: Token, placeholder: str) -> str:
    """The id that a slice is about, fit for a path; without a slice the placeholder, as documentation writes it."""
    parent = (stream_slice or {}).get("parent")
    return quote(str(parent["id"]), safe="") if parent else f"{{{placeholder}}}"
