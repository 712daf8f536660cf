"""JSON in and out, however odd.

What orjson takes and gives is passed on as it is. What it refuses (NaN, 1e400, broken text, thousands of levels) is read or
written the slower way, and cleaned, so that one odd value costs that value, not the stream.
"""

import json
import re
from typing import Any

import orjson

MOST_LEVELS = 200
"""Levels of nesting that are kept; what lies deeper becomes null. orjson writes 254, Python's own parser reads a thousand."""

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def loads(body: bytes | bytearray) -> Any:
    """
    :raises ValueError: when it is not JSON
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8-sig", "replace")
    try:
        parsed = json.loads(text, parse_int=_int, strict=False)
    except RecursionError:
        parsed = json.loads(_shallow(text), parse_int=_int, strict=False)
    return clean(parsed)


def dumps(value: Any) -> bytes:
    """One line of JSON, with its end."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(clean(value), option=orjson.OPT_APPEND_NEWLINE)


def clean(value: Any, levels: int = MOST_LEVELS) -> Any:
    """The value with U+FFFD for what is no text, and null for what lies too deep."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, (dict, list)) and levels == 0:
        return None
    if isinstance(value, dict):
        return {clean(name): clean(inner, levels - 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner, levels - 1) for inner in value]
    return value


def _int(digits: str) -> int | float:
    """A whole number as orjson reads it: beyond 64 bits it is a float."""
    number = int(digits) if len(digits) <= 20 else None
    return number if number is not None and -(2**63) <= number < 2**64 else float(digits)


def _shallow(text: str) -> str:
    """The text of a JSON document with null for what lies too deep."""
    kept, depth, start = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == MOST_LEVELS + 1:
                kept.append(text[start : token.start()])
        elif token[0] in ("]", "}"):
            if depth == MOST_LEVELS + 1:
                kept.append("null")
                start = token.end()
            depth -= 1
    if depth > 0:
        raise ValueError("the document ends before what it began")
    return "".join(kept) + text[start:]
