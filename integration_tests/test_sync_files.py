"""Which file `make sync` and `make demo` fill: one for each account, and none that is somebody else's."""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from examples.to_duckdb import NOTES
from integration_tests.conftest import run_program
from integration_tests.leaks import leaked
from integration_tests.synced import FILE, SMALL, Ended, Sync, message, rows_of
from sandbox.process import SandboxProcess
from sandbox.sign_in import CLIENT
from unit_tests.run import ROOT


def demo(*words: str) -> Ended:
    return run_program(sys.executable, *words, cwd=Path.cwd())


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


@pytest.mark.usefixtures("sync")
def test_the_demo_replaces_no_file_but_its_own() -> None:
    FILE.parent.mkdir()
    with duckdb.connect("out/demo.duckdb") as connection:
        connection.execute(f"create table {NOTES} as select 'host' as name, 'https://app.retently.com' as value")
    filled = Path("out/demo.duckdb").read_bytes()
    assert "out/demo.duckdb" in message(demo("-m", "sandbox.demo"))
    assert Path("out/demo.duckdb").read_bytes() == filled


def test_a_new_key_goes_on_and_a_file_of_another_account_is_left_as_it_is(sync: Sync) -> None:
    with SandboxProcess(**SMALL) as first, SandboxProcess(**SMALL) as second:
        assert sync(first).returncode == 0
        # The same host and another key: the account's id shows whose it is.
        ended = sync(first, config=oauth_of(first))
        assert ended.returncode == 0, ended.stderr
        assert "incremental" in ended.stderr
        filled = FILE.read_bytes()
        assert "another account" in message(sync(second))
        assert "another account" in message(sync(second, "--full"))
        body = json.dumps({"message": "Success.", "code": 200, "data": {"account": {"id": "another"}, "plan": {}}})
        first.do({"fault": "body", "text": body, "path": "ping", "times": 9})
        assert "another account" in message(sync(first))
        assert FILE.read_bytes() == filled
        # With --same-account, the new key is stored.
        assert sync(first, "--same-account").returncode == 0
        assert sync(first).returncode == 0


def test_without_an_account_id_a_new_key_needs_same_account(sync: Sync) -> None:
    with SandboxProcess(**SMALL, ping="absent") as account:
        assert sync(account).returncode == 0
        assert "SAME_ACCOUNT=1" in message(sync(account, config=oauth_of(account)))


def test_a_replaced_refresh_token_is_stored(sync: Sync) -> None:
    file = Path("secrets/config.json")
    with SandboxProcess(**SMALL, ping="absent", refresh_token="rotated") as account:
        config = {**oauth_of(account), "note": "mine"}
        for customers in (30, 31):
            ended = sync(account, config=config)
            assert ended.returncode == 0, ended.stderr
            assert rows_of(FILE) == customers
            stored = json.loads(file.read_text(encoding="utf-8"))
            assert stored.pop("credentials")["refresh_token"] != config["credentials"]["refresh_token"]
            assert stored == {"note": "mine"}
            assert list(file.parent.iterdir()) == [file]
            config = json.loads(file.read_text(encoding="utf-8"))
            account.do({"kind": "customers", "insert": 1})
        assert "incremental" in ended.stderr
        command = f"cat {file} | {sys.executable} {ROOT}/examples/to_duckdb.py --config /dev/stdin"
        ended = run_program("sh", "-c", command, environment=account.environment, cwd=Path.cwd())
        assert "the new one can't be written into" in message(ended)
        assert rows_of(FILE) == 32
        written = [path.read_text(encoding="utf-8", errors="replace") for path in Path("out/.pyairbyte").rglob("*.log")]
        assert not leaked("".join([ended.stdout, ended.stderr, *written]), account.issued_tokens())


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
