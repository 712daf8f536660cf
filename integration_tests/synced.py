"""What `make sync` leaves: the table that it prints, the rows of its file, the message of a failure."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

Ended = subprocess.CompletedProcess[str]
Sync = Callable[..., Ended]
"""The fixture `sync`: runs the program behind `make sync`."""

SMALL: dict[str, Any] = {"customers": 30, "companies": 5, "feedback": 40, "outbox": 30}
FILE = Path("out/retently.duckdb")


def rows_of(file: Path, stream: str = "customers") -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        return int(connection.sql(f"select count(*) from {stream}").fetchall()[0][0])


def table(ended: Ended) -> dict[str, tuple[str, int, str]]:
    """The table, by stream: read now, in the file, skipped."""
    lines = re.findall(r"^(\w+) +([\d,]+|-) +([\d,]+)(?: +(.+?))?$", ended.stdout, re.MULTILINE)
    return {stream: (now, int(held.replace(",", "")), why) for stream, now, held, why in lines}


def message(ended: Ended) -> str:
    """The one message of a failure: the last line, after which nothing and before which no traceback comes."""
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stderr + ended.stdout
    return ended.stderr.strip().splitlines()[-1]
