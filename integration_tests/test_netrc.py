"""Secrets that are not the connector's: those of a .netrc are not for the API, a cookie of the API's is not for the log."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from integration_tests.conftest import Connector, command_line
from sandbox.sign_in import CLIENT
from source_retently.run_context import Timeouts
from unit_tests.run import catalog_of

PASSWORD = "a-pass-of-the-netrc-file"
KEY = "k3y-beside-a-netrc-file"
COOKIE = "the-session-of-a-cookie"
SHORT = Timeouts(connect=3, read=3, response=3, retry=0.2, rate_limit=0.2)


class Api(ThreadingHTTPServer):
    """Serves the token endpoint and one score, the score after a redirect; remembers each `Authorization` header."""

    seen: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.seen.append((path, self.headers.get("Authorization")))
        if path == "/api/v2/nps/score":
            self.send_response(302)
            self.send_header("Location", "/moved/nps/score")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.reply({"data": {"metricsType": "NPS", "score": 50}})

    def do_POST(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply({"access_token": "an-access-token-that-is-new", "token_type": "bearer", "expires_in": 3600})

    def reply(self, held: Any) -> None:
        body = json.dumps(held).encode()
        self.send_response(200)
        self._headers_buffer.append(b"a line that is no header\r\n")  # type: ignore[attr-defined]
        self.send_header("Set-Cookie", f"session={COOKIE}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api(("127.0.0.1", 0), Handler) as api:
        api.seen = []
        Thread(target=api.serve_forever, daemon=True).start()
        yield api
        api.shutdown()


@pytest.mark.parametrize("name", [".netrc", "_netrc", "NETRC"])
@pytest.mark.parametrize("kind", ["key", "oauth"])
def test_credentials_of_others_are_neither_sent_nor_logged(
    forked: Connector, api: Api, tmp_path: Path, kind: str, name: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    file = home / name
    file.write_text(f"machine 127.0.0.1 login me password {PASSWORD}\ndefault login me password {PASSWORD}\n", encoding="utf-8")
    file.chmod(0o600)
    config = {"api_key": KEY} if kind == "key" else {"credentials": CLIENT}
    words = command_line(tmp_path, "read", config=config, catalog=catalog_of("nps"))
    environment = {
        "HOME": str(home),
        "RETENTLY_BASE_URL": f"http://127.0.0.1:{api.server_port}",
        **({"NETRC": str(file)} if name == "NETRC" else {}),
    }
    run = forked.run(*words, environment=environment, secrets=[PASSWORD, KEY, COOKIE], timeouts=SHORT)
    token = [("/api/oauth/token", None)] if kind == "oauth" else []
    header = "Bearer an-access-token-that-is-new" if kind == "oauth" else f"api_key={KEY}"
    assert api.seen == [*token, ("/api/v2/nps/score", header), ("/moved/nps/score", header)]
    assert run.code == 0, run.error_message
    assert len(run.records("nps")) == 1
