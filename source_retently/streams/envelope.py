"""Where rows and paging numbers are in a parsed body, and keys made of rows. Pure functions."""

import hashlib
import json
from collections.abc import Sequence, Set
from typing import Any

from source_retently.http import lenient_json


def value_at(body: Any, path: str) -> Any:
    """The value at a key path of a parsed body, with dots between the keys; None where there is no such path."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def rows_at(body: Any, paths: Sequence[str], object_fields: Set[str] = frozenset()) -> list[Any] | None:
    """The rows at the first of these key paths that has some (docs/api.md#envelopes); None where none has a list.

    :param object_fields: an object in place of the list is one row if it has one of these fields
    """
    empty = None
    for path in paths:
        found = value_at(body, path)
        if isinstance(found, dict) and object_fields & found.keys():
            found = [found]
        if isinstance(found, list):
            if found:
                return found
            empty = found
    return empty


def paging_number(body: Any, name: str) -> int | None:
    """A paging number: in `data`, or next to it as in the newest documentation (docs/api.md#paging-place)."""
    numbers = (value_at(body, path) for path in (f"data.{name}", name))
    return next((number for number in numbers if type(number) is int and number >= 0), None)


def stable_hash(value: Any) -> str:
    """32 hexadecimal digits that are the same for the same JSON value, in every run and on every machine."""
    try:
        text = json.dumps(value, sort_keys=True)
    except RecursionError:
        text = json.dumps(lenient_json.clean(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
