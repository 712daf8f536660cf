"""PyAirbyte reads the sandbox into PostgreSQL, which refuses what DuckDB takes."""

import getpass
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from integration_tests.conftest import run_program
from integration_tests.foreign import pyairbyte_in
from integration_tests.test_pyairbyte import KINDS, NEVER_SURVEYED, assert_the_queries_of_the_docs_run
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

BIN = shutil.which("initdb") or max(glob("/usr/lib/postgresql/*/bin/initdb"), default="")
pytestmark = pytest.mark.skipif(not BIN, reason="PostgreSQL's initdb is missing (Debian: apt-get install postgresql)")

USER = "retently"
PROGRAM = """
import json, sys
import airbyte
from airbyte.caches import PostgresCache

given = json.loads(sys.argv[1])
source = airbyte.get_source(
    "source-retently", local_executable=given["executable"], config=given["config"], streams=given["streams"]
)
cache = PostgresCache(
    host="127.0.0.1",
    port=given["port"],
    username=given["user"],
    password="none",
    database="postgres",
    schema_name=given["schema"],
)
for _ in range(given["reads"]):
    result = source.read(cache=cache)
    print(json.dumps({name: len(result[name]) for name in source.get_selected_streams()}))
"""


class Postgres:
    """A PostgreSQL server of its own, on a free port of this machine, and PyAirbyte reading into it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def query(self, query: str) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def execute(self, *statements: str) -> None:
        with self._cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user=USER, dbname="postgres")
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def read(
        self, sandbox: SandboxProcess, work: Path, schema: str, streams: Any = "*", reads: int = 1
    ) -> list[dict[str, int]]:
        """Rows of each stream in the schema, after each read."""
        given = {
            "config": sandbox.config,
            "port": self.port,
            "user": USER,
            "schema": schema,
            "streams": streams,
            "reads": reads,
        }
        given["executable"] = str(Path(sys.executable).parent / "source-retently")
        environment = {**sandbox.environment, "PYTHONPATH": str(ROOT), **pyairbyte_in(work)}
        ended = run_program(sys.executable, "-c", PROGRAM, json.dumps(given), environment=environment, cwd=work)
        assert ended.returncode == 0, ended.stderr[-3000:]
        return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    # PostgreSQL refuses to run as root, and the user that it runs as can't look into pytest's folders.
    user = "nobody" if getpass.getuser() == "root" else None
    programs = Path(BIN).resolve().parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        make = [*("--pgdata", str(data), "--username", USER, "--auth", "trust"), "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([programs / "initdb", *make], check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        words = ["-D", str(data), "-p", str(port), *(word for setting in settings for word in ("-c", setting))]
        with (Path(folder) / "log").open("w") as log:
            server = subprocess.Popen([programs / "postgres", *words], stderr=log, user=user, cwd=folder)
        running = Postgres(port)
        try:
            for _ in range(100):
                try:
                    running.query("select 1")
                    break
                except psycopg2.OperationalError:
                    assert server.poll() is None, (Path(folder) / "log").read_text()
                    time.sleep(0.1)
            yield running
        finally:
            server.terminate()
            server.wait()


def test_two_reads_of_all_streams(postgres: Postgres, tmp_path: Path) -> None:
    with SandboxProcess(customers=130, companies=12, feedback=160, outbox=150, survey_id="always") as sandbox:
        sandbox.do(
            {"kind": "feedback", "change": 7, "values": {"comment": "Très bien 👍🏽 \\u0000 'quoted' \"twice\"\n"}},
            {"kind": "customers", "change": 3, "values": {"jobTitle": "👩‍🚀 % ; -- \\", "tags": ["🎉", "a,b"]}},
        )
        rows = sandbox.stats()["rows"]
        assert len(rows) == 17
        assert postgres.read(sandbox, tmp_path, "twice", reads=2) == [rows, rows]
        # PyAirbyte writes all names in lower case.
        for kind, (key, value) in KINDS.items():
            landed = postgres.query(f'select "{key.lower()}", "{value.lower()}" from twice.{kind}')
            assert set(landed) == {(row[key], row[value]) for row in sandbox.rows(kind)}, kind
        feedback, customers = sandbox.rows("feedback")[7], sandbox.rows("customers")[3]
        query = f"select comment from twice.feedback where id = '{feedback['id']}'"
        assert postgres.query(query) == [(feedback["comment"],)]
        query = f"select tags from twice.customers where id = '{customers['id']}'"
        assert postgres.query(query) == [(["🎉", "a,b"],)]
        postgres.execute(*(f"drop table twice.{table}" for table in NEVER_SURVEYED))
        assert_the_queries_of_the_docs_run(lambda query: postgres.query(f"set search_path to twice; {query}"))


def test_a_nul_character_loses_nothing(postgres: Postgres, tmp_path: Path) -> None:
    with SandboxProcess(customers=13, companies=2, feedback=16, outbox=15) as sandbox:
        sandbox.do(
            {"kind": "feedback", "change": 7, "values": {"comment": "a\0b 👍", "tags": ["x\0", "y"]}},
            {"kind": "customers", "change": 3, "values": {"jobTitle": "\0Chief\0"}},
        )
        (rows,) = postgres.read(sandbox, tmp_path, "nul", ["customers", "feedback"])
        assert rows == {"customers": 13, "feedback": 16}
        feedback, customers = sandbox.rows("feedback")[7], sandbox.rows("customers")[3]
        landed = postgres.query(f"select comment, tags from nul.feedback where id = '{feedback['id']}'")
        assert landed == [("ab 👍", ["x", "y"])]
        assert postgres.query(f"select jobtitle from nul.customers where id = '{customers['id']}'") == [("Chief",)]
