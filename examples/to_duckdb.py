"""Reads every stream of a Retently account into a DuckDB file with PyAirbyte. The next run reads what is new.

python examples/to_duckdb.py --config secrets/config.json --out out/retently.duckdb

With --full it reads everything again and replaces the rows in the file. This removes rows that were deleted in Retently.
With --start 2024-01-01 it does not read older rows. A start before the last one reads everything from that date on.
"""

import argparse
import contextlib
import hashlib
import io
import json
import logging
import os
import re
import secrets
import shutil
import sys
import tempfile
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
"""Table in the DuckDB file: the host and the credentials that its rows are from, and the date that they start at."""

AGAIN = (
    "Each sync reads some rows again: feedback and outbox of the look-back window before the newest row (lookback_window,\n"
    "7 days by default), customers that changed, and all rows of the other streams. They replace the rows in the file."
)


class SyncError(Exception):
    """The sync failed. The message has the reason and a remedy."""


class Synced(NamedTuple):
    """The result of a sync for one stream."""

    read: int
    """Rows that this sync read."""
    held: int
    """Rows in the file after the sync."""
    skipped: str
    """Why the stream was not read, in short; empty where it was read. The rows in the file are from an earlier sync then."""


def sync(
    config_file: Path,
    database: Path,
    environment: Mapping[str, str] | None = None,
    *,
    full: bool = False,
    start: str | None = None,
    same_account: bool = False,
) -> dict[str, Synced]:
    """Updates the DuckDB file.

    :param config_file: the connector's configuration. Where Retently replaces the refresh token, the new one is written into it
    :param database: the DuckDB file; it also has the state that the next call continues from
    :param environment: further environment variables of the connector
    :param full: whether to read everything again and replace what is there
    :param start: date to use instead of the configuration's `start_date`
    :param same_account: whether the rows in the file are this account's for certain, although the key or the host changed
    :return: the results, by stream
    :raises SyncError: when the configuration or the file can't be used, or the connector fails
    """
    os.environ.update(environment or {})
    try:
        raw = canonical({**read_config(str(config_file)), **({"start_date": start} if start else {})})
        wanted, host = Config.parse(raw).start_date, base_url()
    except ConfigError as error:
        raise SyncError(error.message) from None
    notes = notes_in(database)
    # Found out now, because the check below may replace the refresh token.
    is_known = same_account or _has_same_credentials(raw, host, database, notes)
    first_date, is_earlier = (wanted, False) if full else _first_date(wanted, notes or {})
    if first_date:
        raw["start_date"] = _text(first_date)
    airbyte, exceptions, duckdb_cache = _pyairbyte(database.parent.resolve() / ".pyairbyte" / database.stem)
    executable = shutil.which("source-retently", path=str(Path(sys.executable).parent)) or "source-retently"

    not_stored: list[SyncError] = []

    def use(changed: Mapping[str, Any]) -> None:
        raw["credentials"] = changed["credentials"]
        source.set_config(raw, validate=False)  # the next command of the connector needs it
        try:
            _store(config_file, raw["credentials"])
        except SyncError as error:
            not_stored.append(error)  # raised here, PyAirbyte would ignore it, and write the credentials into its log

    try:
        source = airbyte.get_source(
            "source-retently", local_executable=executable, config=raw, streams="*", config_change_callback=use
        )
        log = _Log()
        logging.getLogger("airbyte.source-retently").addHandler(log)
        source.check()
        if not (is_known or _has_its_id(database, source)):
            raise _other_account(database)
        salt = secrets.token_hex(16)
        _note(database, host=host, salt=salt, credentials=_fingerprint(raw, salt))
        print(f"Reading all streams{f', nothing from before {first_date:%Y-%m-%d}' if first_date else ''} ...", flush=True)
        try:
            with duckdb_cache(db_path=database, schema_name="main") as cache:
                strategy = "replace" if full else "merge" if is_earlier else "auto"
                result = source.read(cache=cache, force_full_refresh=full or is_earlier, write_strategy=strategy)
                streams = _results(source, result, cache, log.skipped, full=full)
        finally:
            _note(database, credentials=_fingerprint(raw, salt))  # the refresh token may be a new one
        _note(database, start=_text(first_date))
        if not_stored:
            raise not_stored[-1]
    except exceptions.PyAirbyteError as error:
        raise SyncError(_failure(error, database)) from None
    return streams


def _results(source: Any, result: Any, cache: Any, skipped: Mapping[str, str], *, full: bool) -> dict[str, Synced]:
    # PyAirbyte counts the rows of each stream, but has no public attribute for it.
    read = result._progress_tracker.stream_read_counts
    streams = {}
    for name in source.get_selected_streams():
        why = "" if read.get(name) else skipped.get(name, "")
        if full and not read.get(name) and not why:
            cache.execute_sql(f'delete from "{name}"')  # PyAirbyte does not replace a table by an empty one
        streams[name] = Synced(read.get(name, 0), len(result[name]), why)
    return streams


def show(streams: Mapping[str, Synced]) -> None:
    """Prints the results of a sync as a table."""
    print(f"{'stream':<20}{'read now':>12}{'in the file':>14}  skipped")
    for name, (read, held, skipped) in streams.items():
        print(f"{name:<20}{'-' if skipped else f'{read:,}':>12}{held:>14,}{f'  {skipped}' if skipped else ''}")
    print(AGAIN)
    if any(stream.skipped for stream in streams.values()):
        print("Skipped streams were not read; their rows in the file, if any, are from an earlier sync.")


def notes_in(database: Path) -> dict[str, str] | None:
    """What this program noted in the file; None without a file or without tables, {} where another program filled it.

    :raises SyncError: when it is not a DuckDB file, or another program has it open
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


def _has_same_credentials(config: Mapping[str, Any], host: str, database: Path, notes: Mapping[str, str] | None) -> bool:
    """Whether the file is new, or its rows were read with these credentials.

    :raises SyncError: when they are of another host or another program
    """
    if notes is None:
        return True
    if not notes:
        raise SyncError(
            f"{database} was not written by make sync of this version, so its account is unknown, and it was not changed: "
            f"{_remedy(database)}"
        )
    if host != notes["host"]:
        raise _other_account(database)
    return _fingerprint(config, notes["salt"]) == notes["credentials"]


def _other_account(database: Path) -> SyncError:
    return SyncError(
        f"{database} has the rows of another account or host, or the account's key has changed; it was not changed: "
        f"{_remedy(database)}"
    )


def _remedy(database: Path) -> str:
    return (
        f"name another file (make sync OUT=out/another.duckdb), or move {database} away. If it has this account's rows, "
        "call make sync SAME_ACCOUNT=1 once."
    )


def _has_its_id(database: Path, source: Any) -> bool:
    """Whether the file has rows of the account that new credentials are for, by the account's id.

    Nothing in the configuration identifies the account: keys are replaced, refresh tokens change, and an OAuth application may
    have access to several accounts. So the same credentials are the same account. With new credentials, the account's
    id from the API is compared with the one in the file. Where the API has none, only the user knows.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        try:
            known = {key for (key,) in connection.sql("select id from account").fetchall()}
        except duckdb.CatalogException:  # no sync was complete yet
            return False
    try:
        # PyAirbyte prints the connector's error. It is expected here: not every account has this endpoint.
        with contextlib.redirect_stderr(io.StringIO()):
            records = source.get_records("account")  # a variable, because the generator ends with its last reference
            ids = {record["id"] for record in records}
    except Exception:
        return False
    return ids == known and bool(ids - {"account"})  # the connector's id of an account without one


def _fingerprint(config: Mapping[str, Any], salt: str) -> str:
    """A hash that is different for different credentials. The file may go to people who must not have the key."""
    credentials = config["credentials"]
    names = ("api_key",) if credentials["auth_type"] == "Token" else ("client_id", "refresh_token")
    secret = "\n".join(str(credentials[name]) for name in names)
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()


def _first_date(wanted: datetime | None, notes: Mapping[str, str]) -> tuple[datetime | None, bool]:
    """The date to read from, and whether the rows in the file start later, so that the state can't be used.

    The date of the last sync is used until a sync has an earlier one or reads everything again, so START is needed only once.
    """
    if not notes.get("start"):
        return wanted, False  # the first sync, or the file has rows of any date
    noted = datetime.fromisoformat(notes["start"])
    return (wanted, True) if wanted and wanted < noted else (noted, False)


def _text(date: datetime | None) -> str:
    return date.astimezone(timezone.utc).isoformat(timespec="milliseconds") if date else ""


def _pyairbyte(work: Path) -> tuple[Any, Any, Any]:
    """PyAirbyte and two of its parts. It reads its environment variables when it is imported, so they are set before."""
    work.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        # The connector is installed here, so no registry is needed, and no usage is reported.
        {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"},
        AIRBYTE_PROJECT_DIR=str(work),
        AIRBYTE_CACHE_ROOT=str(work),
        AIRBYTE_LOGGING_ROOT=str(work / "logs"),
    )
    # PyAirbyte imports Google's libraries, which warn about the Python version; that does not concern the user.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    if not sys.stdout.isatty():
        os.environ["NO_LIVE_PROGRESS"] = "1"
    import airbyte
    from airbyte import exceptions
    from airbyte.caches import DuckDBCache

    return airbyte, exceptions, DuckDBCache


class _Log(logging.Handler):
    """Finds the skipped streams in the connector's log, which PyAirbyte only writes to a file."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        # For example: trends is skipped. The credentials have no permission for … (HTTP 403): use a key …
        if found := re.match(r"(\w+) is skipped\W*(.*)", record.getMessage(), re.DOTALL):
            self.skipped[found[1]] = found[2].partition(": ")[0] or "see the log"


def _failure(error: Any, database: Path) -> str:
    """The connector's message, if there is one; PyAirbyte has already printed those of a failed read."""
    if reason := (error.context or {}).get("failure_reason"):
        return str(reason)
    log = f" The log: {error.log_file}" if error.log_file else ""
    return f"{error.get_message()} Nothing of this sync is in {database}.{log}"


def _store(file: Path, credentials: Any) -> None:
    """Replaces the credentials in a configuration file, which is never half written.

    :raises SyncError: when it can't be written
    """
    file = file.resolve()
    try:
        config = {**json.loads(file.read_bytes()), "credentials": credentials}
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as new:
            json.dump(config, new, indent=2)
        shutil.copymode(file, new.name)
        Path(new.name).replace(file)
    except OSError as error:
        raise SyncError(
            f"Retently replaced the refresh token, and the new one can't be written into {file} ({error.strerror}): sign in to "
            "the OAuth application again, and put the refresh token that you get into a file that can be written to."
        ) from None


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads a Retently account into a DuckDB file.")
    parser.add_argument("--config", type=Path, default=Path("secrets/config.json"))
    parser.add_argument("--out", type=Path, default=Path("out/retently.duckdb"))
    parser.add_argument("--full", action="store_true", help="read everything again and replace the rows in the file")
    parser.add_argument(
        "--start", metavar="DATE", help="do not read older rows; used instead of the configuration's start_date"
    )
    parser.add_argument(
        "--same-account", action="store_true", help="the file has this account's rows, although the key or the host changed"
    )
    chosen = parser.parse_args()
    options = {"full": chosen.full, "start": chosen.start, "same_account": chosen.same_account}
    try:
        show(sync(chosen.config, chosen.out, **options))
    except SyncError as error:
        sys.exit(str(error))
    print(f"The rows are in {chosen.out}.")


if __name__ == "__main__":
    main()
