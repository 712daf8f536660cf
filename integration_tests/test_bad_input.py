"""Bad input through the command line, in real processes: an exit code, one message, nothing of what was in the files."""

import json
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import Connector, command_line
from unit_tests.run import ROOT, catalog_of, state_of

SECRET = "s3cr3t/of a file+that%no=one&may\\see"
NOWHERE = {"RETENTLY_BASE_URL": "http://127.0.0.1:9"}
"""Nothing here may get as far as a request; one that did would be tried until the test ends."""

CONFIG = {"credentials": {"auth_type": "Token", "api_key": "a-key-that-is-fine"}}
CATALOG = catalog_of("templates")
(TEMPLATES,) = CATALOG["streams"]
STREAM = TEMPLATES["stream"]
WORD = SECRET.replace(" ", "-")
OAUTH = {"client_id": "id", "client_secret": WORD, "refresh_token": WORD}
STATE = state_of("feedback", {})

MISSING, FOLDER = ROOT / "missing.json", ROOT / "docs"


def configured(**changes: Any) -> dict[str, Any]:
    return {"streams": [{**TEMPLATES, **changes}]}


def named(*names: str) -> dict[str, Any]:
    return {"streams": [{**TEMPLATES, "stream": {**STREAM, "name": name}} for name in names]}


NOT_JSON = "is not JSON in UTF-8"
AT = "is not JSON in UTF-8 (Expecting property name enclosed in double quotes at line 2, column 3)"
NOT_A_CATALOG = "is not a configured catalog"
NO_STATES = "contains no states"

ANY_FILE: list[tuple[str, Any, str]] = [
    ("missing", MISSING, "does not exist"),
    ("a folder", FOLDER, "can't be read (Is a directory)"),
    ("empty", b"", NOT_JSON),
    ("a comma too many", b'{"api_key": "a",\n  }', AT),
    ("whitespace", b" \n\t ", NOT_JSON),
    ("text", SECRET.encode(), NOT_JSON),
    ("cut off", b'{"api_key": "' + SECRET.encode(), NOT_JSON),
    ("single quotes", f"{{'api_key': '{SECRET}'}}".encode(), NOT_JSON),
    ("yaml", f"api_key: {SECRET}".encode(), NOT_JSON),
    ("two documents", b'{"api_key": "a"}\n{"api_key": "b"}', NOT_JSON),
    ("latin-1", json.dumps({"api_key": "clé"}, ensure_ascii=False).encode("latin-1"), NOT_JSON),
    ("utf-16", json.dumps({"api_key": SECRET}).encode("utf-16"), NOT_JSON),
    ("a byte order mark alone", b"\xef\xbb\xbf", NOT_JSON),
    ("binary", bytes(range(256)), NOT_JSON),
    ("nested without end", b"[" * 100_000, NOT_JSON),
    ("huge and cut off", b'{"api_key": "' + b"x" * 20_000_000, NOT_JSON),
]

CONFIGS: list[tuple[str, Any, str]] = [
    ("a list", [SECRET], "must contain a JSON object"),
    ("a text", SECRET, "must contain a JSON object"),
    ("a number", 5, "must contain a JSON object"),
    ("null", None, "must contain a JSON object"),
    ("an empty object", {}, "credentials is missing"),
    ("a wrong name", {"apikey": SECRET}, "credentials is missing"),
    ("a huge object", {str(number): SECRET for number in range(100_000)}, "credentials is missing"),
    ("credentials as text", {"credentials": SECRET}, "credentials must be an object"),
    ("credentials as list", {"credentials": [SECRET]}, "credentials must be an object"),
    ("credentials twice", {"credentials": {"credentials": {"api_key": SECRET}}}, "credentials.api_key is missing"),
    ("a config in a config", {"config": {"credentials": {"api_key": SECRET}}}, "credentials is missing"),
    ("no key", {"credentials": {"auth_type": "Token"}}, "credentials.api_key is missing"),
    ("an empty key", {"api_key": ""}, "credentials.api_key is empty"),
    ("a key of whitespace", {"credentials": {"api_key": "  "}}, "credentials.api_key is empty"),
    ("a key that is an object", {"credentials": {"api_key": {"value": SECRET}}}, "credentials.api_key must be text"),
    ("a key that is a number", {"api_key": 12345}, "credentials.api_key must be text"),
    ("a key of two lines", {"api_key": f"{SECRET}\n{SECRET}"}, "line break"),
    ("a key with a letter like é", {"api_key": SECRET.replace(" ", "") + "é"}, "not ASCII"),
    ("a key with a tab", {"api_key": f"{SECRET}\t{SECRET}"}, "whitespace or characters that are not ASCII"),
    ("a key with a null byte", {"api_key": f"a\0{SECRET}"}, "whitespace or characters that are not ASCII"),
    ("both kinds", {"credentials": {"api_key": SECRET, **OAUTH}}, "keep one kind"),
    ("an unknown kind", {"credentials": {"auth_type": SECRET, "api_key": "x"}}, "auth_type must be Token"),
    ("OAuth without its secret", {"credentials": {"client_id": "id", "refresh_token": SECRET}}, "client_secret is missing"),
    ("OAuth with a null", {"credentials": {**OAUTH, "client_id": None}}, "client_id is missing"),
    ("OAuth with an empty token", {"credentials": {**OAUTH, "refresh_token": ""}}, "refresh_token is empty"),
    ("a date that is none", {**CONFIG, "start_date": SECRET}, "start_date is not a date"),
    ("a date of another land", {**CONFIG, "start_date": "31.01.2024"}, "start_date is not a date"),
    ("a date that is a number", {**CONFIG, "start_date": 1700000000}, "start_date is not a date"),
    ("a date to come", {**CONFIG, "start_date": "2999-01-01T00:00:00Z"}, "start_date is in the future"),
    ("a window in words", {**CONFIG, "lookback_window": SECRET}, "lookback_window must be a whole number from 0 to 3650"),
    ("a negative window", {**CONFIG, "lookback_window": -1}, "lookback_window must be a whole number"),
    ("no workers", {**CONFIG, "num_workers": 0}, "num_workers must be a whole number from 1 to 10"),
    ("too many workers", {**CONFIG, "num_workers": 11}, "num_workers must be a whole number from 1 to 10"),
    ("no requests", {**CONFIG, "requests_per_minute": 0}, "requests_per_minute must be a whole number from 1"),
    ("requests as a list", {**CONFIG, "requests_per_minute": [SECRET]}, "requests_per_minute must be a whole number"),
]

CATALOGS: list[tuple[str, Any, str]] = [
    ("a list", [], NOT_A_CATALOG),
    ("a text", SECRET, NOT_A_CATALOG),
    ("an empty object", {}, NOT_A_CATALOG),
    ("streams as text", {"streams": SECRET}, NOT_A_CATALOG),
    ("streams of text", {"streams": [SECRET]}, NOT_A_CATALOG),
    ("the output of discover", {"type": "CATALOG", "catalog": {"streams": [STREAM]}}, NOT_A_CATALOG),
    ("the streams of discover", {"streams": [STREAM]}, NOT_A_CATALOG),
    ("no stream", {"streams": []}, "names no stream"),
    ("streams as an object", {"streams": {"templates": TEMPLATES}}, NOT_A_CATALOG),
    ("a stream that is null", {"streams": [None]}, NOT_A_CATALOG),
    ("a stream without its stream", {"streams": [{"sync_mode": "full_refresh"}]}, NOT_A_CATALOG),
    ("good and bad streams", {"streams": [TEMPLATES, SECRET]}, NOT_A_CATALOG),
    ("a sync mode that is an object", configured(sync_mode={"mode": SECRET}), NOT_A_CATALOG),
    ("an unknown sync mode", configured(sync_mode=SECRET), NOT_A_CATALOG),
    ("no sync mode", {"streams": [{"stream": STREAM, "destination_sync_mode": "append"}]}, NOT_A_CATALOG),
    ("a stream of text", configured(stream=SECRET), NOT_A_CATALOG),
    ("a stream without a name", configured(stream={**STREAM, "name": None}), NOT_A_CATALOG),
    ("an unknown stream", named("templates", "surveys"), "names surveys, but Retently has no such stream"),
    ("an empty name", named(""), "has no such stream"),
    ("a stream twice", named("templates", "templates"), "names templates more than once"),
    ("an endless name", named("x" * 10_000_000), "has no such stream"),
]

STATES: list[tuple[str, Any, str]] = [
    ("a text", SECRET, NO_STATES),
    ("a number", 5, NO_STATES),
    ("nothing as a number", 0, NO_STATES),
    ("nothing as a text", "", NO_STATES),
    ("a list of text", [SECRET], NO_STATES),
    ("a list of lists", [[]], NO_STATES),
    ("a list of nothing", [{}], NO_STATES),
    ("an unknown type", [{"type": SECRET}], NO_STATES),
    ("a stream of text", [{"type": "STREAM", "stream": SECRET}], NO_STATES),
    ("a message of text", {"type": "STATE", "state": SECRET}, NO_STATES),
    ("a stream without a name", [{"type": "STREAM", "stream": {"stream_descriptor": {}}}], NO_STATES),
    ("good and bad", [STATE, SECRET], NO_STATES),
    ("a stream's state as text", [{**STATE, "stream": {**STATE["stream"], "stream_state": SECRET}}], NO_STATES),
    ("a stream's state as a list", {"feedback": [SECRET]}, NO_STATES),
    ("a state by a stream that there is not", {"surveys": {"createdDate": SECRET}}, NO_STATES),
    ("a global state without streams", {"type": "GLOBAL", "global": {"shared_state": {}}}, NO_STATES),
    ("a global state with no streams", {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}}, NO_STATES),
    ("a shared state alone", [{"type": "GLOBAL", "global": {"shared_state": {"lsn": SECRET}}}], NO_STATES),
    ("a global state of null", {"type": "GLOBAL", "global": None}, NO_STATES),
    ("a global state of text", {"type": "GLOBAL", "global": SECRET}, NO_STATES),
    ("a global state whose streams are text", {"type": "GLOBAL", "global": {"stream_states": [SECRET]}}, NO_STATES),
    ("a global state with its streams by name", {"type": "GLOBAL", "global": {"stream_states": {"feedback": {}}}}, NO_STATES),
    ("a global state without anything", {"type": "GLOBAL"}, NO_STATES),
    ("an empty legacy state", {"type": "LEGACY", "data": {}}, NO_STATES),
    ("a legacy state without data", {"type": "LEGACY"}, NO_STATES),
    ("a legacy state of text", {"type": "LEGACY", "data": SECRET}, NO_STATES),
    ("a legacy state of a list", {"type": "LEGACY", "data": [STATE]}, NO_STATES),
    ("a legacy state of another source", {"type": "LEGACY", "data": {"cdc": True, "cursor": SECRET}}, NO_STATES),
    ("a legacy state of streams that there are not", {"type": "LEGACY", "data": {"surveys": {"a": SECRET}}}, NO_STATES),
    ("a type without its state", {"type": "STREAM"}, NO_STATES),
]

READS = [
    *((name, *case) for name in ("config", "catalog", "state") for case in ANY_FILE),
    *(("config", *case) for case in CONFIGS),
    *(("catalog", *case) for case in CATALOGS),
    *(("state", *case) for case in STATES),
]


def assert_one_message(message: str, part: str) -> None:
    assert part in message
    assert message.endswith(".")
    assert len(message) < 500
    assert "\n" not in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("file", "content", "part"), [(*case[:1], *case[2:]) for case in READS], ids=[f"{a}: {b}" for a, b, *_ in READS]
)
def test_read(forked: Connector, tmp_path: Path, file: str, content: Any, part: str) -> None:
    words = command_line(tmp_path, "read", **{"config": CONFIG, "catalog": CATALOG, "state": [], file: content})
    run = forked.run(*words, environment=NOWHERE, secrets=[SECRET, WORD])
    assert run.code == 1
    assert not run.of("RECORD")
    (error,) = run.errors
    assert error["failure_type"] == "config_error"
    assert_one_message(run.error_message, part)
    assert run.stderr == ""


@pytest.mark.parametrize(("content", "part"), [case[1:] for case in CONFIGS], ids=[case[0] for case in CONFIGS])
def test_check_reports_failed(forked: Connector, tmp_path: Path, content: Any, part: str) -> None:
    run = forked.run(*command_line(tmp_path, "check", config=content), environment=NOWHERE, secrets=[SECRET, WORD])
    if "JSON object" in part:
        assert run.code == 1  # without a configuration there is nothing to check
    else:
        assert run.code == 0
        assert run.check_status == "FAILED"
    assert_one_message(run.error_message, part)


@pytest.mark.parametrize(("content", "part"), [case[1:] for case in CONFIGS[4:10]], ids=[case[0] for case in CONFIGS[4:10]])
def test_discover_fails_with_the_same_message(forked: Connector, tmp_path: Path, content: Any, part: str) -> None:
    run = forked.run(*command_line(tmp_path, "discover", config=content), environment=NOWHERE, secrets=[SECRET, WORD])
    assert run.code == 1
    assert_one_message(run.error_message, part)


LINES: list[tuple[tuple[str, ...], str]] = [
    ((), "No command was given"),
    (("frobnicate",), "The command line can't be used: use spec"),
    ((SECRET,), "The command line can't be used: use spec"),
    (("--debug",), "The command line can't be used"),
    (("spec", "--api-key", SECRET), "The command line can't be used: use spec"),
    (("check",), "(the following arguments are required: --config)"),
    (("check", "--config"), "(argument --config: expected one argument)"),
    (("check", "--config", "{file}", "--state", "{file}"), "The command line can't be used: use spec"),
    (("read", "--config", "{file}"), "(the following arguments are required: --catalog)"),
    (("read", "--config", "{file}", "--catalog", "{file}", SECRET), "The command line can't be used: use spec"),
    (("check", "--config", json.dumps({"api_key": SECRET})), "write it into a file"),
    (("read", "--config", "{file}", "--catalog", json.dumps(CATALOG)), "write it into a file"),
    (("check", "--config", ""), "does not exist"),
]


@pytest.mark.parametrize(("words", "part"), LINES, ids=[" ".join(words)[:60] for words, _ in LINES])
def test_command_lines(forked: Connector, tmp_path: Path, words: tuple[str, ...], part: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG), encoding="utf-8")
    run = forked.run(*(str(file) if word == "{file}" else word for word in words), environment=NOWHERE, secrets=[SECRET, WORD])
    assert run.code == 1
    assert_one_message(run.error_message, part)


@pytest.mark.parametrize(
    "value",
    [
        "http://evil.example",
        "ftp://x",
        "https://user:pass@x",
        "nonsense",
        "https://x?key=1",
        "https://a..b",
        f"https://{'x' * 64}.example",
    ],
)
def test_an_invalid_base_url(forked: Connector, tmp_path: Path, value: str) -> None:
    run = forked.run(*command_line(tmp_path, "check", config=CONFIG), environment={"RETENTLY_BASE_URL": value})
    assert_one_message(run.error_message, "RETENTLY_BASE_URL")


def test_there_are_at_least_80_cases() -> None:
    assert len(READS) + len(LINES) >= 80
