"""What the stream classes declare of their endpoints, as the sandbox reads it. docs/api.md#streams is the check on both."""

from typing import Any

from sandbox.data import Row, object_id, stamp
from source_retently.streams.base import RetentlyStream
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.paged import PagedStream

ENDPOINTS: tuple[RetentlyStream, ...] = tuple(stream() for stream in STREAMS)
PAGED: tuple[PagedStream, ...] = tuple(stream for stream in ENDPOINTS if isinstance(stream, PagedStream))
UNUSED_OLD_PATHS = {"campaigns": "nps/campaigns", "feedback": "nps/customers/response", "templates": "nps/templates"}
"""Old paths that the connector never asks for (docs/api.md#old-paths)."""


def paths_of(stream: RetentlyStream) -> list[str]:
    """The path of an endpoint, and its old one."""
    old_path = stream.old_path or UNUSED_OLD_PATHS.get(stream.name)
    return [stream.path(), *([old_path] if old_path else [])]


def likely_array(stream: RetentlyStream) -> str:
    """The first key path where rows may be; one below another path comes before it, however unlikely it is."""
    paths = stream.record_paths
    return next(path for path in paths if not any(path.startswith(f"{other}.") for other in paths))


def nested(path: str, value: Any) -> dict[str, Any]:
    """A body with the value at this key path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    body: dict[str, Any] = value
    return body


def example_rows(stream: RetentlyStream) -> list[Row]:
    """
    :return: the `examples` of a schema, each a whole row
    :raises ValueError: when the schema has none
    """
    rows: list[Row] = stream.get_json_schema().get("examples", [])
    if not rows:
        raise ValueError(f"the schema of {stream.name} has no `examples`: write at least one row into it")
    return rows


def example_row(stream: RetentlyStream, number: int, when: int) -> Row:
    """Row number so and so of a list: an example of its schema, with its own key, and with its time as each of its dates.

    :param when: milliseconds at which the row was made
    """
    examples = example_rows(stream)
    row: Row = dict(examples[number % len(examples)])
    fields: dict[str, Any] = stream.get_json_schema()["properties"]
    for name in row:
        if name == stream.primary_key:
            row[name] = object_id(ENDPOINTS.index(stream), number)
        elif fields[name].get("format") == "date-time":
            row[name] = stamp(when)
    return row
