"""The search for secrets finds them: else an empty result would prove nothing."""

import base64
import json
from urllib.parse import quote

import pytest

from integration_tests.leaks import leaked, rows_in

SECRET = 'k3y/+with=odd&chars %20"\\and-more'


@pytest.mark.parametrize(
    "output",
    [
        f"plain {SECRET} plain",
        json.dumps({"message": f"key {SECRET}"}),
        repr(SECRET),
        f"GET /?api_key={quote(SECRET, safe='')}",
        f"GET /?api_key={quote(SECRET, safe='').lower()}",
        f"GET /?next={quote(quote(SECRET, safe=''), safe='')}",
        *(base64.b64encode(b"user:xy"[:number] + SECRET.encode() + b"!").decode() for number in range(7)),
        base64.urlsafe_b64encode(b"x" + SECRET.encode()).decode(),
        f"{SECRET[:9]}\n{SECRET[9:]}",
        json.dumps(f"{SECRET[:12]}\n{SECRET[12:]}"),
        f"shortened: {SECRET[:16]}…",
        '{"type":"CONTROL"}\n' + SECRET,
    ],
)
def test_a_secret_is_found_in_any_form(output: str) -> None:
    assert leaked(output, [SECRET])
    assert not leaked(output.replace(SECRET[:3], "").replace("k3y", ""), ["another-secret-that-is-not-there"])


def test_a_new_refresh_token_may_go_to_the_platform() -> None:
    assert not leaked('{"type":"CONTROL","control":{"refresh_token":"' + SECRET + '"}}\nall well', [SECRET])


ROW = {
    "type": "RECORD",
    "record": {"stream": "customers", "data": {"name": "Zoë Müller-Lüdenscheidt", "tags": ["a tag of hers"]}},
}


@pytest.mark.parametrize(
    "stderr",
    [
        "Message: UnicodeEncodeError('charmap', 'Zoë Müller-Lüdenscheidt', 1, 2, '…')",
        "Zo\\u00eb M\\u00fcller-L\\u00fcdenscheidt",
        "KeyError: 'a tag of hers'",
        "somebody@customer.example",
        '{"type":"RECORD","record":{"stream":"x"}}',
        '"{\\"emitted_at\\":1}"',
    ],
)
def test_a_row_on_stderr_is_found_in_any_form(stderr: str) -> None:
    assert rows_in(stderr, f"torn\n{json.dumps(ROW)}\n[]\n")
    assert not rows_in("Traceback: OSError: No space left on device: customers", json.dumps(ROW))
