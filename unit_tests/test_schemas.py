import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from source_retently.streams.endpoints import STREAMS

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "source_retently/schemas").glob("*.json"))


def test_every_stream_has_its_schema_and_every_schema_its_stream() -> None:
    assert {file.stem for file in FILES} == {stream().name for stream in STREAMS}
    # A link in a checkout, a copy in the sdist.
    assert all((ROOT / "schemas" / file.name).read_bytes() == file.read_bytes() for file in FILES)


def fields(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, field in schema.get("properties", {}).items():
        found += [
            (f"{path}{name}", field),
            *fields(field, f"{path}{name}."),
            *fields(field.get("items", {}), f"{path}{name}[]."),
        ]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_schema_is_draft_07_and_describes_each_field(file: Path) -> None:
    schema = json.loads(file.read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["additionalProperties"] is True
    assert schema["description"].startswith("One row")
    for path, field in fields(schema):
        assert field["description"].endswith("."), path
        assert "null" in field.get("type", ["null"]), path
        assert field.get("additionalProperties", True) is True, path
        assert (field.get("format") == "date-time") == (field.get("airbyte_type") == "timestamp_with_timezone"), path


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_top_level_fields_have_one_type_and_distinct_names(file: Path) -> None:
    properties = json.loads(file.read_text(encoding="utf-8"))["properties"]
    assert all(len(field["type"]) == 2 for field in properties.values())
    assert len({name.lower() for name in properties}) == len(properties)


@pytest.mark.parametrize("stream", STREAMS)
def test_key_and_cursor_are_fields_of_the_schema(stream: Any) -> None:
    properties = stream().get_json_schema()["properties"]
    assert stream.primary_key in properties
    if stream().supports_incremental:
        assert properties[stream().cursor_field]["format"] == "date-time"


def nodes(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, that of arrays' items too, with its path."""
    inner = [(f"{path}.{name}", field) for name, field in schema.get("properties", {}).items()]
    inner += [(f"{path}[]", schema["items"])] if "items" in schema else []
    return [(path, schema), *(found for where, field in inner for found in nodes(field, where))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_client_loses_values_by_the_schema(file: Path) -> None:
    """Singer's SDK, and so Meltano, turns values of unions with booleans into booleans, and drops streams with arrays of bare
    objects. For a field without a type it checks whether it may be a list, and fails where the schema leaves that open."""
    for path, node in nodes(json.loads(file.read_text(encoding="utf-8"))):
        assert not {"oneOf", "allOf", "$ref"} & set(node), path
        if "type" in node and path:
            assert len(set(node["type"])) == 2, path
            assert "null" in node["type"], path
        else:
            assert node["description"], path  # without a type it must not be empty
            if path and not path.endswith("[]"):
                assert [choice.get("type") for choice in node["anyOf"]] == [["null", "array"], None], path
        if "array" in node.get("type", []):
            assert node["items"], path
        if "properties" in node or (path.endswith("[]") and "object" in node.get("type", [])):
            assert node["properties"], path
            assert node["additionalProperties"] is True, path  # else unknown fields are dropped


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_examples_match_their_schema(file: Path) -> None:
    schema = json.loads(file.read_text(encoding="utf-8"))
    for example in schema.get("examples", []):
        Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER).validate(example)
        assert set(example) <= set(schema["properties"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_description_closes_a_list_of_values(file: Path) -> None:
    """Retently's help names more metrics and channels than the documentation of its API."""
    for path, field in fields(json.loads(file.read_text(encoding="utf-8"))):
        text = field["description"]
        names_several = re.search(r"\w+, \w+,? (or|and) \w+|\b(NPS|CSAT|CES|STAR)\b.*\b(NPS|CSAT|CES|STAR)\b", text)
        assert not names_several or "for example" in text, path
