"""Invalid records: each becomes a valid line or a warning, never a crash or an endless loop."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessageSerializer

from integration_tests.conftest import Connector
from sandbox.process import PATHS, SandboxProcess
from unit_tests.run import KEYS, Run, catalog_of

RESPONSE = '{"message": "Success.", "code": 200, "data": {"total": 2, "pages": 1, "responses": [%s]}}'
GOOD = '{"id": "good", "createdDate": "2024-01-01T00:00:00.000Z", "score": 9}'
DEEP = 150_000


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=1, companies=1, feedback=1, outbox=1, rate_limit=0) as own:
        yield own


def read(forked: Connector, own: SandboxProcess, text: str, **options: Any) -> Run:
    """Reads feedback from an account whose only page is this text, once."""
    own.do({"faults": {"rate": 0}}, {"fault": "body", "path": "feedback", "text": text})
    return forked("read", own, catalog=catalog_of("feedback"), **options)


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


HOSTILE: list[tuple[str, str, dict[str, Any]]] = [
    # what it is, the row, what of it arrives
    (
        "control characters",
        r'{"id": "a", "comment": "\u0000\u0001\u001b[2J\u007f\u2028\u0085"}',
        {"comment": "\1\x1b[2J\x7f\u2028\x85"},
    ),
    ("NUL", r'{"id": "a", "comment": "one\u0000two", "tags": ["\u0000x"]}', {"comment": "onetwo", "tags": ["x"]}),
    ("raw NUL", '{"id": "a", "comment": "one\0two"}', {"comment": "onetwo"}),
    ("NUL in a name", r'{"id": "a", "com\u0000ment": "one"}', {"comment": "one"}),
    ("NUL in a name that is there without", r'{"id": "a", "score\u0000": 1, "score": 9}', {"score": 9, "score_": 1}),
    ("NUL in an id", r'{"id": "\u0000a\u0000"}', {"id": "a"}),
    ("nothing but NUL in an id", r'{"id": "\u0000", "score": 3}', {"score": 3}),
    ("NUL in a date", r'{"id": "a", "createdDate": "2024-01-01\u0000"}', {"createdDate": "2024-01-01T00:00:00.000Z"}),
    ("a backslash before u0000", r'{"id": "a", "comment": "one\\u0000two"}', {"comment": r"one\u0000two"}),
    ("line ends", r'{"id": "a", "comment": "one\r\ntwo"}', {"comment": "one\r\ntwo"}),
    ("raw control characters", '{"id": "a", "comment": "one\x01two"}', {"comment": "one\x01two"}),
    ("half a surrogate pair", r'{"id": "a", "comment": "\ud83d and \udc00"}', {"comment": "\ufffd and \ufffd"}),
    ("half a surrogate pair in a name", r'{"id": "a", "na\ud83dme": 1}', {"na\ufffdme": 1}),
    ("bytes that are no UTF-8", '{"id": "a", "comment": "caf\xe9"}', {"comment": "caf\ufffd"}),
    ("10 MB of text", '{"id": "a", "comment": "' + "x" * 10_000_000 + '"}', {"comment": "x" * 10_000_000}),
    ("a name of 1 MB", '{"id": "a", "' + "x" * 1_000_000 + '": 1}', {"x" * 1_000_000: 1}),
    ("ten thousand fields", '{"id": "a"' + "".join(f', "f{n}": {n}' for n in range(10_000)) + "}", {"f9999": 9999}),
    ("a number beyond 2^53", '{"id": "a", "score": 9007199254740993}', {"score": 9007199254740993}),
    ("a number beyond 2^64", '{"id": "a", "score": 36893488147419103232}', {"score": 3.6893488147419103e19}),
    ("a number of 5,000 digits", '{"id": "a", "score": ' + "9" * 5000 + "}", {"score": None}),
    ("a number beyond all floats", '{"id": "a", "score": 1e400, "more": 1e400}', {"score": None}),
    ("not a number", '{"id": "a", "score": NaN, "more": [NaN, -Infinity]}', {"score": None, "more": [None, None]}),
    ("a key twice", '{"id": "b", "id": "a", "score": 1, "score": 2}', {"score": 2}),
    ("nested 300 times", '{"id": "a", "more": ' + nested(300) + "}", {}),
    ("nested 1000 times", '{"id": "a", "more": ' + nested(1000) + "}", {}),
    ("nested without end", '{"id": "a", "more": ' + nested(DEEP) + "}", {}),
    ("lists without end", '{"id": "a", "more": ' + "[" * DEEP + "]" * DEEP + "}", {}),
    ("brackets in text", '{"id": "a", "more": ' + nested(DEEP) + r', "comment": "}]\"[{" }', {"comment": '}]"[{'}),
    ("depth where text belongs", '{"id": "a", "comment": ' + nested(1000) + "}", {}),
    ("a list where an object belongs", '{"id": "a", "notes": [[1], "x", null], "ratingCategory": [1]}', {}),
    ("an object where a list belongs", '{"id": "a", "tags": {"x": 1}}', {"tags": ['{"x": 1}']}),
    (
        "types all over",
        '{"id": "a", "score": "9.5", "resolved": "yes", "comment": 5}',
        {"score": 9.5, "resolved": True, "comment": "5"},
    ),
    ("an id that is a number", '{"id": 17}', {"id": "17"}),
    ("an id that is a fraction", '{"id": 1.5}', {"id": "1.5"}),
    ("an id that is a list", '{"id": ["a"]}', {"id": '["a"]'}),
    ("an id that is an object", '{"id": {"$oid": "a"}}', {"id": '{"$oid": "a"}'}),
    ("no id", '{"score": 3}', {"score": 3}),
    ("no id, nested 1000 times", '{"score": 3, "more": ' + nested(1000) + "}", {"score": 3}),
    ("an id that is null", '{"id": null, "score": 3}', {"score": 3}),
    ("an id that is empty", '{"id": "", "score": 3}', {"score": 3}),
    ("nothing", "{}", {}),
    ("the year 1", '{"id": "a", "createdDate": "0001-01-01T00:00:00.000Z"}', {"createdDate": "0001-01-01T00:00:00.000Z"}),
    ("before the year 1", '{"id": "a", "createdDate": "0001-01-01T00:00:00+01:00"}', {"createdDate": None}),
    ("the year 9999", '{"id": "a", "createdDate": "9999-12-31T23:59:59.999Z"}', {"createdDate": "9999-12-31T23:59:59.999Z"}),
    ("after the year 9999", '{"id": "a", "createdDate": "9999-12-31T23:59:59-01:00"}', {"createdDate": None}),
    ("a date with the shape alone", '{"id": "a", "createdDate": "2024-99-99T00:00:00.000Z"}', {"createdDate": None}),
    ("a date that is no date", '{"id": "a", "createdDate": 1e300}', {"createdDate": None}),
    (
        "names of internals",
        '{"id": "a", "type": "STATE", "record": 1, "stream": "x", "emitted_at": 0, "unfinished": {"page": 9}, "__class__": 1, '
        '"next_page_token": 5, "__ab_full_refresh_sync_complete": true, "_airbyte_raw_id": "x", "_ab_cdc_deleted_at": "x"}',
        {"type": "STATE", "unfinished": {"page": 9}, "__ab_full_refresh_sync_complete": True},
    ),
    ("log messages", r'{"id": "a", "comment": "{\"type\":\"LOG\",\"log\":{\"level\":\"FATAL\"}}\n{\"type\":\"STATE\"}"}', {}),
]


@pytest.mark.parametrize(("row", "arrives"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_record_costs_itself_at_most(
    forked: Connector, own: SandboxProcess, row: str, arrives: dict[str, Any]
) -> None:
    started = time.monotonic()
    run = read(forked, own, RESPONSE % f"{row}, {GOOD}")
    assert time.monotonic() - started < 20
    assert run.code == 0, run.error_message
    assert run.stderr == ""
    for line in filter(None, run.output.split("\n")):
        AirbyteMessageSerializer.load(json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")))
    hostile, good = run.records("feedback")
    assert good == json.loads(GOOD)
    assert isinstance(hostile["id"], str)
    assert hostile["id"]
    for name, value in arrives.items():
        assert hostile.get(name) == value
    remembered = {"undated_read", "wrong_total"}  # that some rows have no date, and that the total counts others
    assert set(run.state("feedback")) - remembered == {"createdDate"}
    # And the sync after it starts from there.
    assert forked("read", own, catalog=catalog_of("feedback"), state=run.states).code == 0


@pytest.mark.parametrize("levels", [300, 990, 1010])
def test_dates_in_a_customer_may_be_nested(forked: Connector, own: SandboxProcess, levels: int) -> None:
    rows = f'{{"id": "a", "lastSurveySent": {nested(levels)}}}, {{"id": "good"}}'
    text = f'{{"code": 200, "data": {{"total": 2, "pages": 1, "subscribers": [{rows}]}}}}'
    own.do({"faults": {"rate": 0}}, {"fault": "body", "path": "customers", "text": text})
    run = forked("read", own, catalog=catalog_of("customers"))
    assert run.code == 0, run.error_message
    assert [record["id"] for record in run.records("customers")] == ["a", "good"]


def test_removed_nuls_are_counted_in_one_warning_a_stream(forked: Connector) -> None:
    with SandboxProcess(customers=2500, companies=3, feedback=0, outbox=0, rate_limit=0) as own:
        change = {"jobTitle": "\0C\0TO", "location": {"coun\0try": ["\0"]}}
        own.do(*({"kind": "customers", "change": number, "values": change} for number in (0, 1200, 2400)))
        run = forked("read", own, catalog=catalog_of("customers", "companies", "template_details"))
        assert run.warnings == ["customers: 12 NUL characters were removed from texts."]
        changed = [
            record
            for record in run.records("customers")
            if record["jobTitle"] == "CTO" and record["location"] == {"country": [""]}
        ]
        assert len(changed) == 3
        assert "\\u0000" not in run.output


def test_nuls_of_a_parent_stream_are_counted_too(forked: Connector, own: SandboxProcess) -> None:
    text = r'{"code": 200, "templates": [{"id": "t", "name": "a\u0000b"}]}'
    own.do({"faults": {"rate": 0}}, {"fault": "body", "path": "templates", "text": text})
    run = forked("read", own, catalog=catalog_of("template_details"))
    assert "templates: 1 NUL character was removed from texts." in run.warnings


NO_ROWS = ["1", "null", '"text"', "[]", "true", "[[{}]]", "1e400"]


@pytest.mark.parametrize("row", NO_ROWS)
def test_what_is_no_object_is_left_out_with_a_warning(forked: Connector, own: SandboxProcess, row: str) -> None:
    run = read(forked, own, RESPONSE % f"{row}, {GOOD}")
    assert run.code == 0
    assert run.keys("feedback") == ["good"]
    assert any("a row should be an object" in line for line in run.warnings)


@pytest.mark.parametrize(
    "numbers", ['"total": 2, "pages": 1, ', '"total": -1, "pages": -5, ', '"total": "2", ', '"total": 1e18, ', ""]
)
def test_a_list_of_invalid_rows_ends(forked: Connector, own: SandboxProcess, numbers: str) -> None:
    body = '{"code": 200, "data": {' + numbers + '"responses": [1, 2, [3], null]}}'
    own.do({"faults": {"rate": 0}}, {"fault": "body", "path": "feedback", "text": body, "times": 10**9})
    run = forked("read", own, catalog=catalog_of("feedback"))
    assert run.code == 0
    assert not run.records("feedback")


def test_a_page_of_invalid_rows_does_not_end_the_list(forked: Connector) -> None:
    with SandboxProcess(customers=0, companies=0, feedback=2500, outbox=0, rate_limit=0) as large:
        body = '{"code": 200, "data": {"total": 2500, "pages": 3, "responses": [1, 2, 3]}}'
        large.do({"fault": "body", "path": "feedback", "page": 1, "text": body})
        run = forked("read", large, catalog=catalog_of("feedback"))
        assert len(run.records("feedback")) == 2500


@pytest.mark.parametrize("stream", [name for name in KEYS if name not in ("feedback", "template_details", "trends")])
def test_every_other_stream_survives_them_too(forked: Connector, own: SandboxProcess, stream: str) -> None:
    rows = ", ".join(row for _, row, _ in HOSTILE if len(row) < 20_000)
    list_of = {"companies": "companies", "customers": "subscribers", "outbox": "surveys"}.get(stream)
    data = f'{{"total": 40, "pages": 1, "{list_of}": [{rows}]}}' if list_of else f"[{rows}]"
    own.do({"faults": {"rate": 0}}, {"fault": "body", "path": PATHS[stream], "text": f'{{"code": 200, "data": {data}}}'})
    run = forked("read", own, catalog=catalog_of(stream))
    assert run.code == 0, run.error_message
    assert run.stderr == ""
    assert run.keys(stream)
    keys = [record[KEYS[stream]] for record in run.records(stream)]
    assert all(isinstance(key, str) and key for key in keys)
