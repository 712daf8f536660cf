"""`FullRefreshStream`: a retry does not repeat a full refresh that an earlier attempt of the same sync has finished."""

from abc import ABC
from collections.abc import Iterable, MutableMapping
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import FULL_REFRESH_COMPLETE_STATE
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream

from source_retently.streams.saved_position import SavedPosition

SYNC_ID = "sync_id"
"""The key of a state for the id of the sync that finished the full refresh, or is in the middle of it."""


class FullRefreshStream(HttpStream, ABC):
    """Reads the stream, unless an earlier attempt of the same sync has finished it as a full refresh.

    A platform that retries a failed sync passes the states of the first attempt and a catalog with the same `sync_id`.
    PyAirbyte passes 1 in every sync, others 0 or none. These ids identify no sync: a finished stream is read again,
    an unfinished one is resumed.
    """

    _sync_id = 0
    _state_manager: Any = None

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        logger: Any,
        slice_logger: Any,
        stream_state: MutableMapping[str, Any],
        state_manager: Any,
        internal_config: Any,
    ) -> Iterable[StreamData]:
        self._state_manager = state_manager
        sync_id = configured_stream.sync_id or 0
        is_full = configured_stream.sync_mode == SyncMode.full_refresh and sync_id > 1
        self._sync_id = sync_id if is_full else 0
        if is_full and stream_state.get(SYNC_ID) == sync_id and "keys" not in stream_state:
            self.logger.info(f"{self.name}: an earlier attempt of this sync has read all of it.")
        else:
            self.forget_other_syncs()
            if not self.cursor_field:
                what = "resuming this full refresh" if SavedPosition(self.state, "") else "reading everything, as in each sync"
                self.logger.info(f"{self.name}: {what}.")
            yield from super().read(configured_stream, logger, slice_logger, stream_state, state_manager, internal_config)
        if is_full and state_manager and not self.is_skipped:
            state = self.state or FULL_REFRESH_COMPLETE_STATE
            yield self._checkpoint_state({**state, SYNC_ID: sync_id}, state_manager)

    @property
    def is_skipped(self) -> bool:
        """Whether the stream was not read, because the account's plan lacks it."""
        return False

    def forget_other_syncs(self) -> None:
        """Drops the position of an unfinished full refresh of another sync: its rows are not in this one."""
        if self.state.get(SYNC_ID, 0) != self._sync_id:
            self.state = {}

    @property
    def state(self) -> MutableMapping[str, Any]:
        return super().state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        # Clients pass the mark of a finished full refresh to the next sync, and the CDK would read nothing, for ever.
        is_finished = FULL_REFRESH_COMPLETE_STATE.items() <= value.items()
        HttpStream.state.fset(self, {} if is_finished else value)  # type: ignore[attr-defined]
