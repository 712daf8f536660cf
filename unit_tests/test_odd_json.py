import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_retently import odd_json

TEXT = st.text(st.characters(categories=None, codec=None))  # lone surrogates, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
SANE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def strict(line: bytes) -> Any:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@given(VALUES)
def test_whatever_comes_in_goes_out_as_one_line_of_valid_json(value: Any) -> None:
    strict(odd_json.dumps(odd_json.loads(json.dumps(value).encode())))


@given(SANE, st.booleans())
def test_what_is_not_odd_stays_as_it_is(value: Any, ascii_only: bool) -> None:
    assert strict(odd_json.dumps(odd_json.loads(json.dumps(value, ensure_ascii=ascii_only).encode()))) == value


@given(SANE, st.integers(0, 2000), st.sampled_from(["[%s]", '{"a": %s}', '[{"]": "}", "b": %s}, 1]', r'["\"[", %s]']))
def test_what_lies_too_deep_becomes_null_and_no_more(value: Any, levels: int, around: str) -> None:
    before, after = around.split("%s")
    text = f"[{json.dumps(value)}, {before * levels}1{after * levels}]"
    found = strict(odd_json.dumps(odd_json.loads(text.encode())))
    assert found[0] == value
    assert len(found) == 2


@given(st.binary() | st.text('[]{}",:\\10enul ', max_size=60).map(str.encode))
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    try:
        json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            odd_json.loads(body)
    else:
        odd_json.loads(body)
