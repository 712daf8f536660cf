"""Reads every stream of a Retently account into a DuckDB file with PyAirbyte; run again, it reads what is new.

python examples/to_duckdb.py --config secrets/config.json --out out/retently.duckdb

With --full it reads everything again and replaces what is there, which is how rows go that were deleted in Retently.
"""

import argparse
import json
import os
import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def sync(
    config: Mapping[str, Any], database: Path, environment: Mapping[str, str] | None = None, *, full: bool = False
) -> dict[str, int]:
    """Brings the DuckDB file up to date.

    :param config: the connector's configuration
    :param database: the DuckDB file; it also keeps the state, so that the next call goes on from there
    :param environment: further environment variables of the connector
    :param full: whether to read everything again and replace what is there
    :return: rows in the file, by stream
    """
    work = database.parent.resolve() / ".pyairbyte"
    work.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        # The connector is installed here, so no registry has to be asked, and nothing is told to anybody.
        {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"},
        AIRBYTE_PROJECT_DIR=str(work),
        AIRBYTE_CACHE_ROOT=str(work),
        AIRBYTE_LOGGING_ROOT=str(work / "logs"),
        **(environment or {}),
    )
    # PyAirbyte brings Google's libraries, which announce the end of Python versions; that is not for whoever runs this.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    if not sys.stdout.isatty():
        os.environ["NO_LIVE_PROGRESS"] = "1"
    import airbyte
    from airbyte.caches import DuckDBCache

    executable = shutil.which("source-retently", path=str(Path(sys.executable).parent)) or "source-retently"
    source = airbyte.get_source("source-retently", local_executable=executable, config=dict(config), streams="*")
    source.check()
    print("Reading all streams ...", flush=True)
    with DuckDBCache(db_path=database, schema_name="main") as cache:
        result = source.read(cache=cache, force_full_refresh=full, write_strategy="replace" if full else "auto")
        print(f"{result.processed_records:,} rows arrived in {database}.")
        return {name: len(result[name]) for name in source.get_selected_streams()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads a Retently account into a DuckDB file.")
    parser.add_argument("--config", type=Path, default=Path("secrets/config.json"))
    parser.add_argument("--out", type=Path, default=Path("out/retently.duckdb"))
    parser.add_argument("--full", action="store_true", help="read everything again and replace what is there")
    chosen = parser.parse_args()
    if not chosen.config.exists():
        sys.exit(f"{chosen.config} is missing: write it as secrets/README.md shows.")
    rows = sync(json.loads(chosen.config.read_text(encoding="utf-8")), chosen.out, full=chosen.full)
    for stream, number in rows.items():
        print(f"{stream:<20}{number:>12,}")


if __name__ == "__main__":
    main()
