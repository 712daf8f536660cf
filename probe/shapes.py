"""Which fields rows have, of which types, compared with the schemas. Never a value."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from probe.json_types import type_of
from probe.samples import Samples
from source_retently.streams.endpoints import STREAMS

ACCEPTED = {"number": {"integer", "number"}, "date-time": {"date-time"}, "string": {"string", "date-time"}}
"""The JSON types that match a type of the schema, where there are several."""
NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
MOST_FIELDS = 300
"""Fields of a stream in the report at the most; objects whose names are data would have no end."""


@dataclass(frozen=True)
class Shape:
    """One field of one stream, in the rows of the sample."""

    path: str
    types: dict[str, int]
    """How many values have each JSON type."""
    known: bool
    """Whether the schema has the field."""
    fits: bool
    """Whether all types match the schema."""


def shapes(samples: Samples) -> dict[str, tuple[int, list[Shape]]]:
    """For each stream the number of rows in the sample, and their fields."""
    found = {}
    for stream in STREAMS:
        made = stream()
        rows = samples.rows(made.name)
        counted: dict[str, Counter[str]] = {}
        for row in rows:
            for path, json_type in _fields(row):
                counted.setdefault(path, Counter())[json_type] += 1
        schema = made.get_json_schema()
        found[made.name] = len(rows), [_shape(path, types, schema) for path, types in sorted(counted.items())][:MOST_FIELDS]
    return found


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            # What is not a name (a rating, an address) is data.
            inner_path = f"{path}.{name if NAME.fullmatch(name) else '<data>'}".lstrip(".")
            yield inner_path, type_of(inner)
            yield from _fields(inner, inner_path)
    elif isinstance(value, list):
        for inner in value:
            yield f"{path}[]", type_of(inner)
            yield from _fields(inner, f"{path}[]")


def _shape(path: str, types: Counter[str], schema: Mapping[str, Any]) -> Shape:
    node: Mapping[str, Any] | None = schema
    for step in _steps(path):
        if node is not None:
            node = node.get("items", {}) if step == "[]" else node.get("properties", {}).get(step)
    known = node is not None and bool(node)
    wanted = _wanted(node or {})
    fits = not known or not wanted or set(types) - {"null"} <= wanted
    return Shape(path, dict(types), known, fits)


def _steps(path: str) -> Iterable[str]:
    for part in path.split("."):
        name = part.rstrip("[]")
        yield name
        yield from ["[]"] * ((len(part) - len(name)) // 2)


def _wanted(node: Mapping[str, Any]) -> set[str]:
    if node.get("format") == "date-time":
        return {"date-time"}
    types = node.get("type", [])
    names = [types] if isinstance(types, str) else types
    return set().union(*(ACCEPTED.get(name, {name}) for name in names if name != "null")) if names else set()
