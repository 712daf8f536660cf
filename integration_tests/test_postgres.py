"""PyAirbyte reads the sandbox into PostgreSQL, twice. PostgreSQL takes no U+0000: one of them used to lose the whole read.

The server is Debian's package `postgresql`; where it is not installed these tests are skipped.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_tests.conftest import ROOT
from sandbox.process import SandboxProcess

READ = """
import json, os, sys, warnings
warnings.filterwarnings("ignore")
import airbyte
from airbyte.caches import PostgresCache
executable, config, port = sys.argv[1:]
cache = PostgresCache(host="127.0.0.1", port=int(port), username="postgres", password="none", database="postgres")
with open(config) as file:
    source = airbyte.get_source("source-retently", local_executable=executable, config=json.load(file), streams="*")
result = source.read(cache=cache)
found = {name: [dict(row) for row in result[name]] for name in source.get_selected_streams()}
print("ROWS " + json.dumps(found, default=str))
"""


def program(name: str) -> str:
    """A program of the server; Debian keeps it out of the PATH."""
    found = [shutil.which(name), *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    path = next(filter(None, found), None)
    if path is None:
        pytest.skip(f"PostgreSQL is not installed: {name} is missing (Debian: apt-get install postgresql)")
    return path


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    initdb, postgres = program("initdb"), program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="retently-postgres-"))
    user = {}
    if os.geteuid() == 0:  # which it refuses to run as
        shutil.chown(folder, "postgres", "postgres")
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        number = int(chosen.getsockname()[1])
    data = str(folder / "data")
    start = [initdb, "--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-sync"]
    subprocess.run(start, check=True, capture_output=True, cwd=folder, **user)
    words = [postgres, "-D", data, "-p", str(number), "-h", "127.0.0.1", "-k", str(folder), "-F"]
    with open(folder / "log", "wb") as log, subprocess.Popen(words, stderr=log, stdout=log, cwd=folder, **user) as server:
        try:
            until = time.monotonic() + 30
            while "ready to accept connections" not in (folder / "log").read_text(errors="replace"):
                assert server.poll() is None, (folder / "log").read_text(errors="replace")
                assert time.monotonic() < until
                time.sleep(0.1)
            yield number
        finally:
            server.terminate()
    shutil.rmtree(folder)


def test_an_account_with_nuls_arrives_twice(port: int, tmp_path: Path) -> None:
    # The connector of this checkout, wherever it is installed from.
    executable = tmp_path / "connector"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "main.py"}" "$@"\n', encoding="utf-8")
    executable.chmod(0o700)
    with SandboxProcess(customers=40, companies=4, feedback=60, outbox=80, rate_limit=0) as sandbox:
        properties = [{"name": "pl\0an", "value": ["P\0ro", {"a\0": "\0"}]}]
        sandbox.do(
            {"kind": "feedback", "change": 59, "values": {"comment": "one\0two", "tags": ["\0x"], "customProps": properties}},
            {"kind": "customers", "change": 39, "values": {"jobTitle": "C\0TO", "location": {"coun\0try": "\0"}}},
        )
        (tmp_path / "config.json").write_text(json.dumps(sandbox.config), encoding="utf-8")
        work = {name: str(tmp_path) for name in ("AIRBYTE_PROJECT_DIR", "AIRBYTE_CACHE_ROOT", "AIRBYTE_LOGGING_ROOT")}
        environment = {**os.environ, **sandbox.environment, **work, "AIRBYTE_OFFLINE_MODE": "1", "NO_LIVE_PROGRESS": "1"}
        words = [sys.executable, "-c", READ, str(executable), str(tmp_path / "config.json"), str(port)]
        for _ in range(2):
            ended = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
            assert ended.returncode == 0, ended.stderr[-2000:]
            rows = json.loads(ended.stdout.split("ROWS ")[1].splitlines()[0])
            assert {name: len(found) for name, found in rows.items()} == sandbox.stats()["rows"]
            assert "onetwo" in [row["comment"] for row in rows["feedback"]]
            assert "CTO" in [row["jobtitle"] for row in rows["customers"]]
