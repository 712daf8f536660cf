"""JSON types of values, and dates in texts."""

from datetime import datetime
from typing import Any

from source_retently.values import date_or_none, datetime_of

NAMES = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}


def type_of(value: Any) -> str:
    """The JSON type of a value; `date-time` for a text that is a date with a time."""
    if isinstance(value, str):
        return "date-time" if len(value) >= 19 and date_in(value) else "string"
    return NAMES[type(value)]


def date_in(value: Any) -> datetime | None:
    """The date in a text; None for any other value."""
    text = date_or_none(value) if isinstance(value, str) else None
    return datetime_of(text) if text else None
