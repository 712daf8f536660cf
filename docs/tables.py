"""The tables of the documentation that follow from the code."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import requests
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction

from sandbox.server import option_name
from sandbox.switches import Option
from source_retently.files import NAMES
from source_retently.http import responses
from source_retently.http.responses import Meaning
from source_retently.spec import connection_specification
from source_retently.streams.base import RetentlyStream
from source_retently.streams.endpoints import STREAMS

OCCASIONS: tuple[tuple[str, Meaning], ...] = (
    ("200 with HTML or half a JSON; 403 or 404 without the API's own JSON", responses.NOT_RETENTLY),
    ("200 with `data: null`, or JSON of another shape", responses.OTHER_JSON),
    ("a redirect to another host; the key is not sent there", responses.REDIRECTED),
    ("400", responses.meaning_of_status(400)),
    ("401, API key", responses.meaning_of_status(401)),
    ("401, OAuth, again with a new token", responses.meaning_of_status(401, oauth=True)),
    ("400, 401 or 403 of the token endpoint", responses.REFRESH_TOKEN_REFUSED),
    ("403", responses.meaning_of_status(403)),
    ("404", responses.meaning_of_status(404)),
    ("408", responses.meaning_of_status(408)),
    ("429", responses.meaning_of_status(429)),
    ("409, 422 and other 4xx", responses.meaning_of_status(422)),
    ("500, 502, 503, 504 and other 5xx", responses.meaning_of_status(503)),
    ("no connection, name not resolved", responses.meaning_of_exception(requests.exceptions.ConnectionError())),
    ("cut off or reset within the response", responses.meaning_of_exception(requests.exceptions.ChunkedEncodingError())),
    ("no response, or one that arrives too slowly", responses.meaning_of_exception(requests.exceptions.ReadTimeout())),
    ("TLS: unknown authority, wrong name, expired", responses.meaning_of_exception(requests.exceptions.SSLError())),
    ("proxy refuses or is not there", responses.meaning_of_exception(requests.exceptions.ProxyError())),
    ("not a valid proxy URL", responses.meaning_of_exception(requests.exceptions.InvalidProxyURL())),
)
AS_400 = "page 1: once, with 100 rows. A later page is the end of the list, or is requested with another number of rows"
AS_404 = "page 1: no; streams that plans may lack are skipped, and a score has no rows. A later page: as for 400"
AS_429 = "as its headers say, at most 10 minutes, else after 60 to 70 seconds; until 10 minutes without a success"
RETRIES = {
    responses.meaning_of_status(400): AS_400,
    responses.meaning_of_status(403): "no; streams that plans may lack are skipped",
    responses.meaning_of_status(404): AS_404,
    responses.meaning_of_status(503): "for 5 minutes; after two 504s with fewer rows",
    responses.meaning_of_exception(requests.exceptions.ReadTimeout()): "for 5 minutes; after two time-outs with fewer rows",
    responses.meaning_of_status(401, oauth=True): "once, with a new token",
    responses.meaning_of_status(429): AS_429,
}
STATUS_SHOWN = {responses.SERVER_ERROR: 503, responses.REFRESH_TOKEN_REFUSED: 401}


def response_table() -> str:
    rows = ["| Response | Retried | Failure | Message |", "|---|---|---|---|"]
    for occasion, meaning in OCCASIONS:
        message = meaning.message.format(
            host="app.retently.com", what="the request for feedback (page 3)", status=STATUS_SHOWN.get(meaning, 422)
        )
        retried = RETRIES.get(meaning, "no" if meaning.action is ResponseAction.FAIL else "for 5 minutes")
        kind = meaning.failure_type.value if meaning.failure_type else ""
        rows.append(f"| {occasion} | {retried} | `{kind}` | {message} |")
    return "\n".join(rows)


def option_table() -> str:
    specification = connection_specification()
    rows = ["| Option | Values | Default | Meaning |", "|---|---|---|---|"]
    for name, option in specification["properties"].items():
        default = option.get("default", "required" if name in specification["required"] else "none")
        rows.append(f"| `{name}` | {_values(option)} | {default} | {option['description']} |")
    return "\n".join(rows)


def _values(option: Mapping[str, Any]) -> str:
    """The values that an option takes."""
    if option["type"] == "integer":
        return f"{option['minimum']:,} to {option['maximum']:,}"
    return " or ".join(choice["title"] for choice in option.get("oneOf", [])) or f"`{option['pattern_descriptor']}`"


def stream_table() -> str:
    rows = ["| Stream | A row is | Key | Cursor | Sync modes | Endpoint |", "|---|---|---|---|---|---|"]
    for stream in STREAMS:
        made = stream()
        description = made.get_json_schema()["description"].removeprefix("One row").lstrip(" :").rstrip(".")
        cursor = f"`{made.cursor_field}`" if made.supports_incremental else ""
        modes = "full refresh, incremental" if made.supports_incremental else "full refresh"
        rows.append(
            f"| [`{made.name}`](#{made.name}) | {description} | `{made.primary_key}` | {cursor} | {modes} | `{made.path()}` |"
        )
    return "\n".join(rows)


def field_table(stream: type[RetentlyStream]) -> str:
    made = stream()
    rows = ["| Field | Type | Meaning |", "|---|---|---|"]
    for name, field in made.get_json_schema()["properties"].items():
        kind = "date-time" if field.get("format") == "date-time" else next(kind for kind in field["type"] if kind != "null")
        rows.append(f"| `{name}` | {kind} | {field['description']} |")
    return "\n".join(rows)


def command_table(options: Sequence[Option]) -> str:
    """The options of `python -m sandbox`."""
    rows = ["| Option | Values | What it does |", "|---|---|---|"]
    for option in options:
        values = ", ".join(
            f"`{value}`" for value in option.positions or ([option.default] if option.default != "" else ["none"])
        )
        text = re.sub(r"docs/(api\.md#[\w-]+)", r"[\1](../docs/\1)", option.text)
        rows.append(f"| `{option_name(option)}` | {values} | {text} |")
    return "\n".join(rows)


USER_PAGE: Mapping[str, Callable[[], str]] = {
    "responses": response_table,
    "options": option_table,
    "streams": stream_table,
    **{f"fields of {name}": partial(field_table, stream) for name, stream in zip(NAMES, STREAMS, strict=True)},
}
