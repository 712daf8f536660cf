"""`make sync` and `make demo` as a person starts them: which file each fills, the table, the messages of failures."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.conftest import run_program, secrets_of
from integration_tests.leaks import leaked
from sandbox.process import SandboxProcess
from sandbox.sign_in import CLIENT
from unit_tests.run import ROOT

SMALL: dict[str, Any] = {"customers": 30, "companies": 5, "feedback": 40, "outbox": 30}
ENDED = subprocess.CompletedProcess[str]
Sync = Callable[..., ENDED]
FILE = Path("out/retently.duckdb")


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """Runs the program behind `make sync` in an empty folder, against a sandbox."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)

    def run(sandbox: SandboxProcess | None, *options: str, config: Any = None) -> ENDED:
        Path("secrets").mkdir(exist_ok=True)
        if sandbox:
            Path("secrets/config.json").write_text(json.dumps(config or sandbox.config), encoding="utf-8")
        environment = sandbox.environment if sandbox else {}
        ended = run_program(
            sys.executable, str(ROOT / "examples/to_duckdb.py"), *options, environment=environment, cwd=tmp_path
        )
        assert not leaked(ended.stdout + ended.stderr, secrets_of(config or (sandbox.config if sandbox else {})))
        return ended

    return run


def demo(*words: str) -> ENDED:
    return run_program(sys.executable, *words, cwd=Path.cwd())


def rows_of(file: Path, stream: str = "customers") -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        return int(connection.sql(f"select count(*) from {stream}").fetchall()[0][0])


def table(ended: ENDED) -> dict[str, tuple[str, int, str]]:
    """The table, by stream: read now, in the file, skipped."""
    lines = re.findall(r"^(\w+) +([\d,]+|-) +([\d,]+)(?: +(.+?))?$", ended.stdout, re.MULTILINE)
    return {stream: (now, int(held.replace(",", "")), why) for stream, now, held, why in lines}


def message(ended: ENDED) -> str:
    """The one message of a failure: the last line, after which nothing and before which no traceback comes."""
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stderr + ended.stdout
    return ended.stderr.strip().splitlines()[-1]


# ------------------------------------------------------------------------------------------------- a file for each account


def test_the_demo_and_the_account_keep_their_rows_in_either_order(sync: Sync) -> None:
    with SandboxProcess(**{**SMALL, "customers": 41}) as account:
        assert sync(account).returncode == 0
        filled = FILE.read_bytes()
        ended = demo("-c", f"from sandbox import demo; demo.main(**{SMALL})")
        assert ended.returncode == 0, ended.stderr
        assert all(f"{stream} " in ended.stdout for stream in account.stats()["rows"])  # no name is cut off
        assert FILE.read_bytes() == filled
        assert rows_of(Path("out/demo.duckdb")) == SMALL["customers"] + 2  # the demo adds two
        shown = Path("out/demo.duckdb").read_bytes()
        account.do({"kind": "customers", "insert": 1})
        second = sync(account)
        assert rows_of(FILE) == 42
        assert "incremental" in second.stderr  # the demo left the account's state as it was
        assert Path("out/demo.duckdb").read_bytes() == shown


def test_the_demo_replaces_no_file_but_its_own(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as account:
        assert sync(account, "--out", "out/demo.duckdb").returncode == 0
    with duckdb.connect("out/demo.duckdb") as connection:
        connection.execute("update _retently_sync set value = 'https://app.retently.com' where name = 'host'")
    filled = Path("out/demo.duckdb").read_bytes()
    assert "out/demo.duckdb" in message(demo("-m", "sandbox.demo"))
    assert Path("out/demo.duckdb").read_bytes() == filled


def test_a_file_of_another_account_is_left_as_it_is(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as first, SandboxProcess(**SMALL) as second:
        assert sync(first).returncode == 0
        filled = FILE.read_bytes()
        assert "another account" in message(sync(second))
        assert "another account" in message(sync(second, "--full"))
        # The same host and another key: the account's id shows it.
        body = json.dumps({"message": "Success.", "code": 200, "data": {"account": {"id": "another"}, "plan": {}}})
        first.do({"fault": "body", "text": body, "path": "ping", "times": 9})
        assert "another account" in message(sync(first, config=oauth_of(first)))
        assert FILE.read_bytes() == filled
        # With --same-account, the new key is stored.
        assert sync(first, "--same-account", config=oauth_of(first)).returncode == 0
        assert sync(first, config=oauth_of(first)).returncode == 0


def test_a_new_key_of_the_same_account_goes_on(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as account:
        assert sync(account).returncode == 0
        ended = sync(account, config=oauth_of(account))
        assert ended.returncode == 0, ended.stderr
        assert "incremental" in ended.stderr


def test_without_an_account_id_a_new_key_needs_same_account(sync: Sync) -> None:
    with SandboxProcess(**SMALL, ping="absent") as account:
        assert sync(account).returncode == 0
        assert "SAME_ACCOUNT=1" in message(sync(account, config=oauth_of(account)))


def oauth_of(sandbox: SandboxProcess) -> dict[str, Any]:
    """Other credentials of the same account."""
    return {"credentials": {"auth_type": "Client", **CLIENT}}


def test_a_file_that_something_else_has_filled_is_left_as_it_is(sync: Sync) -> None:
    FILE.parent.mkdir()
    with duckdb.connect(str(FILE)) as connection:
        connection.execute("create table feedback as select 1 as id")
    filled = FILE.read_bytes()
    with SandboxProcess(**SMALL) as account:
        assert "OUT=" in message(sync(account))
        assert FILE.read_bytes() == filled
        FILE.write_text("no database", encoding="utf-8")
        assert "out/retently.duckdb" in message(sync(account))
        assert FILE.read_text(encoding="utf-8") == "no database"


# ------------------------------------------------------------------------------------------------- messages of failures


def test_a_broken_configuration_is_one_message(sync: Sync) -> None:
    assert "config.json does not exist" in message(sync(None))
    for broken, part in {
        '{"api_key": }': "config.json is not JSON",
        "[]": "must contain a JSON object",
        '{"api_key": ""}': "is empty",
        '{"api_key": "k", "start_date": "soon"}': "start_date is not a date",
        '{"api_key": "k", "num_workers": 99}': "num_workers",
    }.items():
        Path("secrets/config.json").write_text(broken, encoding="utf-8")
        ended = sync(None)
        assert part in message(ended)
        assert len(ended.stderr.splitlines()) == 1
    Path("secrets/config.json").write_text('{"api_key": "k"}', encoding="utf-8")
    assert "start_date is not a date" in message(sync(None, "--start", "yesterday"))
    assert not FILE.exists()


def test_failures_show_the_connectors_messages(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as account:
        wrong = {"credentials": {"auth_type": "Token", "api_key": "wrong"}}
        assert message(sync(account, config=wrong)).startswith("Retently does not accept the API key (HTTP 401)")
        assert not FILE.exists()
        account.do({"fault": "422", "path": "companies", "times": 9})
        ended = sync(account)
        assert "Nothing of this sync is in out/retently.duckdb" in message(ended)
        # PyAirbyte breaks lines.
        assert "an unexpected status to the request for companies (page 1) (HTTP 422)" in " ".join(ended.stderr.split())
        account.do({"faults": {"rate": 0}})
        assert sync(account).returncode == 0
        account.do({"kind": "customers", "insert": 1}, {"fault": "422", "path": "companies", "times": 9})
        assert "Nothing of this sync" in message(sync(account))
        assert rows_of(FILE) == SMALL["customers"]


# ------------------------------------------------------------------------------------------------- the table and the dates


def test_the_table_separates_rows_read_from_rows_in_the_file(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as account:
        first = table(sync(account))
        assert {stream: held for stream, (_, held, _) in first.items()} == account.stats()["rows"]
        assert all(int(now) == held and not why for now, held, why in first.values())
        account.do({"switch": {"ping": "absent"}}, {"kind": "outbox", "insert": 3}, {"kind": "companies", "insert": 1})
        ended = sync(account)
        second = table(ended)
        now, held, why = second["account"]
        assert (now, held) == ("-", 1)
        assert "404" in why
        assert not any(why for stream, (_, _, why) in second.items() if stream != "account")
        assert second["companies"] == ("6", 6, "")
        now, held, _ = second["outbox"]
        assert held == 33
        assert 3 <= int(now) < 33
        assert "look-back window" in ended.stdout


def test_everything_again_and_an_earlier_start(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as account:
        dates = sorted(row["createdDate"] for row in account.rows("feedback"))
        late, early = dates[30][:10], dates[10][:10]

        def since(day: str) -> int:
            return sum(date >= day for date in dates)

        assert 0 < since(late) < since(early) < 40
        assert table(sync(account, "--start", late))["feedback"][1] == since(late)
        # The next sync keeps to the start, an earlier one brings what was left out.
        assert table(sync(account))["feedback"][1] == since(late)
        backfill = sync(account, "--start", early)
        assert table(backfill)["feedback"][1] == since(early)
        assert f"nothing from before {early}" in backfill.stdout
        account.do({"kind": "companies", "delete": [0]}, {"kind": "outbox", "delete": list(range(30))})
        full = table(sync(account, "--full"))
        assert full["feedback"][1] == 40
        assert full["companies"] == ("4", 4, "")
        assert full["outbox"] == ("0", 0, "")


def test_make_passes_its_options_on() -> None:
    def command(*words: str) -> list[str]:
        dry = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/demo", "--old-file=.venv/dev", "sync", *words]
        shown = subprocess.run(dry, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout
        return shlex.split(shown.replace("\\\n", ""))[2:]

    assert command() == ["--config", "secrets/config.json", "--out", str(FILE)]
    assert command("FULL=1", "START=2024-01-01", "SAME_ACCOUNT=1", "OUT=a b.duckdb", "CONFIG=c.json") == [
        *("--config", "c.json", "--out", "a b.duckdb", "--full", "--start", "2024-01-01", "--same-account")
    ]
