"""Reads every stream of a Retently account into a destination of dlt. The next run loads what is new.

python examples/to_dlt.py --config secrets/config.json --out out/retently.duckdb --destination postgres

PyAirbyte reads the account into the DuckDB file, as examples/to_duckdb.py does: the file has the state of the streams. dlt then
loads what the file has received since dlt's last load, and merges it by the key of each stream.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dlt
import duckdb
from to_duckdb import SyncError, sync

from source_retently.streams.endpoints import STREAMS

RECEIVED = "_airbyte_extracted_at"
"""PyAirbyte's column with the time at which a row was read last."""
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def resources(database: Path) -> Iterator[Any]:
    """A dlt resource for each stream that is in the DuckDB file."""
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = {name for (name,) in connection.sql("select table_name from information_schema.tables").fetchall()}
    for stream in (stream() for stream in STREAMS):
        if stream.name in tables:
            keys = [stream.primary_key] if isinstance(stream.primary_key, str) else stream.primary_key
            key = [str(part).lower() for part in keys or ()]  # as PyAirbyte writes the names of columns
            resource = dlt.resource(rows, name=stream.name, primary_key=key, write_disposition="merge")
            yield resource(database, stream.name)


def rows(database: Path, stream: str, received: Any = dlt.sources.incremental(RECEIVED, EPOCH)) -> Iterator[Any]:  # noqa: B008
    """Rows that the file has received since dlt's last load; dlt keeps the time."""
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.table(stream).filter(f"{RECEIVED} >= '{received.last_value.isoformat()}'")
        while batch := found.fetchmany(10_000):
            yield [dict(zip(found.columns, row, strict=True)) for row in batch]


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads a Retently account into a destination of dlt.")
    parser.add_argument("--config", type=Path, default=Path("secrets/config.json"))
    parser.add_argument("--out", type=Path, default=Path("out/retently.duckdb"), help="the file that PyAirbyte reads into")
    parser.add_argument("--destination", required=True, help="as dlt names it: postgres, bigquery, snowflake, duckdb, …")
    parser.add_argument("--dataset", default="retently", help="dlt's name for the schema in the destination")
    chosen = parser.parse_args()
    try:
        sync(chosen.config, chosen.out)
    except SyncError as error:
        sys.exit(str(error))
    # The name identifies dlt's state: each file, destination and dataset needs its own, else rows would count as loaded.
    name = f"retently_{chosen.destination}_{chosen.dataset}_{chosen.out.stem}"
    pipeline = dlt.pipeline(name, destination=chosen.destination, dataset_name=chosen.dataset)
    print(pipeline.run(list(resources(chosen.out))))


if __name__ == "__main__":
    main()
