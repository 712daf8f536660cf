"""The probe names the position of each of the sandbox's switches, and shows nobody's data."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from integration_tests.conftest import command_line, run_program
from integration_tests.leaks import leaked
from probe.__main__ import examine
from probe.api import MOST_REQUESTS
from probe.finding import UNDECIDED
from sandbox.data import METRICS
from sandbox.process import SandboxProcess
from sandbox.switches import Switches
from source_retently.environment import BASE_URL_VARIABLE

POSITIONS: dict[str, tuple[Any, ...]] = {
    name: get_args(kind) for name, kind in get_type_hints(Switches).items() if get_args(kind)
} | {"companies_limit": (1000, 100)}
NAMES = [f"METRIC{number:02}" for number in range(50)]
NOT_ASKED = ("rate_headers", "refresh_token")  # they take a refusal, and an OAuth application
DEFAULTS = {field.name: field.default for field in fields(Switches)}


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=60, companies=140, feedback=90, outbox=120, rate_limit=0) as own:
        yield own


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch, own: SandboxProcess) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLE, own.url)


def findings(own: SandboxProcess, **positions: Any) -> dict[str, str]:
    own.do({"switch": {name: DEFAULTS[name] for name in POSITIONS} | {"total_off": 25} | positions}, {"reset": True})
    report = examine(own.config)
    assert report["requests"] == sum(own.stats()["requests"].values()) <= MOST_REQUESTS
    return {finding["name"]: finding["answer"] for finding in report["findings"]}


def assert_named(found: dict[str, str], positions: dict[str, Any]) -> None:
    """Every switch that can be observed is named correctly; the others are reported as undecided."""
    hidden = {*NOT_ASKED, *(["unsurveyed"] if positions["metrics"] == "all" else [])}
    hidden |= {"bounds", "bounds at the end"} if positions["dates"] == "ignored" else set()
    hidden |= {"total", "echoed_page"} if positions["paging_in"] == "none" else set()
    for name, position in positions.items():
        if name in hidden:
            assert found[name] == UNDECIDED, name
        elif name == "customers_sort":  # what is wrong from page 2 on does not show
            is_undated = position == "nulls_last" or positions["updated_date"] == "absent"
            seen = {"disordered": "honoured"}.get(position, position)
            assert found[name] == (UNDECIDED if is_undated and seen != "refused" else seen)
        elif name != "metrics":
            expected = "fewer" if position == "capped" else str(position)  # which of the two it is takes a larger account
            assert found[name].split(" (")[0] == expected, name


@pytest.mark.parametrize(("name", "position"), [(name, position) for name, all_of in POSITIONS.items() for position in all_of])
def test_each_position_of_each_switch(own: SandboxProcess, name: str, position: Any) -> None:
    positions = {"metrics": "nps"} | {name: position}
    assert_named(findings(own, **positions), {switch: DEFAULTS[switch] for switch in POSITIONS} | positions)


@pytest.mark.parametrize("seed", range(20))
def test_all_switches_by_chance(own: SandboxProcess, seed: int) -> None:
    chance = random.Random(seed)
    positions = {name: chance.choice(all_of) for name, all_of in POSITIONS.items()}
    assert_named(findings(own, **positions), positions)


def test_the_score_of_every_campaigns_metric_is_requested(own: SandboxProcess) -> None:
    found = findings(own)
    assert {
        name.removeprefix("score of "): answer for name, answer in found.items() if name.startswith("score of ")
    } == dict.fromkeys(METRICS, "yes")
    assert set(own.stats()["requests"]) >= {f"{metric.lower()}/score" for metric in METRICS}
    assert max(number for path, number in own.stats()["requests"].items() if path.endswith("/score")) == 1
    found = findings(own, metrics="nps", unsurveyed="refuse")
    assert (found["score of NPS"], found["score of EMOJI"]) == ("yes", "HTTP 404")
    assert findings(own, metrics="nps", unsurveyed="null")["score of EMOJI"] == "no data"


def test_invalid_or_too_many_metrics_cost_no_request(own: SandboxProcess) -> None:
    odd = [{"id": "1", "metric": metric} for metric in (None, 5, {"a": 1}, "", "../customers", "a@b.example")]
    named = [{"metric": name} for name in NAMES]
    own.do({"fault": "body", "path": "campaigns", "text": json.dumps({"campaigns": odd})})
    assert not [name for name in findings(own) if name.startswith("score of ")]
    own.do({"fault": "body", "path": "campaigns", "text": json.dumps({"campaigns": odd + named})})
    found = findings(own)
    assert {name for name in found if name.startswith("score of ")} == {f"score of {name}" for name in NAMES[:20]}


def test_an_empty_account_leaves_questions_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    with SandboxProcess(customers=0, companies=0, feedback=0, outbox=0, rate_limit=0) as empty:
        monkeypatch.setenv(BASE_URL_VARIABLE, empty.url)
        report = examine(empty.config)
        found = {finding["name"]: finding for finding in report["findings"]}
        for name in ("survey_id", "sort", "dates", "bounds", "past_end", "updated_date", "customers_date"):
            assert found[name]["answer"] == UNDECIDED, name
            assert found[name]["needs"], name
        assert found["paging_in"]["answer"] == "data"
        assert report["streams"]["feedback"] == {"rows": 0, "fields": []}


def test_fields_that_do_not_match_the_schema_are_reported(own: SandboxProcess) -> None:
    own.do({"switch": {name: DEFAULTS[name] for name in POSITIONS}})
    own.do({"kind": "feedback", "change": 1, "values": {"score": "many", "brandNew": {"a@b.example": 1}}})
    fields_of_feedback = {field["path"]: field for field in examine(own.config)["streams"]["feedback"]["fields"]}
    assert fields_of_feedback["score"]["types"]["string"] == 1
    assert not fields_of_feedback["score"]["fits"]
    assert not fields_of_feedback["brandNew"]["known"]
    assert "brandNew.<data>" in fields_of_feedback
    assert fields_of_feedback["comment"]["fits"]


def probe(own: SandboxProcess, config: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    words = command_line(folder, "probe", config=config)
    return run_program(sys.executable, "-m", *words, "--out", str(folder), environment=own.environment)


def test_the_command_writes_a_report_without_anybodys_data(own: SandboxProcess, tmp_path: Path) -> None:
    ended = probe(own, own.config, tmp_path)
    assert ended.returncode == 0, ended.stderr
    text = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("probe.md", "probe.json")) + ended.stdout
    assert not leaked(text + ended.stderr, [own.config["credentials"]["api_key"]])
    for kind in ("customers", "companies", "feedback", "outbox"):
        for row in own.rows(kind)[:50]:
            for name in ("id", "email", "lastName", "comment", "companyName", "domain", "surveyId", "createdDate", "subject"):
                if len(str(row.get(name) or "")) > 3:
                    assert str(row[name]) not in text, name


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"api_key": "wrong-key"}, "does not accept the API key"),
        ({}, "credentials is missing"),
        ({"credentials": {"client_id": "a", "client_secret": "b", "refresh_token": "c"}}, "takes an API key"),
    ],
)
def test_a_bad_configuration_gets_its_message(own: SandboxProcess, tmp_path: Path, config: Any, message: str) -> None:
    ended = probe(own, config, tmp_path)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
