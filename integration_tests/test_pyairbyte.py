"""PyAirbyte reads the sandbox into DuckDB twice, as `make sync` does, and DuckDB ends with the API's rows."""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from docs.erd.relations import RELATIONS
from docs.generate import PAGE
from integration_tests.conftest import Connector, run_program
from sandbox.process import SandboxProcess
from unit_tests.run import catalog_of

KINDS = {
    "customers": ("id", "jobTitle"),
    "companies": ("id", "companyName"),
    "feedback": ("id", "score"),
    "outbox": ("surveyId", "status"),
}


def sync(sandbox: SandboxProcess, work: Path, *options: str) -> str:
    """One call of the program behind `make sync`, in a process of its own: PyAirbyte's libraries warn a great deal."""
    (work / "config.json").write_text(json.dumps(sandbox.config), encoding="utf-8")
    words = ["--config", str(work / "config.json"), "--out", str(work / "retently.duckdb"), *options]
    ended = run_program(sys.executable, "examples/to_duckdb.py", *words, environment=sandbox.environment)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def landed(work: Path) -> dict[str, set[tuple[Any, ...]]]:
    with duckdb.connect(str(work / "retently.duckdb")) as connection:
        return {
            kind: set(connection.sql(f'select "{key}", "{value}" from "{kind}"').fetchall())
            for kind, (key, value) in KINDS.items()
        }


def in_the_api(sandbox: SandboxProcess) -> dict[str, set[tuple[Any, ...]]]:
    return {kind: {(row[key], row[value]) for row in sandbox.rows(kind)} for kind, (key, value) in KINDS.items()}


def rows_in(output: str) -> dict[str, int]:
    """How many rows are in DuckDB, as the program prints it, by stream."""
    return {stream: held for stream, (_, held) in _table(output).items()}


def rows_read(output: str) -> int:
    """How many rows the program read, as it prints it."""
    return sum(read for read, _ in _table(output).values())


def _table(output: str) -> dict[str, tuple[int, int]]:
    rows = re.findall(r"^(\w+) +([\d,]+) +([\d,]+)$", output, re.MULTILINE)
    return {stream: (int(read.replace(",", "")), int(held.replace(",", ""))) for stream, read, held in rows}


def test_two_reads_the_second_incremental(tmp_path: Path) -> None:
    with SandboxProcess(customers=1300, companies=60, feedback=2100, outbox=1500, survey_id="always") as sandbox:
        first = sync(sandbox, tmp_path)
        assert rows_read(first) == sum(sandbox.stats()["rows"].values())
        assert landed(tmp_path) == in_the_api(sandbox)
        assert_the_streams_join(tmp_path)
        sandbox.do(
            {"kind": "feedback", "insert": 5},
            {"kind": "outbox", "insert": 7},
            {"kind": "customers", "insert": 2},
            {"kind": "customers", "change": 3, "values": {"jobTitle": "Chief Happiness Officer"}},
            # Late changes within the look-back window, without any mark that they happened.
            {"kind": "feedback", "change": 2100, "values": {"score": 0}},
            {"kind": "outbox", "change": 1500, "values": {"status": "BOUNCED"}},
        )
        second = sync(sandbox, tmp_path)
        assert landed(tmp_path) == in_the_api(sandbox)
        # Every full-refresh stream is read again, the others bring what is new and the days of the window.
        assert rows_in(second) == sandbox.stats()["rows"]
        assert 78 < rows_read(second) < 200
        with duckdb.connect(str(tmp_path / "retently.duckdb")) as connection:
            connection.begin()
            for table in NEVER_SURVEYED:
                connection.execute(f"drop table {table}")
            assert_the_queries_of_the_docs_run(lambda query: connection.sql(query).fetchall())
            connection.rollback()
        # Rows that were deleted go with a full refresh, not before.
        sandbox.do({"kind": "feedback", "delete": [0, 1, 2]}, {"kind": "companies", "delete": [5]})
        third = sync(sandbox, tmp_path, "--full")
        assert "incremental sync" not in third
        assert rows_in(third) == sandbox.stats()["rows"]
        assert landed(tmp_path) == in_the_api(sandbox)
        assert_the_score_can_be_seen(tmp_path, sandbox)


def assert_the_score_can_be_seen(work: Path, sandbox: SandboxProcess) -> None:
    """The example's table adds up to what the API holds, and its picture is one."""
    picture = work / "nps.png"
    words = ["--database", str(work / "retently.duckdb"), "--out", str(picture)]
    ended = run_program(sys.executable, "examples/nps_by_month.py", *words)
    assert ended.returncode == 0, ended.stderr
    months = re.findall(r"^(\d{4}-\d\d) +(\d+) +(\d+) +(\d+) +(-?\d+)$", ended.stdout, re.MULTILINE)
    answers = [row["score"] for row in sandbox.rows("feedback") if row["metricsType"] == "NPS" and not row["isBogus"]]
    assert sum(int(responses) for _, responses, *_ in months) == len(answers)
    assert sum(int(promoters) for _, _, promoters, *_ in months) == sum(score >= 9 for score in answers)
    assert sum(int(detractors) for *_, detractors, _ in months) == sum(score <= 6 for score in answers)
    assert picture.read_bytes().startswith(b"\x89PNG")


def assert_the_streams_join(work: Path) -> None:
    """Every field that leads to another stream leads to a row of it, and there are such fields."""
    with duckdb.connect(str(work / "retently.duckdb")) as connection:
        for child, parent, _ in RELATIONS:
            (stream, field), (other, key) = child.split("."), parent.split(".")
            lost = f'count("{field}") filter ("{field}" not in (select "{key}" from {other}))'
            query = f'select count("{field}"), {lost} from {stream}'
            assert (found := connection.sql(query).fetchall()[0])[0] > 0, child
            assert found[1] == 0, child


def queries_in(text: str) -> list[str]:
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


ABOUT_STREAMS, LIMITATIONS = PAGE.read_text(encoding="utf-8").split("## Limitations")


NEVER_SURVEYED = ("csat", "ces", "star")
"""Scores whose tables an account may lack, so no query of the documentation needs them."""


def assert_the_queries_of_the_docs_run(run: Callable[[str], Sequence[Any]]) -> None:
    """Each has a result, on the tables as they land; the one about doubled keys has none while there are none."""
    queries = queries_in(ABOUT_STREAMS)
    assert queries
    for query in queries:
        assert run(query), query
    (doubled,) = queries_in(LIMITATIONS)
    assert not run(doubled)


def test_the_docs_find_sent_surveys_that_came_under_two_keys(forked: Connector, tmp_path: Path) -> None:
    with SandboxProcess(customers=40, companies=2, feedback=30, outbox=60, survey_id="always", rate_limit=0) as sandbox:
        rows = sandbox.rows("outbox")
        dated, named, both, settled = 59, 58, 57, 56

        def change(row: int, **values: Any) -> None:
            sandbox.do({"kind": "outbox", "change": row, "values": values})

        change(dated, surveyId=None, sentDate=None)
        change(named, surveyId=None)
        change(both, surveyId=None, sentDate=None)
        change(settled, sentDate=None)
        config = {**sandbox.config, "lookback_window": 365}
        first = forked("read", sandbox, config=config, catalog=catalog_of("outbox"))
        change(dated, sentDate=rows[dated]["sentDate"])
        for row in (named, both, settled):
            change(row, surveyId=rows[row]["surveyId"], sentDate=rows[row]["sentDate"])
        second = forked("read", sandbox, config=config, catalog=catalog_of("outbox"), state=first.states)
    before, after = ({record["id"]: record for record in run.records("outbox")} for run in (first, second))
    (tmp_path / "outbox.json").write_text(json.dumps(list({**before, **after}.values())), encoding="utf-8")
    assert len(before) == 60
    assert len(after.keys() - before.keys()) == 3  # one with a surveyId keeps its key
    with duckdb.connect() as connection:
        connection.execute(f"create table outbox as select * from read_json_auto('{tmp_path / 'outbox.json'}')")
        (doubled,) = queries_in(LIMITATIONS)
        found = {(old, new) for old, new, *_ in connection.sql(doubled).fetchall()}
    of = {row: rows[row]["email"] for row in (dated, named, both)}
    assert {(before[old]["email"], after[new]["email"]) for old, new in found} == {(email, email) for email in of.values()}
    assert {new for _, new in found} == after.keys() - before.keys()
