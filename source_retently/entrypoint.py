"""The CDK's command line around `SourceRetently`.

Nothing but Airbyte messages goes to stdout. Exit code 0 means that everything asked for was done; `check` says FAILED in
its message and ends with 0, as the protocol wants it.
"""

import argparse
import io
import logging
import os
import select
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage
from airbyte_cdk.sources import Source
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils import AirbyteTracedException

from source_retently import odd_json
from source_retently.config import Config, ConfigError
from source_retently.source import SourceRetently

Counts = defaultdict[HashableStreamDescriptor, float]

USAGE = (
    "say spec; check or discover with --config FILE; or read with --config FILE, --catalog FILE and, after the first sync, "
    "--state FILE."
)

BUNDLE = 100
"""Records that are written at once."""

EXIT_BROKEN_PIPE = 120
"""What Python itself ends with when it can't write what is left."""


SHOWN_HEADERS = ("date", "content-type", "content-length", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining")


class _CdkLines(logging.Filter):
    """Corrects the CDK's lines in the log.

    It calls every wait a rate limit, and `spec` should be one line: these are dropped. With --debug it writes all headers of
    requests and answers, where its own mask does not find a key with quotes in it, nor one that a server repeats in another
    encoding: only harmless headers stay.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(headers := vars(record).get("headers"), Mapping):
            vars(record)["headers"] = {name: value for name, value in headers.items() if name.lower() in SHOWN_HEADERS}
        return not str(record.msg).startswith(("UserDefinedBackoffException", "MemoryMonitor instantiated"))


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, with the connector's own words for a bad configuration, and less work for each record."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._counted: Counter[str] = Counter()

    @staticmethod
    def validate_connection(source_spec: Any, config: Any) -> None:
        """
        :raises ConfigError: with one sentence; the CDK's own would quote the configuration
        """
        Config.parse(config)

    def read(self, source_spec: Any, config: Any, catalog: Any, state: Any) -> Iterator[AirbyteMessage]:
        """Writes the records itself, a bundle at a time, and leaves all other messages to the CDK.

        The CDK would copy each record twice more on its way out. A bundle ends with the next other message at the latest, and
        a state follows the last record of each page: nothing finished waits while a page is fetched.
        """
        bundle: list[bytes] = []
        for message in super().read(source_spec, config, catalog, state):
            if message.record is not None:
                bundle.append(_record_line(message.record))
                if len(bundle) < BUNDLE:
                    continue
            sys.stdout.write(b"".join(bundle).decode())
            bundle.clear()
            if message.record is None:
                yield message
        sys.stdout.write(b"".join(bundle).decode())

    def handle_record_counts(self, message: AirbyteMessage, stream_message_count: Counts) -> AirbyteMessage:  # type: ignore[override]
        """Counts records for the states that follow them, as the CDK does, but into its books only when one does."""
        if message.record is not None:
            self._counted[message.record.stream] += 1
            return message
        for stream, count in self._counted.items():
            stream_message_count[HashableStreamDescriptor(name=stream)] += count
        self._counted.clear()
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)


def _record_line(record: AirbyteRecordMessage) -> bytes:
    return odd_json.dumps(
        {"type": "RECORD", "record": {"stream": record.stream, "data": record.data, "emitted_at": record.emitted_at}}
    )


def launch(arguments: Sequence[str] | None = None) -> None:
    """Runs one command of the connector and prints what it says."""
    Thread(target=_end_with_the_reader, daemon=True, name="reader-watch").start()
    for handler in logging.getLogger().handlers:  # a logger's filter would not see the lines of the loggers below it
        handler.addFilter(_CdkLines())
    entrypoint = Entrypoint(SourceRetently())
    stderr = sys.stderr
    with PRINT_BUFFER:
        # The print buffer would put into stdout what Python and its libraries print on stderr, and if it can't, Python prints
        # the error with all that it holds: rows.
        sys.stderr = stderr
        write = sys.stdout.write  # the print buffer's; `print` would write each line in two parts
        try:
            parsed = _parse(list(sys.argv[1:] if arguments is None else arguments))
            _check_temporary_folder()
            for message in entrypoint.run(parsed):
                write(f"{message}\n")
        except AirbyteTracedException as error:
            # A failure that has its sentence; the CDK's hook for the unexpected would log a stack trace with it.
            write(f"{AirbyteEntrypoint.airbyte_message_to_string(error.as_sanitized_airbyte_message())}\n")
            sys.exit(1)


def _check_temporary_folder() -> None:
    """
    :raises ConfigError: when there is none; the CDK needs one for every command
    """
    try:
        with TemporaryDirectory(ignore_cleanup_errors=True):
            pass
    except OSError:
        raise ConfigError("No folder for temporary files can be written: set TMPDIR to one that can.") from None


def _parse(arguments: list[str]) -> argparse.Namespace:
    """
    :raises ConfigError: with one sentence in place of argparse's lines, which would repeat what was typed
    """
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parsed = AirbyteEntrypoint.parse_args(arguments)
    except SystemExit as ended:
        if not ended.code:
            raise  # --help
        why = said.getvalue().rsplit("error: ", 1)[-1].strip()
        # Of argparse's reasons these name only what it knows itself.
        why = f" ({why})" if why.startswith("the following") or why.endswith("expected one argument") else ""
        raise ConfigError(f"The command line can't be used{why}: {USAGE}") from None
    if not parsed.command:
        raise ConfigError(f"No command was given: {USAGE}")
    return parsed


def _end_with_the_reader() -> None:
    """Ends the process when nobody reads its output any more, even while it waits for an answer or for the rate limit."""
    if sys.__stdout__ is None or not hasattr(select, "poll"):
        return
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(sys.__stdout__.fileno(), 0)  # errors and hang-ups are reported unasked
        poll.poll()
        os._exit(EXIT_BROKEN_PIPE)
