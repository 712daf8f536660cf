"""The shapes of the rows that came: which fields, of which types, beside what the schemas say. Never a value."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from probe.questions import Probe, kind_of
from source_retently.streams.endpoints import STREAMS

FITTING = {"number": {"integer", "number"}, "date-time": {"date-time"}, "string": {"string", "date-time"}}
"""Types that a field of the schema takes as they are, where it is not only its own."""
NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
MOST_FIELDS = 300
"""Fields a stream that the report lists; objects keyed by data would make it endless."""


@dataclass(frozen=True)
class Shape:
    """One field of one stream, as it came."""

    path: str
    types: dict[str, int]
    """How often each JSON type came."""
    known: bool
    """Whether the schema has the field."""
    fits: bool
    """Whether all types are what the schema says."""


def shapes(probe: Probe) -> dict[str, tuple[int, list[Shape]]]:
    """For each stream the number of rows looked at, and their fields."""
    found = {}
    for stream in STREAMS:
        made = stream()
        rows = probe.rows(made.name)
        counted: dict[str, Counter[str]] = {}
        for row in rows:
            for path, kind in _fields(row):
                counted.setdefault(path, Counter())[kind] += 1
        schema = made.get_json_schema()
        found[made.name] = len(rows), [_shape(path, types, schema) for path, types in sorted(counted.items())][:MOST_FIELDS]
    return found


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            # A name that is none (a rating, an address) is data.
            below = f"{path}.{name if NAME.fullmatch(name) else '<data>'}".lstrip(".")
            yield below, kind_of(inner)
            yield from _fields(inner, below)
    elif isinstance(value, list):
        for inner in value:
            yield f"{path}[]", kind_of(inner)
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
    return set().union(*(FITTING.get(name, {name}) for name in names if name != "null")) if names else set()
