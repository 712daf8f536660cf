"""Coercion: makes values match the schema of their stream, by a plan that is made once a schema.

Values of another JSON type than the schema promises (a number as text, an empty date, an offset instead of `Z`) are converted:
what comes in place of an object is kept under `value`, custom properties by name become a list of them. What can't be converted
becomes null: a destination that gets text in a number column loses the whole read. No record is dropped for its values.
"""

import json
import math
from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta, timezone
from typing import Any

Warn = Callable[[str, str, Any], None]
"""Called with the field's path, the type that the schema wants and the value that can't be coerced to it."""

Coerce = Callable[[Any], Any]
Actions = Mapping[type, Coerce | None]
"""What makes a value of each type match; None where it does."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are milliseconds, not seconds: as seconds they would be after the year 5138."""

_BEYOND_64_BITS = 2**63

_NOTHING = frozenset({"", "null", "none", "nil", "undefined", "nan"})
"""Texts that mean that there is no value, in lower case."""


class NotCoercible(ValueError):
    """The value can't be coerced."""


def _is_nothing(text: str) -> bool:
    return text.strip().lower() in _NOTHING


def utc(value: Any) -> str | None:
    """A date as `2019-07-28T04:33:13.217Z`: always UTC and 24 characters, so that the order of texts is the order of dates.

    Takes ISO 8601 text with `Z`, an offset or nothing (UTC then), a date alone, and UNIX time in seconds or milliseconds.
    Finer fractions than milliseconds, which the API never shows (docs/api.md#dates), are cut off. Empty text is None, and so
    is the text "null".

    :raises NotCoercible: for everything else
    """
    try:
        if isinstance(value, str):
            if len(value) == 24 and value[10] == "T" and value[19] == "." and value[23] == "Z":
                datetime.fromisoformat(value[:23])  # the format of the API: checked, and passed on as it is
                return value
            if _is_nothing(value):
                return None
            date = _parsed(value.strip())
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            date = _EPOCH + timedelta(seconds=seconds)
        else:
            raise NotCoercible
        return date_text(date)
    except (ValueError, OverflowError) as error:
        raise NotCoercible from error


def date_text(date: datetime) -> str:
    """An aware date as `utc` writes it.

    :raises OverflowError: when it is outside the years 1 to 9999 in UTC
    """
    return date.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def datetime_of(text: str) -> datetime:
    """The date in a text of `utc` or `date_text`."""
    return datetime.fromisoformat(text[:23]).replace(tzinfo=timezone.utc)


def date_or_none(value: Any) -> str | None:
    """A date as `utc` writes it; None for everything else."""
    try:
        return utc(value)
    except NotCoercible:
        return None


def _parsed(text: str) -> datetime:
    """ISO 8601 as Python 3.10 understands it: an offset with a colon, a fraction of three or six digits."""
    text = text[:-1] + "+00:00" if text[-1] in "Zz" else text
    head, offset = text[:19], text[19:]
    if offset.startswith("."):
        digits = len(offset) - len(offset[1:].lstrip("0123456789")) - 1
        head, offset = f"{head}.{offset[1 : digits + 1][:6]:0<6}", offset[digits + 1 :]
    if len(offset) == 5 and offset[0] in "+-":
        offset = f"{offset[:3]}:{offset[3:]}"
    date = datetime.fromisoformat(head + offset)
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> Any:
    if isinstance(value, str):
        if _is_nothing(value):
            return None
        text = value.strip()
        value = int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise NotCoercible
    return value


def _integer(value: Any) -> int | None:
    value = _number(value)
    if value is None:
        return None
    if value != int(value) or not -_BEYOND_64_BITS <= value < _BEYOND_64_BITS:
        raise NotCoercible
    return int(value)


def _boolean(value: Any) -> bool | None:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    text = _string(value).strip().lower()
    if _is_nothing(text):
        return None
    if text not in known:
        raise NotCoercible
    return known[text]


_TYPES = (type(None), bool, int, float, str, list, dict)
"""The types of parsed JSON."""


def _unless(matching: Set[type], coerce: Coerce) -> Actions:
    """Coerces all values but null and those of matching types."""
    return {kind: None if kind in matching or kind is type(None) else coerce for kind in _TYPES}


_SCALARS: Mapping[str, tuple[Set[type], Coerce]] = {
    "string": ({str}, _string),
    "number": ({int}, _number),  # a float may be infinite, so it is checked
    "integer": (set(), _integer),  # an int may have more than 64 bits, so it is checked
    "boolean": ({bool}, _boolean),
}


class Coercion:
    """Makes records match one stream's schema."""

    def __init__(self, schema: Mapping[str, Any], warn: Warn, unknown: Callable[[set[str]], None]) -> None:
        """
        :param schema: JSON Schema (draft-07) of the stream, with one type beside null for each field
        :param warn: called for each value that becomes null because it can't be coerced
        :param unknown: called with top-level fields that the schema does not have; with the same ones more than once
        """
        self._warn = warn
        self.coerce = self._plan(schema["properties"], "", unknown)
        """Makes a record match, in place, and returns it."""

    def _plan(
        self, properties: Mapping[str, Any], path: str, unknown: Callable[[set[str]], None] | None = None
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """A function that makes an object with these properties match, in place."""
        actions = {name: self._actions(schema, path + name) for name, schema in properties.items()}

        def apply(record: dict[str, Any]) -> dict[str, Any]:
            is_known = True
            for name, value in record.items():
                try:
                    coerce = actions[name][type(value)]
                except KeyError:  # noqa: PERF203 - costs nothing where all are known
                    is_known = False
                else:
                    if coerce:
                        record[name] = coerce(value)
            if unknown and not is_known:
                unknown(record.keys() - actions.keys())
            return record

        return apply

    def _actions(self, schema: Mapping[str, Any], path: str) -> Actions:
        declared = schema.get("type", [])
        types = [name for name in ([declared] if isinstance(declared, str) else declared) if name != "null"]
        if len(types) != 1:
            return dict.fromkeys(_TYPES)  # several types, or any: nothing to coerce to
        match types[0]:
            case "string" if schema.get("format") == "date-time":
                return _unless(set(), self._guarded(utc, "a date", path))
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, path)
            case scalar:
                matching, coerce = _SCALARS[scalar]
                return _unless(matching, self._guarded(coerce, scalar, path))

    def _guarded(self, coerce: Coerce, wanted: str, path: str) -> Coerce:
        def guarded(value: Any) -> Any:
            try:
                return coerce(value)
            except (ValueError, TypeError, OverflowError):
                self._warn(path, wanted, value)
                return None

        return guarded

    def _object(self, schema: Mapping[str, Any], path: str) -> Actions:
        properties = schema.get("properties", {})
        apply = self._plan(properties, path + ".")

        def coerce(value: Any) -> Any:
            if isinstance(value, str) and _is_nothing(value):
                return None
            return apply({"value": value})  # most objects are documented by their name alone: no value must be lost

        return {**_unless(set(), coerce), dict: apply if properties else None}

    def _array(self, schema: Mapping[str, Any], path: str) -> Actions:
        items = schema.get("items", {})
        actions = self._actions(items, path + "[]")
        names = items.get("properties", {}).keys()
        has_named_items = {"name", "value"} <= names

        def apply(value: list[Any]) -> list[Any]:
            for index, item in enumerate(value):
                if coerce := actions[type(item)]:
                    value[index] = coerce(item)
            return value

        def coerce(value: Any) -> Any:
            if isinstance(value, str) and _is_nothing(value):
                return None
            if value == {}:
                return []
            if isinstance(value, dict) and has_named_items and not _is_named_item(value, names):
                return apply([_named_item(name, inner, names) for name, inner in value.items()])
            return apply([value])  # one item that came without its list

        return {**_unless(set(), coerce), list: apply}


def _is_named_item(value: dict[str, Any], names: Set[str]) -> bool:
    """Whether an object is one of the items that have a name and a value, and not several of them by their names."""
    return "value" in value and ("name" in value or value.keys() <= names)


def _named_item(name: str, value: Any, names: Set[str]) -> dict[str, Any]:
    """The item for what an object holds under a name: the value, or all of the item but its name."""
    if isinstance(value, dict) and "value" in value and value.keys() <= names:
        return {"name": name, **value}
    return {"name": name, "value": value}
