"""The CDK's command line around `SourceRetently`.

Nothing but Airbyte messages goes to stdout. Exit code 0 means that everything asked for was done; `check` says FAILED in
its message and ends with 0, as the protocol wants it.
"""

import logging
import os
import select
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from threading import Thread
from types import FrameType
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_retently.config import Config
from source_retently.source import SourceRetently

Counts = defaultdict[HashableStreamDescriptor, float]

EXIT_BROKEN_PIPE = 120
"""What Python itself ends with when it can't write what is left."""


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

    def read(self, source_spec: Any, config: Any, catalog: Any, state: Any) -> Iterator[AirbyteMessage]:
        """Writes the records itself and leaves all other messages to the CDK, which would copy each record twice more."""
        for message in super().read(source_spec, config, catalog, state):
            record = message.record
            if record is None:
                yield message
                continue
            line = {"type": "RECORD", "record": {"stream": record.stream, "data": record.data, "emitted_at": record.emitted_at}}
            try:
                sys.stdout.write(orjson.dumps(line).decode() + "\n")
            except TypeError:  # numbers beyond 64 bits, broken text: the CDK has a slower way for them
                yield message

    @staticmethod
    def handle_record_counts(message: AirbyteMessage, stream_message_count: Counts) -> AirbyteMessage:
        """Counts records for the states that follow them: the CDK's own, less the descriptor that it makes for each."""
        if message.record is None:
            return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)
        stream_message_count[_descriptor(message.record.stream)] += 1.0
        return message


@cache
def _descriptor(stream: str) -> HashableStreamDescriptor:
    return HashableStreamDescriptor(name=stream)


def launch(arguments: Sequence[str] | None = None) -> None:
    """Runs one command of the connector and prints what it says."""
    signal.signal(signal.SIGTERM, _terminate)
    Thread(target=_end_with_the_reader, daemon=True, name="reader-watch").start()
    logging.getLogger("airbyte").addFilter(_CdkNoise())
    entrypoint = Entrypoint(SourceRetently())
    parsed = entrypoint.parse_args(list(sys.argv[1:] if arguments is None else arguments))
    with PRINT_BUFFER:
        write = sys.stdout.write  # the print buffer's; `print` would write each line in two parts
        for message in entrypoint.run(parsed):
            write(f"{message}\n")


def _end_with_the_reader() -> None:
    """Ends the process when nobody reads its output any more, even while it waits for an answer or for the rate limit."""
    if sys.__stdout__ is None or not hasattr(select, "poll"):
        return
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(sys.__stdout__.fileno(), 0)  # errors and hang-ups are reported unasked
        poll.poll()
        os._exit(EXIT_BROKEN_PIPE)


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
