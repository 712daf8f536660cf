"""The console script `source-retently`: the CDK's command line around `SourceRetently`.

Nothing but Airbyte messages goes to stdout. Exit code 0 means that everything asked for was done; `check` says FAILED in
its message and ends with 0, as the protocol wants it.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER

from source_retently.config import Config
from source_retently.source import SourceRetently


class _CdkNoise(logging.Filter):
    """Drops lines of the CDK that mislead: it calls every wait a rate limit, and `spec` should be one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("UserDefinedBackoffException", "MemoryMonitor instantiated"))


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, with the connector's own words for a bad configuration."""

    @staticmethod
    def validate_connection(source_spec: Any, config: Any) -> None:
        """
        :raises ConfigError: with one sentence; the CDK's own would quote the configuration
        """
        Config.parse(config)


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs one command: spec, check, discover or read."""
    signal.signal(signal.SIGTERM, _terminate)
    logging.getLogger("airbyte").addFilter(_CdkNoise())
    entrypoint = Entrypoint(SourceRetently())
    parsed = entrypoint.parse_args(list(sys.argv[1:] if arguments is None else arguments))
    with PRINT_BUFFER:
        for message in entrypoint.run(parsed):
            print(f"{message}\n", end="")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """Sends what is finished, then dies of the signal, within a second even if nobody reads what it sends.

    Dying of it, not exiting with a code: PyAirbyte stops a source that has said enough, and takes 143 for a failure.
    """
    signal.signal(signal.SIGALRM, lambda *_: os._exit(128 + signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 1)
    with suppress(RuntimeError, OSError):  # the signal may have come in the middle of a write
        PRINT_BUFFER.flush()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(128 + signal.SIGTERM)  # the first process of a container does not die of its own signals
