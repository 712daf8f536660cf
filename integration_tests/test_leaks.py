"""The search for secrets finds them: else an empty result would say nothing."""

import base64
import json
from urllib.parse import quote

import pytest

from integration_tests.leaks import leaked

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
