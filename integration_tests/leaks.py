"""Finds secrets in output, and rows on stderr, in whatever form they got there. Every run in these tests is searched."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

SHORT = 8
"""Characters below which a secret can't be distinguished from the words around it."""
LONG = 24
"""Characters from which half a secret, on its own, counts as one."""


def forms(secret: str) -> set[str]:
    """The secret as it may be written: plain, escaped, percent-encoded, base64-encoded anywhere in a longer text."""
    raw = secret.encode()
    written = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)}
    written |= {form.replace("%", "%25") for form in written if "%" in form}
    for before in range(3):
        # A secret that starts in the middle of a group of three bytes shares its first and last characters with what is around.
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        core = whole[(before * 8 + 5) // 6 : len(whole) - (1 if (before + len(raw)) % 3 else 0)]
        written |= {core, core.replace("+", "-").replace("/", "_")}
    if len(secret) >= LONG:
        written |= {secret[: len(secret) // 2], secret[len(secret) // 2 :]}
    return written | {form.lower() for form in written if "%" in form}


def leaked(output: str, secrets: Iterable[str]) -> list[str]:
    """The forms of these secrets that occur in the output, also over the ends of lines.

    CONTROL messages are left out: handing a new refresh token to the platform is what they are for.
    """
    lines = [line for line in output.splitlines() if '"type":"CONTROL"' not in line]
    text = "\n".join(lines)
    joined = "".join(lines).replace("\\n", "").replace("\\r", "")
    return [form for secret in secrets if len(secret) >= SHORT for form in forms(secret) if form in text or form in joined]


ROW = re.compile(r"""[\w.+-]+@[\w-]+\.\w+|["'](?:record|emitted_at|subscribers|responses)\\*["']:""")
"""An e-mail address, or a piece of a RECORD message or of a body."""


def rows_in(stderr: str, output: str) -> list[str]:
    """What stderr holds of rows: of any row by its looks, and of those in the RECORD messages on stdout by their texts.

    stdout belongs to the destination; stderr ends in logs, where nobody expects customers.
    """
    if not stderr:
        return []
    texts = {text for record in _records(output) for text in _texts(record) if len(text) >= SHORT}
    found = [text for text in texts if any(form in stderr for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1]))]
    return [*ROW.findall(stderr), *found]


def _records(output: str) -> Iterator[Any]:
    for line in output.split("\n"):
        with suppress(ValueError, KeyError, TypeError):
            yield json.loads(line)["record"]["data"]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
