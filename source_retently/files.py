"""Reads the config, catalog and state files. Error messages say what is wrong with a file, and never quote its content."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.sources.utils.casing import camel_to_snake
from serpyco_rs import SchemaValidationError

from source_retently.config import ConfigError, shortened
from source_retently.streams.endpoints import STREAMS

LOGGER = logging.getLogger("airbyte")
NAMES = [camel_to_snake(stream.__name__) for stream in STREAMS]
"""The names of all streams, as the CDK makes them, without creating the streams."""

SYNC_NUMBERS = ("generation_id", "minimum_generation_id", "sync_id")
"""By these the platform distinguishes a retry, a new sync and a refresh."""


def read_json(path: str, what: str) -> Any:
    """The JSON in a file; a byte order mark is ignored.

    :raises ConfigError: when the file does not exist, can't be read, or is not JSON
    """
    if path.lstrip()[:1] in ("{", "["):
        # It may contain a key, so it is not repeated.
        raise ConfigError(f"--{what} is JSON: write it into a file, and give --{what} the path of the file.")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigError(f"The {what} file {path} does not exist: check the path.") from None
    except OSError as error:
        raise ConfigError(f"The {what} file {path} can't be read ({error.strerror}): check the path and its rights.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"The {what} file {path} is not JSON in UTF-8 ({error.msg} at {where}): correct it.") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"The {what} file {path} is not JSON in UTF-8: correct it.") from None


def read_config(path: str) -> dict[str, Any]:
    """
    :raises ConfigError: when the file is not a JSON object
    """
    config = read_json(path, "config")
    if not isinstance(config, dict):
        raise ConfigError(f'The config file {path} must contain a JSON object like {{"api_key": "…"}}: correct it.')
    return config


def read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """The configured streams, reduced to what a source uses of them; the rest of the file is ignored.

    :raises ConfigError: when the file is not a configured catalog
    """
    content = read_json(path, "catalog")
    remedy = 'write it like {"streams": [{"stream": {"name": "feedback"}, "sync_mode": "incremental"}]}.'
    try:
        catalog = ConfiguredAirbyteCatalogSerializer.load(_used_catalog(content))
    except SchemaValidationError as error:
        where = error.errors[0].instance_path or "its top"
        raise ConfigError(f"The catalog file {path} is not a configured catalog (see {where}): {remedy}") from None
    if not catalog.streams:
        raise ConfigError(f"The catalog file {path} names no stream: {remedy}")
    names = [configured.stream.name for configured in catalog.streams]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"The catalog file {path} names {shortened(twice)} more than once: keep each stream once.")
    return catalog


def read_state(path: str | None) -> list[AirbyteStateMessage]:
    """The state of each stream in a file, one message of type STREAM for each.

    The file contains a state or a list of them, as in STATE messages: STREAM, GLOBAL (its `stream_states` are used) or LEGACY
    (states by the streams' names). An object of states by the streams' names alone is accepted, too.

    :raises ConfigError: when the file contains something else, or no stream's state
    """
    content = read_json(path, "state") if path else None
    try:
        messages = [_stream_message(state) for state in _stream_states(content)]
        names = {message["stream"]["stream_descriptor"]["name"] for message in messages}
        if unknown := sorted(names - set(NAMES)):
            LOGGER.warning(f"The state file {path} has the state of {shortened(unknown)}, which is no stream and is ignored.")
        return [AirbyteStateMessageSerializer.load(message) for message in messages]
    except (SchemaValidationError, TypeError, AttributeError, KeyError):
        raise ConfigError(
            f"The state file {path} contains no states: write the STATE messages of the last sync into it as a list, or []."
        ) from None


def _used_catalog(catalog: Any) -> Any:
    """The catalog without what only destinations need: newer platforms write values there that the CDK does not know.

    The CDK reports what is missing or has the wrong type.
    """
    if not isinstance(catalog, Mapping) or not isinstance(streams := catalog.get("streams"), list):
        return catalog
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


def _stream_states(content: Any) -> list[Mapping[str, Any]]:
    """
    :raises TypeError, AttributeError, KeyError: when it is something else, or no stream's state
    """
    if content in (None, [], {}):
        return []
    if isinstance(content, list):
        return [stream for message in content for stream in _states_in(message)]
    return _states_in(content) if content.keys() & {"type", "stream", "state", "data", "global"} else _by_name(content)


def _states_in(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The streams' states in one message of the protocol. Whether `type` is there, and right, makes no difference; without it
    the CDK would ignore the state and do a full read."""
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
    """The state as the CDK reads it, without a namespace: it looks streams up without one."""
    descriptor = {"name": state["stream_descriptor"]["name"]}
    return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state.get("stream_state")}}
