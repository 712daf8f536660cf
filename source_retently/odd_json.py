"""JSON in and out, however odd.

What orjson takes and gives is passed on as it is. What it refuses (NaN, 1e400, broken text, thousands of levels) is read or
written the slower way, and cleaned, so that one odd value costs that value, not the stream. U+0000 is taken out of texts and
names: it is valid JSON, but PostgreSQL refuses it, and with it everything that was read.
"""

import json
import re
from typing import Any

import orjson

MOST_LEVELS = 200
"""Levels of nesting that are kept; what lies deeper becomes null. orjson writes 254, Python's own parser reads a thousand."""

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def loads(body: bytes | bytearray) -> Any:
    """The value of a document.

    :raises ValueError: when it is not JSON
    """
    return parse(body)[0]


def parse(body: bytes | bytearray) -> tuple[Any, int]:
    """The value of a document, and how many U+0000 were taken out of it.

    :raises ValueError: when it is not JSON
    """
    try:
        parsed = orjson.loads(body)
        may_have_nuls = b"\\u0000" in body  # the only way to write one; it may also be an escaped backslash before u0000
    except orjson.JSONDecodeError:
        parsed = _odd(body.decode("utf-8-sig", "replace"))
        may_have_nuls = True
    return without_nuls(parsed) if may_have_nuls else (parsed, 0)


def _odd(text: str) -> Any:
    """The value of what orjson refuses."""
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


def without_nuls(value: Any) -> tuple[Any, int]:
    """The value without U+0000 in its texts and names, changed in place, and how many there were.

    A name that is taken once its U+0000 are out gets `_` at its end.
    """
    count = 0
    around = [value]
    to_do: list[Any] = [around]  # no recursion: orjson reads more levels than Python's stack has
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
    return around[0], count


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
