import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_retently.http import lenient_json

TEXT = st.text(st.characters(categories=None, codec=None))  # lone surrogates, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
SANE_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
SANE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | SANE_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SANE_TEXT, inner, max_size=4),
    max_leaves=20,
)


def strict(line: bytes) -> Any:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@given(VALUES)
def test_any_value_becomes_one_line_of_valid_json(value: Any) -> None:
    strict(lenient_json.dumps(lenient_json.parse(json.dumps(value).encode())[0]))


@given(SANE, st.booleans())
def test_ordinary_values_stay_unchanged(value: Any, ascii_only: bool) -> None:
    assert strict(lenient_json.dumps(lenient_json.parse(json.dumps(value, ensure_ascii=ascii_only).encode())[0])) == value


@given(SANE, st.integers(0, 2000), st.sampled_from(["[%s]", '{"a": %s}', '[{"]": "}", "b": %s}, 1]', r'["\"[", %s]']))
def test_only_what_is_nested_too_deep_becomes_null(value: Any, levels: int, around: str) -> None:
    before, after = around.split("%s")
    text = f"[{json.dumps(value)}, {before * levels}1{after * levels}]"
    found = strict(lenient_json.dumps(lenient_json.parse(text.encode())[0]))
    assert found[0] == value
    assert len(found) == 2


NULS = st.recursive(
    st.none() | st.text("a\0\\u0é", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab\0\\", max_size=4), inner, max_size=4),
    max_leaves=20,
)


def texts(value: Any) -> list[str]:
    """Every text of a JSON value, keys too."""
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@given(NULS, st.booleans())
def test_only_nul_characters_are_removed(value: Any, raw: bool) -> None:
    text = json.dumps(value, ensure_ascii=False)
    # Raw ones are no JSON, but some serializers write them.
    body = re.sub(r"(\\\\)|\\u0000", lambda found: found[1] or "\0", text) if raw else text
    found, count = lenient_json.parse(body.encode())
    assert count == "".join(texts(value)).count("\0")
    # A name that is taken gets a mark at its end, and keeps its value.
    kept = [text.rstrip("_") for text in texts(found)]
    assert sorted(kept) == sorted(text.replace("\0", "") for text in texts(value))


def test_a_key_without_nul_keeps_its_value() -> None:
    body = rb'{"a\u0000": 1, "a": 2, "\u0000a": 3, "b\u0000": {"a": "\\u0000"}, "c": "\\\u0000"}'
    assert lenient_json.parse(body)[0] == {"a": 2, "a_": 1, "a__": 3, "b": {"a": "\\u0000"}, "c": "\\"}


def test_a_body_without_nul_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lenient_json, "without_nuls", lambda _: pytest.fail("searched in vain"))
    assert lenient_json.parse('{"a": "\\u0001 é \\n"}'.encode()) == ({"a": "\1 é \n"}, 0)


@pytest.mark.parametrize("levels", [900, 5000])
def test_nuls_are_found_at_any_depth(levels: int) -> None:
    body = b"[" * levels + b'"\\u0000"' + b"]" * levels + b""
    _, count = lenient_json.parse(b'["\\u0000", ' + body + b"]")
    assert count >= 1


@given(st.binary() | st.text('[]{}",:\\10enul ', max_size=60).map(str.encode))
def test_invalid_json_is_a_value_error(body: bytes) -> None:
    try:
        json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            lenient_json.parse(body)[0]
    else:
        lenient_json.parse(body)[0]
