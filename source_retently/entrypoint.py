"""The CDK's command line around `SourceRetently`.

Only Airbyte messages go to stdout. Exit code 0 means that everything was done; a failed `check` reports FAILED in its message
and exits with 0, as the protocol wants it.
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

from source_retently import __version__
from source_retently.config import Config, ConfigError
from source_retently.http import lenient_json
from source_retently.source import SourceRetently
from source_retently.spec import DOCUMENTATION_URL

Counts = defaultdict[HashableStreamDescriptor, float]

USAGE = (
    "use spec; check or discover with --config FILE; or read with --config FILE, --catalog FILE and, after the first sync, "
    "--state FILE."
)

DESCRIPTION = f"Airbyte source connector for Retently, version {__version__}. Writes Airbyte's protocol to stdout."

COMMANDS: dict[str, tuple[str, ...]] = {
    "spec": ("print the JSON Schema of the configuration",),
    "check": ("check that the configuration can be used", "config"),
    "discover": ("print the catalog: all streams with their schemas", "config"),
    "read": ("print the records of the catalog's streams, and states", "config", "catalog", "state"),
}
"""What each command does, and the files that it takes."""

FILES = {
    "config": "JSON file with the configuration",
    "catalog": "JSON file with the configured catalog",
    "state": "JSON file with the states of the last sync; without it, everything is read",
}

RECORDS_PER_WRITE = 100

EXIT_BROKEN_PIPE = 120
"""Python's own exit code when it can't flush stdout."""

DROPPED = (
    *("UserDefinedBackoffException", "MemoryMonitor instantiated", "Marking stream ", "Setting state of ", "Syncing stream: "),
    *("Finished syncing ", "Read ", "SourceRetently runtimes"),
)
"""How lines of the CDK's begin that are dropped."""

LOGGED_HEADERS = ("date", "content-type", "content-length", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining")


class _CdkLines(logging.Filter):
    """Corrects what the CDK logs.

    It logs each wait as a rate limit, a line before the output of `spec`, and eight lines and more about each stream: all are
    dropped, since the streams and the summary say more. With --debug it logs all headers and the body of the token request, and
    its mask misses a key with quotes, or one that a server repeats in another encoding: only harmless headers stay. urllib3
    logs header lines that it can't parse, with all that follow.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(headers := vars(record).get("headers"), Mapping):
            vars(record)["headers"] = {name: value for name, value in headers.items() if name.lower() in LOGGED_HEADERS}
        vars(record).pop("request_body", None)
        if record.name == "urllib3.connection":
            return False
        return record.levelno > logging.INFO or not str(record.msg).startswith(DROPPED)


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, with the connector's own check of the configuration, and less work for each record."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._counted: Counter[str] = Counter()

    @staticmethod
    def validate_connection(source_spec: Any, config: Any) -> None:
        """
        :raises ConfigError: in place of the CDK's error, which would quote the configuration
        """
        Config.parse(config)

    def read(self, source_spec: Any, config: Any, catalog: Any, state: Any) -> Iterator[AirbyteMessage]:
        """Writes the records itself, many at a time, and leaves all other messages to the CDK.

        The CDK would copy each record twice more. Records are written before the next message of another type at the latest,
        and a state follows the last record of each page: no record waits while a page is fetched.
        """
        lines: list[bytes] = []
        for message in super().read(source_spec, config, catalog, state):
            if message.record is not None:
                lines.append(_record_line(message.record))
                if len(lines) < RECORDS_PER_WRITE:
                    continue
            sys.stdout.write(b"".join(lines).decode())
            lines.clear()
            if message.record is None:
                yield message
        sys.stdout.write(b"".join(lines).decode())

    def handle_record_counts(self, message: AirbyteMessage, stream_message_count: Counts) -> AirbyteMessage:  # type: ignore[override]
        """Counts the records before each state, as the CDK does, but adds them up only when a state comes."""
        if message.record is not None:
            self._counted[message.record.stream] += 1
            return message
        for stream, count in self._counted.items():
            stream_message_count[HashableStreamDescriptor(name=stream)] += count
        self._counted.clear()
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)


def _record_line(record: AirbyteRecordMessage) -> bytes:
    return lenient_json.dumps(
        {"type": "RECORD", "record": {"stream": record.stream, "data": record.data, "emitted_at": record.emitted_at}}
    )


def launch(arguments: Sequence[str] | None = None) -> None:
    """Runs one command of the connector and prints its messages."""
    Thread(target=_exit_when_stdout_closes, daemon=True, name="stdout-watch").start()
    for handler in logging.getLogger().handlers:  # a logger's own filter would miss its child loggers
        handler.addFilter(_CdkLines())
    entrypoint = Entrypoint(SourceRetently())
    stderr = sys.stderr
    with PRINT_BUFFER:
        # The print buffer replaces stderr, too: messages of Python and its libraries would go to stdout, and where that is
        # closed, Python would print the error with the buffered rows.
        sys.stderr = stderr
        write = sys.stdout.write  # the print buffer's; `print` would write each line in two parts
        try:
            parsed = _parse(list(sys.argv[1:] if arguments is None else arguments))
            _check_temporary_folder()
            for message in entrypoint.run(parsed):
                write(f"{message}\n")
        except AirbyteTracedException as error:
            # A failure with its message; the CDK's hook for unexpected errors would log a stack trace with it.
            write(f"{AirbyteEntrypoint.airbyte_message_to_string(error.as_sanitized_airbyte_message())}\n")
            sys.exit(1)


def _check_temporary_folder() -> None:
    """
    :raises ConfigError: when none can be written; the CDK needs one for each command
    """
    try:
        with TemporaryDirectory(ignore_cleanup_errors=True):
            pass
    except OSError:
        raise ConfigError("No temporary folder can be written: set TMPDIR to a folder that can.") from None


def _parser() -> argparse.ArgumentParser:
    """The CDK's command line without `--manifest-path` and `--components-path`, which are for connectors without code."""
    parser = argparse.ArgumentParser(
        "source-retently",
        description=DESCRIPTION,
        epilog=f"Documentation: {DOCUMENTATION_URL}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # the others break the address in a narrow window
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for command, (does, *files) in COMMANDS.items():
        options = commands.add_parser(command, help=does, description=f"Command {command}: {does}.")
        options.add_argument("--debug", action="store_true", help="log each request, without secrets and bodies")
        for file in files:
            options.add_argument(f"--{file}", metavar="FILE", required=file != "state", help=FILES[file])
    return parser


def _parse(arguments: list[str]) -> argparse.Namespace:
    """
    :raises ConfigError: in place of argparse's output, which would repeat what was typed
    """
    output = io.StringIO()
    try:
        with redirect_stderr(output):
            parsed = _parser().parse_args(arguments)
    except SystemExit as ended:
        if not ended.code:
            raise  # --help, --version
        why = output.getvalue().rsplit("error: ", 1)[-1].strip()
        # These of argparse's messages quote only what it knows itself.
        why = f" ({why})" if why.startswith("the following") or why.endswith("expected one argument") else ""
        raise ConfigError(f"The command line can't be used{why}: {USAGE}") from None
    if not parsed.command:
        raise ConfigError(f"No command was given: {USAGE}")
    return parsed


def _exit_when_stdout_closes() -> None:
    """Ends the process when the reader of its output is gone, even while it waits for a response or for the rate limit."""
    if sys.__stdout__ is None or not hasattr(select, "poll"):
        return
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(sys.__stdout__.fileno(), 0)  # errors and hang-ups are always reported
        poll.poll()
        os._exit(EXIT_BROKEN_PIPE)
