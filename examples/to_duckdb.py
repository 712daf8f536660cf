"""Reads every stream of a Retently account into a DuckDB file with PyAirbyte; run again, it reads what is new.

python examples/to_duckdb.py --config secrets/config.json --out out/retently.duckdb

With --full it reads everything again and replaces what is there, which is how rows go that were deleted in Retently.
With --start 2024-01-01 it leaves out what is older; a start that is earlier than the last one reads everything from there on.
"""

import argparse
import contextlib
import hashlib
import io
import logging
import os
import re
import secrets
import shutil
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from source_retently.config import Config, ConfigError, canonical
from source_retently.environment import base_url
from source_retently.files import read_config

NOTES = "_retently_sync"
"""Table in the DuckDB file with what this program has to know about it: whose rows it holds, and from which date on."""

AGAIN = (
    "Rows come again in each sync: those of feedback and outbox within the look-back window (lookback_window, 7 days unless\n"
    "configured) before the newest one, and all rows of the streams that the API can't filter by date; customers come again\n"
    "where they changed. They replace those in the file."
)


class SyncError(Exception):
    """The sync can't be done; the message says why and what to do about it."""


class Synced(NamedTuple):
    """What a sync did to a stream."""

    read: int
    """Rows that were read now."""
    held: int
    """Rows in the file after it."""
    skipped: str
    """Why the stream was not read, in short; the rows in the file are from an earlier sync then. Empty where it was read."""


def sync(
    config: Mapping[str, Any],
    database: Path,
    environment: Mapping[str, str] | None = None,
    *,
    full: bool = False,
    start: str | None = None,
    same_account: bool = False,
) -> dict[str, Synced]:
    """Brings the DuckDB file up to date.

    :param config: the connector's configuration
    :param database: the DuckDB file; it also keeps the state, so that the next call goes on from there
    :param environment: further environment variables of the connector
    :param full: whether to read everything again and replace what is there
    :param start: date to use instead of the configuration's `start_date`
    :param same_account: whether the file is known to hold this account's rows, though its key or host changed
    :return: what was done, by stream
    :raises SyncError: when the configuration, the file or the connector stops it
    """
    os.environ.update(environment or {})
    try:
        raw = canonical({**config, **({"start_date": start} if start else {})})
        wanted, host = Config.parse(raw).start_date, base_url()
    except ConfigError as error:
        raise SyncError(error.message) from None
    notes = notes_in(database)
    if notes == {} and not same_account:
        raise SyncError(
            f"{database} was not filled by make sync as it is now, so nobody knows whose rows it holds and it is left as it "
            f"is: {_remedy(database)}"
        )
    first_date, is_earlier = (wanted, False) if full else _first_date(wanted, notes or {})
    if first_date:
        raw["start_date"] = _text(first_date)
    airbyte, exceptions, duckdb_cache = _pyairbyte(database.parent.resolve() / ".pyairbyte" / database.stem)
    executable = shutil.which("source-retently", path=str(Path(sys.executable).parent)) or "source-retently"
    try:
        source = airbyte.get_source("source-retently", local_executable=executable, config=raw, streams="*")
        log = _Log()
        logging.getLogger("airbyte.source-retently").addHandler(log)
        source.check()
        if notes and not same_account and not _is_same_account(raw, host, notes, database, source):
            raise SyncError(
                f"{database} holds the rows of another account or host, or its key has changed; it is left as it is: "
                f"{_remedy(database)}"
            )
        salt = secrets.token_hex(16)
        _note(database, host=host, salt=salt, credentials=_fingerprint(raw, salt))
        print(f"Reading all streams{f', nothing from before {first_date:%Y-%m-%d}' if first_date else ''} ...", flush=True)
        with duckdb_cache(db_path=database, schema_name="main") as cache:
            strategy = "replace" if full else "merge" if is_earlier else "auto"
            result = source.read(cache=cache, force_full_refresh=full or is_earlier, write_strategy=strategy)
            # PyAirbyte has these counts by stream, but no public name for them.
            read = result._progress_tracker.stream_read_counts
            streams = {}
            for name in source.get_selected_streams():
                skipped = "" if read.get(name) else log.skipped.get(name, "")
                if full and not read.get(name) and not skipped:
                    cache.execute_sql(f'delete from "{name}"')  # PyAirbyte replaces no table by an empty one
                streams[name] = Synced(read.get(name, 0), len(result[name]), skipped)
        _note(database, start=_text(first_date))
    except exceptions.PyAirbyteError as error:
        raise SyncError(_failure(error, database)) from None
    return streams


def show(streams: Mapping[str, Synced]) -> None:
    """Prints what a sync did, as a table."""
    print(f"{'stream':<20}{'read now':>12}{'in the file':>14}  skipped")
    for name, (read, held, skipped) in streams.items():
        print(f"{name:<20}{'-' if skipped else f'{read:,}':>12}{held:>14,}{f'  {skipped}' if skipped else ''}")
    print(AGAIN)
    if any(stream.skipped for stream in streams.values()):
        print("What was skipped was not read: its rows in the file, if any, are from an earlier sync.")


def notes_in(database: Path) -> dict[str, str] | None:
    """What this program wrote down in the file; None where the file has no tables or isn't there, {} where others filled it.

    :raises SyncError: when it is no DuckDB file, or another program has it open
    """
    if not database.exists():
        return None
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            tables = {name for (name,) in connection.sql("select table_name from information_schema.tables").fetchall()}
            if NOTES not in tables:
                return {} if tables else None
            return dict(connection.sql(f"select name, value from {NOTES}").fetchall())
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SyncError(
            f"{database} can't be opened as a DuckDB file ({reason}): close the program that has it open, or name "
            "another file: make sync OUT=out/another.duckdb."
        ) from None


def _note(database: Path, **values: str) -> None:
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"create table if not exists {NOTES} (name varchar primary key, value varchar)")
        connection.executemany(f"insert or replace into {NOTES} values (?, ?)", list(values.items()))


def _remedy(database: Path) -> str:
    return (
        f"name another file (make sync OUT=out/another.duckdb), or move {database} away. If it holds this account's rows, "
        "call make sync SAME_ACCOUNT=1 once."
    )


def _is_same_account(config: Mapping[str, Any], host: str, notes: Mapping[str, str], database: Path, source: Any) -> bool:
    """Whether the file holds the rows of the account that the configuration leads to.

    Nothing in the configuration names the account: keys are replaced, refresh tokens rotate, and an OAuth application can
    have been granted several accounts. So the same host and credentials are the same account; under new credentials it is
    the id that the API gives the account, compared with the one in the file. Where the API gives none, only the user knows.
    """
    if host != notes["host"]:
        return False
    if _fingerprint(config, notes["salt"]) == notes["credentials"]:
        return True
    with duckdb.connect(str(database), read_only=True) as connection:
        try:
            known = {key for (key,) in connection.sql("select id from account").fetchall()}
        except duckdb.CatalogException:  # no sync has come to its end yet
            return False
    try:
        # PyAirbyte prints the connector's error, which is none here: not every account has this endpoint.
        with contextlib.redirect_stderr(io.StringIO()):
            records = source.get_records("account")  # its generator ends with its last reference, so it keeps a name
            ids = {record["id"] for record in records}
    except Exception:
        return False
    return ids == known and bool(ids - {"account"})  # the connector's word for an account without an id


def _fingerprint(config: Mapping[str, Any], salt: str) -> str:
    """What tells credentials apart without giving them away: the file may go to people who must not have the key."""
    credentials = config["credentials"]
    names = ("api_key",) if credentials["auth_type"] == "Token" else ("client_id", "refresh_token")
    secret = "\n".join(str(credentials[name]) for name in names)
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()


def _first_date(wanted: datetime | None, notes: Mapping[str, str]) -> tuple[datetime | None, bool]:
    """From which date on to read, and whether that is earlier than the file's rows go back, so that a state can't be used.

    The date of the last sync stays until a sync names an earlier one or reads everything again, so START is given once.
    """
    if not notes.get("start"):
        return wanted, False  # the first sync, or the file goes back to the account's beginning
    noted = datetime.fromisoformat(notes["start"])
    return (wanted, True) if wanted and wanted < noted else (noted, False)


def _text(date: datetime | None) -> str:
    return date.astimezone(timezone.utc).isoformat(timespec="milliseconds") if date else ""


def _pyairbyte(work: Path) -> tuple[Any, Any, Any]:
    """PyAirbyte and two of its parts, imported after its environment was set, which it reads then."""
    work.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        # The connector is installed here, so no registry has to be asked, and nothing is told to anybody.
        {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"},
        AIRBYTE_PROJECT_DIR=str(work),
        AIRBYTE_CACHE_ROOT=str(work),
        AIRBYTE_LOGGING_ROOT=str(work / "logs"),
    )
    # PyAirbyte brings Google's libraries, which announce the end of Python versions; that is not for whoever runs this.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    if not sys.stdout.isatty():
        os.environ["NO_LIVE_PROGRESS"] = "1"
    import airbyte
    from airbyte import exceptions
    from airbyte.caches import DuckDBCache

    return airbyte, exceptions, DuckDBCache


class _Log(logging.Handler):
    """Listens to the connector's log, which PyAirbyte writes to a file only, for the streams that it skips."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        # As in: trends is skipped. The credentials have no permission for … (HTTP 403): use a key …
        if found := re.match(r"(\w+) is skipped\W*(.*)", record.getMessage(), re.DOTALL):
            self.skipped[found[1]] = found[2].partition(": ")[0] or "see the log"


def _failure(error: Any, database: Path) -> str:
    """The connector's message where there is one; PyAirbyte has printed those of a failed read."""
    if reason := (error.context or {}).get("failure_reason"):
        return str(reason)
    log = f" The log: {error.log_file}" if error.log_file else ""
    return f"{error.get_message()} Nothing of this sync is in {database}.{log}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads a Retently account into a DuckDB file.")
    parser.add_argument("--config", type=Path, default=Path("secrets/config.json"))
    parser.add_argument("--out", type=Path, default=Path("out/retently.duckdb"))
    parser.add_argument("--full", action="store_true", help="read everything again and replace what is there")
    parser.add_argument("--start", metavar="DATE", help="leave out what is older; instead of the configuration's start_date")
    parser.add_argument(
        "--same-account", action="store_true", help="the file holds this account's rows, though its key or host changed"
    )
    chosen = parser.parse_args()
    options = {"full": chosen.full, "start": chosen.start, "same_account": chosen.same_account}
    try:
        show(sync(read_config(str(chosen.config)), chosen.out, **options))
    except (SyncError, ConfigError) as error:
        sys.exit(error.message if isinstance(error, ConfigError) else str(error))
    print(f"The rows are in {chosen.out}.")


if __name__ == "__main__":
    main()
