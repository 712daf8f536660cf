"""JSON in and out, also where it is not quite valid.

What orjson accepts is passed on as it is. What it refuses (NaN, 1e400, broken text, lone surrogates) is read or written by
Python's own parser and cleaned, so that one bad value costs that value, not the stream. U+0000 is removed from texts and names:
it is valid JSON, but PostgreSQL refuses it, and with it everything that was read.
"""

import json
import re
from typing import Any

import orjson

MAX_LEVELS = 200
"""Levels of nesting that are kept; deeper values become null. orjson writes 254 levels, Python's parser reads a thousand."""

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def parse(body: bytes | bytearray) -> tuple[Any, int]:
    """The value of a document, and how many U+0000 were removed from it.

    :raises ValueError: when it is not JSON
    """
    try:
        parsed = orjson.loads(body)
        may_have_nuls = b"\\u0000" in body  # or an escaped backslash before u0000
    except orjson.JSONDecodeError:
        parsed = clean(_loads(body.decode("utf-8-sig", "replace")))
        may_have_nuls = True
    return without_nuls(parsed) if may_have_nuls else (parsed, 0)


def dumps(value: Any) -> bytes:
    """One line of JSON, with its end."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(clean(value), option=orjson.OPT_APPEND_NEWLINE)


def clean(value: Any, levels: int = MAX_LEVELS) -> Any:
    """The value with U+FFFD for what is not text, and null for what is nested too deeply."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, (dict, list)) and levels == 0:
        return None
    if isinstance(value, dict):
        return {clean(name): clean(inner, levels - 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner, levels - 1) for inner in value]
    return value


def without_nuls(value: Any) -> tuple[Any, int]:
    """The value without U+0000 in its texts and names, changed in place, and how many there were.

    A name that exists already once its U+0000 are removed gets `_` at its end.
    """
    count = 0
    root = [value]
    to_do: list[Any] = [root]  # no recursion: orjson reads more levels than Python's stack has
    while to_do:
        holder = to_do.pop()
        if isinstance(holder, dict):
            for name in [name for name in holder if "\0" in name]:
                count += name.count("\0")
                inner, name = holder.pop(name), name.replace("\0", "")
                while name in holder:
                    name += "_"
                holder[name] = inner
        for key, inner in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if isinstance(inner, (dict, list)):
                to_do.append(inner)
            elif isinstance(inner, str) and "\0" in inner:
                count += inner.count("\0")
                holder[key] = inner.replace("\0", "")
    return root[0], count


def _loads(text: str) -> Any:
    """The value of a document that orjson refuses."""
    try:
        return json.loads(text, parse_int=_int, strict=False)
    except RecursionError:
        return json.loads(_without_deep_levels(text), parse_int=_int, strict=False)


def _int(digits: str) -> int | float:
    """A whole number as orjson reads it: beyond 64 bits it is a float."""
    number = int(digits) if len(digits) <= 20 else None
    return number if number is not None and -(2**63) <= number < 2**64 else float(digits)


def _without_deep_levels(text: str) -> str:
    """The text of a document with null for what is nested too deeply."""
    kept, depth, start = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == MAX_LEVELS + 1:
                kept.append(text[start : token.start()])
        elif token[0] in ("]", "}"):
            if depth == MAX_LEVELS + 1:
                kept.append("null")
                start = token.end()
            depth -= 1
    if depth > 0:
        raise ValueError("the document is cut off")
    return "".join(kept) + text[start:]
