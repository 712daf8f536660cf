import copy
import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from source_retently.streams.endpoints import STREAMS, Feedback
from source_retently.values import Coercion, NotCoercible, utc

SCHEMAS = {stream.__name__: stream().get_json_schema() for stream in STREAMS}


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("2019-07-28T04:33:13.217Z", "2019-07-28T04:33:13.217Z"),
        ("2019-07-28T06:33:13.217+02:00", "2019-07-28T04:33:13.217Z"),
        ("2019-07-28T06:33:13+0200", "2019-07-28T04:33:13.000Z"),
        ("2019-07-28T04:33:13Z", "2019-07-28T04:33:13.000Z"),
        ("2019-07-28T04:33:13.2Z", "2019-07-28T04:33:13.200Z"),
        ("2019-07-28T04:33:13.217999999Z", "2019-07-28T04:33:13.217Z"),
        ("2019-07-28 04:33:13", "2019-07-28T04:33:13.000Z"),
        ("2019-07-28", "2019-07-28T00:00:00.000Z"),
        (1564288393, "2019-07-28T04:33:13.000Z"),
        (1564288393217, "2019-07-28T04:33:13.217Z"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("", None),
        ("  ", None),
        ("null", None),
    ],
)
def test_dates_become_utc_with_z(given_: Any, expected: str | None) -> None:
    assert utc(given_) == expected


@pytest.mark.parametrize(
    "invalid",
    [
        "yesterday",
        "2019-02-30T00:00:00.000Z",
        "2019-13-01",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-01:00",
        True,
        [],
        {},
        1e300,
        math.nan,
        "Z",
    ],
)
def test_invalid_dates_are_not_coercible(invalid: Any) -> None:
    with pytest.raises(NotCoercible):
        utc(invalid)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.timezones()))
def test_text_order_is_time_order(date: datetime) -> None:
    text = utc(date.isoformat())
    assert text is not None
    assert len(text) == 24
    back = datetime.fromisoformat(text[:23]).replace(tzinfo=timezone.utc)
    assert 0 <= (date - back).total_seconds() < 0.001


def coerced(record: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    warned: list[str] = []
    record = copy.deepcopy(record)
    Coercion(SCHEMAS["Feedback"], lambda path, wanted, value: warned.append(path), lambda _: None).coerce(record)
    return record, warned


@pytest.mark.parametrize(
    ("field", "given_", "expected"),
    [
        ("score", "9", 9),
        ("score", "7.5", 7.5),
        ("score", "", None),
        ("email", 5, "5"),
        ("comment", {"a": 1}, '{"a": 1}'),
        ("checkbox", "true", True),
        ("checkbox", 0, False),
        ("createdDate", "", None),
        ("tags", "foo", ["foo"]),
        ("tags", "", None),
        ("tags", [1, None], ["1", None]),
        ("feedbackTopics", {"name": 1}, [{"name": "1"}]),
        ("customProps", [{"value": 100}, {"value": ["a"]}], [{"value": 100}, {"value": ["a"]}]),
        ("customProps", {"name": "plan", "value": "Pro"}, [{"name": "plan", "value": "Pro"}]),
        ("customProps", {"plan": "Pro", "n": 5}, [{"name": "plan", "value": "Pro"}, {"name": "n", "value": 5}]),
        ("customProps", {"name": "Ada", "plan": None}, [{"name": "name", "value": "Ada"}, {"name": "plan", "value": None}]),
        ("customProps", {"plan": {"type": "text", "value": "Pro"}}, [{"name": "plan", "type": "text", "value": "Pro"}]),
        ("customProps", {"plan": {"value": 1, "of": 2}}, [{"name": "plan", "value": {"value": 1, "of": 2}}]),
        ("customProps", {}, []),
        ("customProps", ["plan"], [{"value": "plan"}]),
        ("notes", "called back", [{"value": "called back"}]),
        ("notes", ["called back", 5], [{"value": "called back"}, {"value": 5}]),
    ],
)
def test_values_are_coerced(field: str, given_: Any, expected: Any) -> None:
    record, warned = coerced({"id": "1", field: given_})
    assert record == {"id": "1", field: expected}
    assert warned == []


def leaves(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every field of a schema that is reached through objects alone, with its path."""
    for name, field in schema.get("properties", {}).items():
        yield (*path, name), field
        yield from leaves(field, (*path, name))


FIELDS = [(name, path, field) for name, schema in SCHEMAS.items() for path, field in leaves(schema)]


def with_value(name: str, path: tuple[str, ...], value: Any) -> tuple[Any, list[str]]:
    """What becomes of a value at a path of a stream's record, and the warnings."""
    warned: list[str] = []
    record: Any = copy.deepcopy(value)
    for key in reversed(path):
        record = {key: record}
    Coercion(SCHEMAS[name], lambda path, wanted, value: warned.append(path), lambda _: None).coerce(record)
    Draft7Validator(SCHEMAS[name]).validate(record)
    for key in path:
        record = record[key]
    return record, warned


@pytest.mark.parametrize("other", ["text", 5, 7.5, True, False, ["a"], [{"a": 1}], []])
def test_other_values_in_place_of_an_object_are_kept(other: Any) -> None:
    objects = [(name, path) for name, path, field in FIELDS if "object" in field.get("type", [])]
    assert {("customers", ("location",)), ("account", ("plan",))} <= {(stream.lower(), path) for stream, path in objects}
    for name, path in objects:
        assert with_value(name, path, other) == ({"value": other}, []), path


@pytest.mark.parametrize("empty", ["null", "NULL", " null ", "None", "NaN", "undefined", "", "  "])
def test_texts_that_mean_null_become_null_except_in_text_fields(empty: str) -> None:
    for name, path, field in FIELDS:
        if "string" not in field.get("type", ["string"]) or "format" in field:
            assert with_value(name, path, empty) == (None, []), path
    assert with_value("Feedback", ("lastName",), "Null") == ("Null", [])


def test_custom_properties_by_name_become_a_list() -> None:
    for name, path in (
        ("Feedback", ("customProps",)),
        ("Outbox", ("attributes", "customProps")),
        ("Customers", ("properties",)),
    ):
        listed = [{"name": "plan", "value": "Pro"}, {"name": "seats", "value": [1]}]
        assert with_value(name, path, {"plan": "Pro", "seats": [1]}) == (listed, [])


@pytest.mark.parametrize(
    ("field", "invalid"),
    [
        ("score", "nine"),
        ("score", True),
        ("score", math.inf),
        ("score", math.nan),
        ("checkbox", "perhaps"),
        ("createdDate", "x"),
    ],
)
def test_values_that_are_not_coercible_become_null_with_a_warning(field: str, invalid: Any) -> None:
    assert coerced({field: invalid}) == ({field: None}, [field])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2019-07-28T04:33:13.217Z"),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
def test_any_record_matches_its_schema_and_keeps_its_fields(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    record = data.draw(st.dictionaries(st.sampled_from([*schema["properties"], "unknown"]), json_values))
    keys = set(record)
    Coercion(schema, lambda *_: None, lambda _: None).coerce(record)
    assert set(record) == keys
    Draft7Validator(schema).validate(record)


def test_a_warning_names_stream_and_field_once_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    stream = Feedback()
    for value in ("very secret", "more"):
        stream._coercion.coerce({"score": value})
    assert [record.message for record in caplog.records] == [
        "feedback: score should be number but came as str; such values become null."
    ]


@pytest.mark.parametrize("value", [1e300, -1e19, 2**63, "99999999999999999999", "1e30"])
def test_whole_numbers_beyond_64_bits_become_null_with_a_warning(value: Any) -> None:
    assert with_value("Nps", ("promotersCount",), value) == (None, ["promotersCount"])
