"""Reads the files that are named on the command line; what is wrong with one ends as a sentence, never as its content."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.sources.utils.casing import camel_to_snake
from serpyco_rs import SchemaValidationError

from source_retently.config import ConfigError
from source_retently.streams import STREAMS

NAMES = [camel_to_snake(stream.__name__) for stream in STREAMS]
"""Of all streams, as the CDK names them, without making them."""

SYNC_NUMBERS = ("generation_id", "minimum_generation_id", "sync_id")
"""By which the platform tells apart a retry, a new sync and a refresh."""


def read_json(path: str, what: str) -> Any:
    """The JSON in a file; a byte order mark before it does no harm.

    :raises ConfigError: when there is no such file, it can't be read, or it holds something else
    """
    if path.lstrip()[:1] in ("{", "["):
        # What follows may be a key, so it is not said again.
        raise ConfigError(f"The {what} is given by its content: write that into a file, and give --{what} the file's path.")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigError(f"The {what} file {path} does not exist: check the path.") from None
    except OSError as error:
        raise ConfigError(f"The {what} file {path} can't be read ({error.strerror}): check the path and its rights.") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"The {what} file {path} is not JSON in UTF-8: correct it.") from None


def read_config(path: str) -> dict[str, Any]:
    """
    :raises ConfigError: when the file is not a JSON object
    """
    config = read_json(path, "config")
    if not isinstance(config, dict):
        raise ConfigError(f'The config file {path} must hold a JSON object like {{"api_key": "…"}}: correct it.')
    return config


def read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """The configured streams, with what a source uses of them; the rest of the file is not looked at.

    :raises ConfigError: when the file is not a configured catalog
    """
    held = read_json(path, "catalog")
    remedy = "take integration_tests/configured_catalog.json for an example."
    try:
        catalog = ConfiguredAirbyteCatalogSerializer.load(_used_catalog(held))
    except SchemaValidationError as error:
        where = error.errors[0].instance_path or "its top"
        raise ConfigError(f"The catalog file {path} is not a configured catalog (see {where}): {remedy}") from None
    if not catalog.streams:
        raise ConfigError(f"The catalog file {path} names no stream: {remedy}")
    names = [configured.stream.name for configured in catalog.streams]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"The catalog file {path} names {shown(twice)} more than once: keep each stream once.")
    return catalog


def read_state(path: str | None) -> list[AirbyteStateMessage]:
    """The state of each stream in a file, one message of type STREAM for each.

    The file holds a state or a list of them, as in STATE messages: STREAM, GLOBAL (its `stream_states` are used) or LEGACY
    (states by the streams' names). An object of states by the streams' names alone will do, too.

    :raises ConfigError: when the file holds something else, or states but none of a stream
    """
    held = read_json(path, "state") if path else None
    try:
        return [AirbyteStateMessageSerializer.load(_stream_message(state)) for state in _stream_states(held)]
    except (SchemaValidationError, TypeError, AttributeError, KeyError):
        raise ConfigError(
            f"The state file {path} holds no states: write the STATE messages of the last sync into it as a list, or []."
        ) from None


def shown(names: Iterable[str]) -> str:
    """Names from a file as a sentence can show them: a few, and not at any length."""
    cut = [name if len(name) <= 40 else f"{name[:40]}…" for name in names]
    return ", ".join(cut[:5]) + (", …" if len(cut) > 5 else "")


def _used_catalog(held: Any) -> Any:
    """The catalog without what is a destination's business: newer platforms write values there that the CDK does not know.

    What is missing or of the wrong shape is left for the CDK to name.
    """
    if not isinstance(held, Mapping) or not isinstance(streams := held.get("streams"), list):
        return held
    return {"streams": [_used_stream(stream) if isinstance(stream, Mapping) else stream for stream in streams]}


def _used_stream(configured: Mapping[str, Any]) -> dict[str, Any]:
    used = {name: configured[name] for name in ("stream", "sync_mode") if name in configured}
    used |= {name: configured[name] for name in SYNC_NUMBERS if type(configured.get(name)) is int}
    if isinstance(stream := used.get("stream"), Mapping):
        schema = stream.get("json_schema")
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        used["stream"] = {
            **({"name": stream["name"]} if "name" in stream else {}),
            # The CDK warns of fields that the stream no longer has.
            "json_schema": {"properties": properties} if isinstance(properties, Mapping) else {},
            "supported_sync_modes": ["full_refresh", "incremental"],
        }
    return {**used, "destination_sync_mode": "append"}


def _stream_states(held: Any) -> list[Mapping[str, Any]]:
    """
    :raises TypeError, AttributeError, KeyError: when it holds something else, or no stream's state
    """
    if held in (None, [], {}):
        return []
    if isinstance(held, list):
        return [stream for message in held for stream in _states_in(message)]
    return _states_in(held) if held.keys() & {"type", "stream", "state", "data", "global"} else _by_name(held)


def _states_in(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The streams' states in one message of the protocol. Whether `type` is there, and right, makes no difference: the CDK
    would ignore a state without it, and read everything."""
    state = message["state"] if message.get("type") == "STATE" else message
    if (stream := state.get("stream")) is not None:
        return [stream]
    if (whole := state.get("global")) is None:
        return _by_name(state["data"])
    if not whole["stream_states"]:
        raise TypeError("a shared state alone")
    return list(whole["stream_states"])


def _by_name(states: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not states.keys() & NAMES:
        raise TypeError("no stream's name")
    return [{"stream_descriptor": {"name": name}, "stream_state": state} for name, state in states.items() if name in NAMES]


def _stream_message(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state as the CDK reads it; it looks streams up without a namespace."""
    descriptor = {"name": state["stream_descriptor"]["name"]}
    return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state.get("stream_state")}}
