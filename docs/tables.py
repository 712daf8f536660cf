"""Writes the parts of the documentation that follow from the code: `make docs`. A test fails when they are stale.

A part stands between `<!-- generated: name -->` and `<!-- end of name -->`.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import requests
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction

from docs.erd.relations import draw, relation_table
from source_retently import answers
from source_retently.answers import Meaning
from source_retently.config import connection_specification
from source_retently.streams import STREAMS, RetentlyStream

PAGE = Path(__file__).parent / "integrations/sources/retently.md"
ERD = Path(__file__).parent / "erd/README.md"

OCCASIONS: tuple[tuple[str, Meaning], ...] = (
    ("200 with HTML, half a JSON, `data: null` or another shape", answers.NOT_RETENTLY),
    ("a redirect to another host; the key does not travel", answers.REDIRECTED),
    ("400", answers.meaning_of_status(400)),
    ("401, API key", answers.meaning_of_status(401)),
    ("401, OAuth, again with a new token", answers.meaning_of_status(401, oauth=True)),
    ("403", answers.meaning_of_status(403)),
    ("404", answers.meaning_of_status(404)),
    ("408", answers.meaning_of_status(408)),
    ("429", answers.meaning_of_status(429)),
    ("409, 422 and other 4xx", answers.meaning_of_status(422)),
    ("500, 502, 503, 504 and other 5xx", answers.meaning_of_status(503)),
    ("no connection, name not resolved", answers.meaning_of_exception(requests.exceptions.ConnectionError())),
    ("cut off or reset within the answer", answers.meaning_of_exception(requests.exceptions.ChunkedEncodingError())),
    ("no answer, or one that drips", answers.meaning_of_exception(requests.exceptions.ReadTimeout())),
    ("TLS: unknown authority, wrong name, expired", answers.meaning_of_exception(requests.exceptions.SSLError())),
    ("proxy refuses or is not there", answers.meaning_of_exception(requests.exceptions.ProxyError())),
    ("proxy's address is none", answers.meaning_of_exception(requests.exceptions.InvalidProxyURL())),
)
RETRIES = {
    answers.meaning_of_status(400): "page 1 with 100 rows; a later page is the end of the list, or asked for in another way",
    answers.meaning_of_status(403): "no; the stream is skipped",
    answers.meaning_of_status(404): "page 1: no; the stream is skipped. A later page: as for 400",
    answers.meaning_of_status(503): "for 5 minutes; after two 504s with fewer rows",
    answers.meaning_of_exception(requests.exceptions.ReadTimeout()): "for 5 minutes; after two time-outs with fewer rows",
    answers.meaning_of_status(401, oauth=True): "once, with a new token",
    answers.meaning_of_status(429): "as the answer says, else after a minute; until 10 minutes without a success",
}


def answer_table() -> str:
    rows = ["| Answer | Tried again | Failure | The sentence |", "|---|---|---|---|"]
    for occasion, meaning in OCCASIONS:
        sentence = meaning.sentence.format(
            host="app.retently.com", what="the request for feedback (page 3)", status="503" if "5xx" in occasion else "422"
        )
        retried = RETRIES.get(meaning, "no" if meaning.action is ResponseAction.FAIL else "for 5 minutes")
        kind = meaning.failure_type.value if meaning.failure_type else ""
        rows.append(f"| {occasion} | {retried} | `{kind}` | {sentence} |")
    return "\n".join(rows)


def option_table() -> str:
    rows = ["| Option | Default | Meaning |", "|---|---|---|"]
    for name, option in connection_specification()["properties"].items():
        default = option.get("default", "required" if name == "credentials" else "none")
        rows.append(f"| `{name}` | {default} | {option['description']} |")
    return "\n".join(rows)


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


PARTS: Mapping[str, Callable[[], str]] = {
    "answers": answer_table,
    "options": option_table,
    "streams": stream_table,
    **{f"fields of {stream().name}": partial(field_table, stream) for stream in STREAMS},
}


def fresh(path: Path, parts: Mapping[str, Callable[[], str]]) -> str:
    """The text of a page as it should be."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        if not found or end not in rest:
            sys.exit(f"{path} has no place for {name}: put {start} and {end} into it.")
        text = f"{before}{start}\n\n{part()}\n\n{end}{rest.partition(end)[2]}"
    return text


PAGES = {PAGE: PARTS, ERD: {"relations": relation_table}}

if __name__ == "__main__":
    for path, parts in PAGES.items():
        path.write_text(fresh(path, parts), encoding="utf-8")
    draw(ERD.parent / "streams.png")
