"""`make sync` as a person starts it: the table, the dates, the messages of failures."""

import shlex
import subprocess
from pathlib import Path

from integration_tests.synced import FILE, SMALL, Sync, message, rows_of, table
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT

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
