"""The demo: a sandbox with a few thousand rows, and everything in it read into DuckDB, twice.

The second sync comes after new and changed rows, and reads only those (and the days of the look-back window).
"""

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.nps_by_month import draw, nps_by_month, show
from examples.to_duckdb import AGAIN, Synced, notes_in, sync
from sandbox.process import PATHS, SandboxProcess

OUT = Path("out")
CONNECTOR = Path(__file__).parent.parent / "main.py"


def main(**options: Any) -> None:
    """
    :param options: the sandbox's, with underscores; the dates of the rows end today, unless `newest` is among them
    """
    console = Console()
    OUT.mkdir(exist_ok=True)
    database, chart = OUT / "demo.duckdb", OUT / "demo_nps_by_month.png"
    # A new sandbox is another account, so the file of the last demo goes; one that holds anything else does not.
    notes = notes_in(database)
    if notes is not None and not notes.get("host", "").startswith("http://127.0.0.1:"):
        sys.exit(f"{database} holds rows that are not the demo's, so it is left as it is: move it away.")
    for old in (database, database.with_suffix(".duckdb.wal")):
        old.unlink(missing_ok=True)
    with SandboxProcess(**{"newest": "today", **options}) as sandbox:
        console.rule("An imitation of the Retently API")
        print(f"It listens on {sandbox.url} and holds {sum(sandbox.stats()['rows'].values()):,} rows.")
        config = OUT / "demo_config.json"
        config.write_text(json.dumps(sandbox.config), encoding="utf-8")
        console.rule("check")
        print(_command(sandbox, config, "check")["connectionStatus"])
        console.rule("discover")
        for stream in _command(sandbox, config, "discover")["catalog"]["streams"]:
            print(f"{stream['name']:<19}{' and '.join(stream['supported_sync_modes'])}")
        is_right = True
        for title in ("First sync: everything", "Second sync: what is new or changed"):
            console.rule(title)
            sandbox.do({"reset": True})
            started = time.monotonic()
            streams = sync(config, database, sandbox.environment)
            stats = sandbox.stats()
            is_right &= _show(console, streams, stats["rows"], stats["requests"], time.monotonic() - started)
            sandbox.do(
                {"kind": "feedback", "insert": 5},
                {"kind": "outbox", "insert": 12},
                {"kind": "customers", "insert": 2},
                {"kind": "customers", "change": 3, "values": {"jobTitle": "Chief Happiness Officer"}},
            )
        console.rule("What the customers say: the Net Promoter Score of the last twelve months")
        months = nps_by_month(database)
        show(months[-12:])
        draw(months, "feedback of the imitation", chart, datetime.now(timezone.utc).date())
        print(f"The chart of all {len(months)} months is in {chart}.")
    print(f"The rows are in {database}." if is_right else "DuckDB and the API differ: the demo failed.")
    sys.exit(0 if is_right else 1)


def _command(sandbox: SandboxProcess, config: Path, command: str) -> dict[str, Any]:
    """The last message of one of the connector's commands."""
    ended = subprocess.run(
        [sys.executable, str(CONNECTOR), command, "--config", str(config)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **sandbox.environment},
    )
    message: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return message


def _show(console: Console, streams: dict[str, Synced], api: dict[str, int], requests: dict[str, int], seconds: float) -> bool:
    """Prints the table; whether both sides agree."""
    headers = ("stream", "read now", "in the file", "in the API", "requests", "skipped")
    table = Table(*headers, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)  # 80 columns are enough for it
    for column in table.columns[1:5]:
        column.justify = "right"
    for stream, (read, held, skipped) in streams.items():
        asked = PATHS[stream]
        made = sum(count for path, count in requests.items() if path == asked or (asked[-1] == "/" and path.startswith(asked)))
        table.add_row(stream, "-" if skipped else f"{read:,}", f"{held:,}", f"{api[stream]:,}", f"{made:,}", skipped)
    console.print(table)
    print(AGAIN)
    total = sum(requests.values())
    print(f"{total} requests and {seconds:.0f} s, of which PyAirbyte's own start takes most.")
    return {name: stream.held for name, stream in streams.items()} == api and not any(row.skipped for row in streams.values())


if __name__ == "__main__":
    main()
