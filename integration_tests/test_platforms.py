"""States and catalogs as old and new platforms write them, in a whole read."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from integration_tests.conftest import Connector
from sandbox.process import SandboxProcess
from unit_tests.run import catalog_of

WRAPPED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "STREAM": lambda stream: {"type": "STREAM", "stream": stream},
    "GLOBAL": lambda stream: {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": [stream]}},
    "LEGACY": lambda stream: {"type": "LEGACY", "data": {stream["stream_descriptor"]["name"]: stream["stream_state"]}},
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_sync_goes_on_from_the_state_of_any_type(forked: Connector, sandbox: SandboxProcess, kind: str) -> None:
    config = {**sandbox.config, "lookback_window": 0}
    catalog = catalog_of("feedback")
    first = forked("read", sandbox, config=config, catalog=catalog)
    (state,) = first.states
    again = forked("read", sandbox, config=config, catalog=catalog, state=WRAPPED[kind](state["stream"]))
    assert again.code == 0, again.error_message
    assert len(first.records("feedback")) > 1000
    assert len(again.records("feedback")) <= 5  # those of the cursor's last second


def test_a_catalog_of_a_newer_platform_is_read(forked: Connector, sandbox: SandboxProcess) -> None:
    catalog = copy.deepcopy(catalog_of("campaigns"))
    catalog["streams"][0] |= {"destination_sync_mode": "overwrite_dedup", "primary_key": None, "cursor_field": None, "new": {}}
    run = forked("read", sandbox, catalog=catalog)
    assert run.code == 0, run.error_message
    assert run.records("campaigns")
