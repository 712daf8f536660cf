"""`DetailStream`: a request for each row of its parent stream."""

from abc import ABC
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import requests
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.http import HttpSubStream
from requests.auth import AuthBase

from source_retently.http.handler import PageRefused
from source_retently.run_context import Outcome, Settings
from source_retently.streams.base import (
    NO_CONTENT,
    Fetched,
    PageToken,
    Records,
    RetentlyStream,
    Slice,
    State,
    response_without_body,
)
from source_retently.streams.pages import Row


class ParentStream(RetentlyStream, ABC):
    """A short list in one response, whose rows are kept for its detail stream."""

    _rows: list[Row] | None = None

    def records(self, response: requests.Response, stream_slice: Slice = None) -> Records:
        self._rows = [row for row in super().records(response, stream_slice) if isinstance(row, dict)]
        self._outcome.read[self.name] = len(self._rows)  # not added: its detail stream may have fetched the list before
        return self._rows

    def kept_rows(self) -> list[Row]:
        """The rows, fetched unless the sync has read them before."""
        if self._rows is None:
            list(self.read_records(SyncMode.full_refresh))
        return self._rows or []


class DetailStream(HttpSubStream, RetentlyStream, ABC):
    """One request for each row of a `ParentStream`; a row that was deleted meanwhile (404, 410) costs a line in the log.

    Subclasses declare `parent_stream`, and get the row that a request is about in `fill_in(row, parent)`.
    """

    parent_stream: type[ParentStream]
    is_optional = True
    _has_come = False
    """Whether the details of a row have come, so that the account has the endpoint."""

    def __init__(
        self,
        authenticator: AuthBase | None = None,
        settings: Settings | None = None,
        outcome: Outcome | None = None,
        parent: ParentStream | None = None,
    ) -> None:
        """
        :param parent: the stream whose rows are asked about; one of its own where none is shared
        """
        self._parent = parent = parent or self.parent_stream(authenticator, settings, outcome)
        super().__init__(parent=parent, authenticator=authenticator, settings=settings, outcome=outcome)
        # A state that lists the rows that are done comes back after a finished sync, too, and would end all later ones.
        self.cursor = None

    def stream_slices(
        self, sync_mode: SyncMode | None = None, cursor_field: list[str] | None = None, stream_state: State = None
    ) -> Iterable[Mapping[str, Any]]:
        """A slice for each row of the parent; none after a refusal: what is refused for one row is refused for all."""
        rows = self._parent.kept_rows()
        if self._parent.is_skipped:
            self._outcome.skipped.add(self.name)
            self.logger.warning(f"{self.name} is skipped, since {self._parent.name} is.")
        for row in rows:
            if self.is_skipped:
                return
            yield {"parent": row}
        if len(rows) > 1 and not self._has_come and not self.is_skipped:
            self._outcome.skipped.add(self.name)
            self.logger.warning(
                f"{self.name} is skipped: the API has no details of any of the {len(rows):,} rows of {self._parent.name}; "
                "the account's plan may not include them."
            )

    def replace_refused(self, refusal: PageRefused, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        if refusal.status in (404, 410) and refusal.is_own:
            key = (stream_slice or {}).get("parent", {}).get("id")
            self.logger.warning(f"{self.name}: {key} was deleted meanwhile (HTTP {refusal.status}), going on without it.")
            return response_without_body(NO_CONTENT)
        if self._has_come:
            raise refusal
        return super().replace_refused(refusal, stream_slice, next_page_token)

    def records(self, response: requests.Response, stream_slice: Slice = None) -> Records:
        self._has_come |= response.status_code == 200
        return super().records(response, stream_slice)


def id_in(stream_slice: Slice, placeholder: str) -> str:
    """The id of the row that a slice is about, quoted for a path; without a slice the placeholder, as in documentation."""
    parent = (stream_slice or {}).get("parent")
    return quote(str(parent["id"]), safe="") if parent else f"{{{placeholder}}}"
