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
from serpyco_rs import SchemaValidationError

from source_retently.config import ConfigError


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
    """
    :raises ConfigError: when the file is not a configured catalog
    """
    held = read_json(path, "catalog")
    remedy = "take integration_tests/configured_catalog.json for an example."
    try:
        catalog = ConfiguredAirbyteCatalogSerializer.load(held)
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
    """The states of a file: a list of them, one alone, as they stand in STATE messages, or by the streams' names.

    :raises ConfigError: when the file holds something else
    """
    held = read_json(path, "state") if path else []
    if isinstance(held, Mapping):
        by_name = not held.keys() & {"type", "stream", "state", "data", "global"}
        held = [_stream_state(name, state) for name, state in held.items()] if by_name else [held]
    try:
        return [AirbyteStateMessageSerializer.load(_unwrapped(state)) for state in held or []]
    except (SchemaValidationError, TypeError, AttributeError):
        raise ConfigError(
            f"The state file {path} holds no states: write the STATE messages of the last sync into it as a list, or []."
        ) from None


def shown(names: Iterable[str]) -> str:
    """Names from a file as a sentence can show them: a few, and not at any length."""
    cut = [name if len(name) <= 40 else f"{name[:40]}…" for name in names]
    return ", ".join(cut[:5]) + (", …" if len(cut) > 5 else "")


def _stream_state(name: str, state: Any) -> dict[str, Any]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}}


def _unwrapped(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state as the CDK wants it; without `type` it would take it for none and read everything in silence."""
    inner = state["state"] if state.get("type") == "STATE" else state
    if "stream" not in inner and not inner.keys() & {"global", "data"}:
        raise TypeError("neither a stream's state nor a global one")
    return {"type": "STREAM", **inner} if "stream" in inner else inner
