"""`RetentlyStream`: what every stream does. A concrete stream only declares its path, where its rows are, and its key."""

import hashlib
import json
from abc import ABC
from collections.abc import Iterable, Mapping, MutableMapping
from functools import cached_property
from typing import Any

import requests
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import FULL_REFRESH_COMPLETE_STATE
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy, ErrorHandler
from requests.auth import AuthBase

from source_retently import odd_json
from source_retently.auth import OAuthAuthenticator
from source_retently.bodies import nuls_in, payload
from source_retently.context import HttpContext
from source_retently.http import PageRefused, Refusals, RetentlyBackoff, RetentlyErrorHandler
from source_retently.streams.paging import LARGEST_PAGE, Row
from source_retently.values import Fitter

Token = Mapping[str, Any] | None
Fetched = tuple[requests.PreparedRequest, requests.Response]
Records = Iterable[Mapping[str, Any]]
"""What `parse_response` gives to the CDK; an AirbyteMessage among them is passed on as it is."""

NO_CONTENT = 204
"""Status of a response that stands for one without rows, in place of a refused one."""
SYNC_ID = "sync_id"
"""The key of a state under which the sync is named that finished a full refresh."""

MOST_UNKNOWN = 50
"""Unknown fields that are named in the log; an API may make up new ones in every row."""


class RetentlyStream(HttpStream, ABC):
    """An endpoint of the Retently API, read whole in every sync.

    Subclasses override `path`, `parse_response` (`return self.records(response, stream_slice)`) and `next_page_token` (None
    where the endpoint has no pages), and declare the attributes below. The loop and the checkpoints are the CDK's: it calls
    `_fetch_next_page`, `parse_response` and `next_page_token` in turn.
    """

    primary_key = "id"
    records_at: tuple[str, ...] = ()
    """Key paths of the rows in the body, with dots between the keys; the most likely first (docs/api.md#envelopes)."""
    answers_one_object = False
    """Whether a single object in place of the list is one row."""
    is_paged = False
    """Whether the endpoint knows `page` and `limit`; one that ignores them must never be asked for page 2."""
    sort: str | None = None
    """The field to sort by, oldest first, so that rows that come in while the list is read are at its end."""
    page_size = LARGEST_PAGE
    may_be_lacking = False
    """Whether an account may be without the endpoint: then its refusal skips the stream instead of failing it."""
    old_path: str | None = None
    """The path by which older documentation knows the endpoint; asked for where the present one is not found."""
    uses_old_path = False
    """Whether it was not found in this run."""

    def __init__(self, authenticator: AuthBase | None = None, context: HttpContext | None = None) -> None:
        """
        :param authenticator: signs each request; made by `source_retently.auth.authenticator`
        :param context: what all streams of a run share; one of its own where nothing is given
        """
        self._context = context or HttpContext()
        self._has_oauth = isinstance(authenticator, OAuthAuthenticator)
        self._state_manager: Any = None
        self._sync_id = 0
        self._unknown: set[str] = set()
        self._unfit: set[str] = set()
        super().__init__(authenticator, api_budget=self._context.budget)

    # ------------------------------------------------------------------------------------------------- the request

    @property
    def url_base(self) -> str:
        return self._context.api

    def request_kwargs(
        self, stream_state: Token, stream_slice: Token = None, next_page_token: Token = None
    ) -> Mapping[str, Any]:
        patience = self._context.patience
        # The error handler reads the body of a streamed response itself: within a time, and past the CDK's debug log.
        return {"timeout": (patience.connect, patience.read), "stream": True}

    def get_error_handler(self) -> ErrorHandler:
        return RetentlyErrorHandler(
            self.name,
            self._context,
            oauth=self._has_oauth,
            is_expected=lambda body: self.rows_in(body) is not None,
            refusals=Refusals(self.may_be_lacking, lambda: self.old_path is not None and not self.uses_old_path),
        )

    def get_backoff_strategy(self) -> BackoffStrategy:
        return RetentlyBackoff(self.name, self._context, self.logger)

    def _fetch_next_page(
        self, stream_slice: Token = None, stream_state: Token = None, next_page_token: Token = None
    ) -> Fetched:
        """Fetches one response: the CDK's seam, through which both of its page loops go."""
        # What is finished must not wait in a buffer for as long as the next response may take.
        PRINT_BUFFER.flush()
        try:
            return super()._fetch_next_page(stream_slice, stream_state, next_page_token)
        except PageRefused as refusal:
            return self._skip(refusal, stream_slice)

    def fetch_first_page(self) -> None:
        """Asks once, and looks no further than whether the response has this endpoint's shape.

        :raises AirbyteTracedException: when it has not
        """
        self._fetch_next_page()

    def _skip(self, refusal: PageRefused, stream_slice: Token) -> Fetched:
        """A response without rows in place of one that the account's plan lacks; the other streams go on.

        :raises PageRefused: when something else is wrong, or all accounts have the endpoint: no rows would empty a table
        """
        if not self.may_be_lacking or refusal.status not in (403, 404):
            raise refusal
        self._context.skipped.add(self.name)
        self.logger.warning(f"{self.name} is skipped. {refusal}")
        return without_body(NO_CONTENT)

    # ------------------------------------------------------------------------------------------------ the response

    def records(self, response: requests.Response, stream_slice: Token = None) -> Records:
        """The rows of a response, made to match the schema; of several with one key the last."""
        yield from {row[self.primary_key]: row for row in self._rows(response, stream_slice)}.values()

    def _rows(self, response: requests.Response, stream_slice: Token) -> Iterable[Row]:
        parent = (stream_slice or {}).get("parent") or {}
        rows = [] if response.status_code == NO_CONTENT else self.rows_in(self.body_of(response)) or []
        prepared = (self.prepare(row, parent) for row in rows)
        return (row for row in prepared if row is not None)

    def body_of(self, response: requests.Response) -> Any:
        """The parsed body; the NUL characters that were taken out of it are counted."""
        body = payload(response)
        self._context.nuls[self.name] += nuls_in(response)
        return body

    def rows_in(self, body: Any) -> list[Any] | None:
        """The rows of a parsed body; None when it has none of this endpoint's shapes."""
        for path in self.records_at:
            found = value_at(body, path)
            if isinstance(found, list):
                return found
            if isinstance(found, dict) and self.answers_one_object:
                return [found]
        return None

    def prepare(self, row: Any, parent: Row) -> Row | None:
        """A row with all its fields and its key, made to match the schema; None, with a warning, where it is no object."""
        if not isinstance(row, dict):
            self._warn_unfit("a row", "an object", row)
            return None
        try:
            return self._prepared(row, parent)
        except RecursionError:
            return self._prepared(odd_json.clean(row), parent)

    def _prepared(self, row: Row, parent: Row) -> Row:
        self.fill_in(row, parent)
        self._fitter.fit(row)
        self.set_primary_key(row)
        return row

    def fill_in(self, row: Row, parent: Row) -> None:
        """Adds what the API leaves out of a row; `parent` is the row that a request was about, else empty."""

    def has_own_key(self, row: Row) -> bool:
        """Whether the API gave the row a key."""
        return bool(row.get(self.primary_key))

    def set_primary_key(self, row: Row) -> None:
        """Gives the row a key where the API gave it none: a hash of the whole row."""
        if not row.get(self.primary_key):
            row[self.primary_key] = stable_hash(row)

    @cached_property
    def _fitter(self) -> Fitter:
        # Made when the first row comes: most streams that the CDK makes for a sync are not in its catalog.
        return Fitter(self.get_json_schema(), self._warn_unfit, self._note_unknown)

    # --------------------------------------------------------------------------------------------------- the state

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        logger: Any,
        slice_logger: Any,
        stream_state: MutableMapping[str, Any],
        state_manager: Any,
        internal_config: Any,
    ) -> Iterable[StreamData]:
        """Reads the stream, unless an earlier attempt of the same sync has finished it as a full refresh.

        A platform that tries a failed sync again gives the states of the first attempt and a catalog with the same
        `sync_id`. PyAirbyte's is 1 in every sync, and others have none: these name no sync.
        """
        self._state_manager = state_manager
        sync_id = configured_stream.sync_id or 0
        is_full = configured_stream.sync_mode == SyncMode.full_refresh and sync_id > 1
        self._sync_id = sync_id if is_full else 0
        is_done = is_full and stream_state.get(SYNC_ID) == sync_id and "keys" not in stream_state
        if not is_done:
            self._forget_other_syncs()
            yield from super().read(configured_stream, logger, slice_logger, stream_state, state_manager, internal_config)
        else:
            self.logger.info(f"{self.name}: an earlier attempt of this sync has read all of it.")
        if is_full and state_manager and self.name not in self._context.skipped:
            state = self.state or FULL_REFRESH_COMPLETE_STATE
            yield self._checkpoint_state({**state, SYNC_ID: sync_id}, state_manager)

    def _forget_other_syncs(self) -> None:
        """Drops the position of an unfinished full refresh that was another sync's: its rows are not in this one's."""
        if self.state.get(SYNC_ID, 0) != self._sync_id:
            self.state = {}

    @property
    def state(self) -> MutableMapping[str, Any]:
        return super().state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        # Clients hand the mark of a finished full refresh back, and the CDK would read nothing, for ever.
        is_finished = FULL_REFRESH_COMPLETE_STATE.items() <= value.items()
        HttpStream.state.fset(self, {} if is_finished else value)  # type: ignore[attr-defined]

    # ------------------------------------------------------------------------------------------------------ the log

    def _warn_unfit(self, path: str, wanted: str, value: Any) -> None:
        if path not in self._unfit:
            self._unfit.add(path)
            self.logger.warning(
                f"{self.name}: {path} should be {wanted} but came as {type(value).__name__}; such values become null."
            )

    def _note_unknown(self, names: set[str]) -> None:
        new = names - self._unknown
        if new and len(self._unknown) < MOST_UNKNOWN:
            self._unknown |= new
            shown = ", ".join(sorted(name[:60] for name in new)[:MOST_UNKNOWN])
            self.logger.info(f"{self.name}: fields that the schema does not know are passed on: {shown}.")


class SingleResponseStream(RetentlyStream, ABC):
    """An endpoint that gives everything in one response: it knows no pages, and is never asked for a second one."""

    def parse_response(self, response: requests.Response, *, stream_slice: Token = None, **_: Any) -> Records:
        return self.records(response, stream_slice)

    def next_page_token(self, response: requests.Response) -> Token:
        return None


def without_body(status: int) -> Fetched:
    """A request and its response, made here: only the status says something."""
    response = requests.Response()
    response.status_code = status
    return requests.PreparedRequest(), response


def value_at(body: Any, path: str) -> Any:
    """The value at a key path of a parsed body, with dots between the keys; None where there is no such path."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def stable_hash(value: Any) -> str:
    """32 hexadecimal digits that are the same for the same JSON value, in every run and on every machine."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
