"""Between the connector and the API: real proxies, real TLS, names that don't resolve, redirects."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from integration_tests.conftest import Connector, command_line
from sandbox.process import SandboxProcess
from sandbox.sign_in import CLIENT
from source_retently.run_context import Timeouts
from unit_tests.run import catalog_of

SHORT = Timeouts(connect=3, read=3, response=3, retry=0.2, rate_limit=0.2)
PROXY_PASSWORD = "pr0xy-pass/word%of=the-test"
NOWHERE = ["https://retently.invalid", "http://127.0.0.1:9", "https://[::1]:9"]
KEY = "k3y-that-goes-through-a-proxy"
ROWS: dict[str, Any] = {"customers": 20, "companies": 5, "feedback": 30, "outbox": 10, "rate_limit": 0, "api_key": KEY}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The authority's certificate, as a company gives it to its machines."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def certificate(authority: trustme.CA, work: Path, name: str, until: datetime | None = None) -> str:
    path = work / f"{name}.pem"
    authority.issue_cert(name, not_after=until).private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def secure(authority: trustme.CA, bundle: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox with TLS and a certificate for localhost."""
    pem = certificate(authority, tmp_path_factory.mktemp("server"), "localhost")
    with SandboxProcess(authority=bundle, certificate=pem, **ROWS) as secure:
        yield secure


class Proxy:
    """A real HTTP proxy in its own process."""

    def __init__(self, work: Path, *options: str) -> None:
        self._log = work / "proxy.log"
        words = ["--hostname", "127.0.0.1", "--port", "0", "--port-file", str(work / "port"), "--log-file", str(self._log)]
        workers = ["--num-workers", "1", "--num-acceptors", "1"]
        self._process = subprocess.Popen([sys.executable, "-m", "proxy", *words, *workers, *options], stderr=subprocess.DEVNULL)
        for _ in range(300):
            if (work / "port").exists() and (work / "port").read_text().strip():
                break
            time.sleep(0.05)
        self.address = f"127.0.0.1:{(work / 'port').read_text().strip()}"

    def passed(self) -> str:
        """Its log of connections."""
        time.sleep(0.2)  # it writes after the connection has ended
        return self._log.read_text(encoding="utf-8")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    running = Proxy(tmp_path)
    yield running
    running.end()


@pytest.fixture
def guarded_proxy(tmp_path: Path) -> Iterator[Proxy]:
    running = Proxy(tmp_path, "--basic-auth", f"user:{PROXY_PASSWORD}")
    yield running
    running.end()


def test_a_sync_through_a_proxy(forked: Connector, secure: SandboxProcess, bundle: str, proxy: Proxy) -> None:
    environment = {"HTTPS_PROXY": f"http://{proxy.address}", "REQUESTS_CA_BUNDLE": bundle}
    run = forked("read", secure, environment=environment, options=("--debug",))
    assert run.code == 0, run.error_message
    assert len(run.records("feedback")) == 30
    assert f"CONNECT localhost:{secure.url.rsplit(':', 1)[1]}" in proxy.passed()


def test_a_proxy_that_wants_a_password(forked: Connector, secure: SandboxProcess, bundle: str, guarded_proxy: Proxy) -> None:
    environment = {
        "HTTPS_PROXY": f"http://user:{quote(PROXY_PASSWORD, safe='')}@{guarded_proxy.address}",
        "REQUESTS_CA_BUNDLE": bundle,
    }
    run = forked("check", secure, environment=environment, options=("--debug",), secrets=(PROXY_PASSWORD,))
    assert run.check_status == "SUCCEEDED"


@pytest.mark.parametrize("user", ["", "user:wr0ng-pass-of-the-test@"])
def test_a_proxy_that_refuses(forked: Connector, secure: SandboxProcess, bundle: str, guarded_proxy: Proxy, user: str) -> None:
    environment = {"HTTPS_PROXY": f"http://{user}{guarded_proxy.address}", "REQUESTS_CA_BUNDLE": bundle}
    run = forked(
        "read",
        secure,
        catalog=catalog_of("nps"),
        environment=environment,
        timeouts=SHORT,
        options=("--debug",),
        secrets=("wr0ng-pass-of-the-test",),
    )
    assert run.code == 1
    assert run.errors[0]["failure_type"] == "transient_error"
    assert run.errors[0]["message"] == "The proxy did not connect to localhost for the request for nps: check HTTPS_PROXY."


def test_a_proxy_that_is_not_there(forked: Connector, secure: SandboxProcess) -> None:
    run = forked("check", secure, environment={"HTTPS_PROXY": "http://127.0.0.1:9"}, timeouts=SHORT)
    assert "check HTTPS_PROXY" in run.error_message


@pytest.mark.parametrize(
    "address", ["http://", "socks5://127.0.0.1:9", "ftp://127.0.0.1:9", "http://[x", "http://user:pass@x:port"]
)
def test_an_invalid_proxy_url(forked: Connector, secure: SandboxProcess, address: str) -> None:
    run = forked("check", secure, environment={"HTTPS_PROXY": address}, timeouts=SHORT, secrets=("user:pass",))
    assert run.error_message.startswith("HTTPS_PROXY is not a valid proxy URL")


@pytest.mark.parametrize("path", ["/nowhere.pem", "/etc/hostname", "/dev/null"])
def test_an_invalid_file_of_certificates(forked: Connector, secure: SandboxProcess, path: str) -> None:
    for command in ("check", "read"):
        run = forked(command, secure, environment={"REQUESTS_CA_BUNDLE": path}, timeouts=SHORT)
        assert run.error_message == "REQUESTS_CA_BUNDLE is not the path of a file of certificates: correct it, or unset it."


def test_a_company_authority(forked: Connector, secure: SandboxProcess, bundle: str) -> None:
    run = forked("read", secure, environment={"REQUESTS_CA_BUNDLE": bundle})
    assert run.code == 0
    assert len(run.records("feedback")) == 30


def assert_untrusted(forked: Connector, sandbox: SandboxProcess, environment: dict[str, str]) -> None:
    before = sandbox.stats()["requests"]
    for command in ("check", "read"):
        run = forked(command, sandbox, environment=environment, timeouts=SHORT, options=("--debug",), catalog=catalog_of("nps"))
        message = run.errors[0]["message"] if run.errors else run.error_message
        assert message.startswith("No trusted TLS connection to localhost")
        assert "REQUESTS_CA_BUNDLE" in message
        assert run.code == (1 if command == "read" else 0)
    assert sandbox.stats()["requests"] == before  # the key never left


@pytest.mark.parametrize(
    "environment",
    [{}, {"PYTHONHTTPSVERIFY": "0"}, {"CURL_CA_BUNDLE": ""}, {"REQUESTS_CA_BUNDLE": ""}],
    ids=lambda value: str(value),
)
def test_an_unknown_authority_is_never_trusted(forked: Connector, secure: SandboxProcess, environment: dict[str, str]) -> None:
    assert_untrusted(forked, secure, environment)


@pytest.mark.parametrize("flaw", ["name", "date"])
def test_a_certificate_that_is_not_right_is_never_trusted(
    forked: Connector, authority: trustme.CA, bundle: str, tmp_path: Path, flaw: str
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=timezone.utc)
    name, until = ("elsewhere.example", None) if flaw == "name" else ("localhost", long_ago)
    words = command_line(tmp_path, "check", config={"api_key": KEY})
    with SandboxProcess(certificate=certificate(authority, tmp_path, name, until), **ROWS) as flawed:
        environment = {**flawed.environment, "REQUESTS_CA_BUNDLE": bundle}
        run = forked.run(*words, environment=environment, secrets=[KEY], timeouts=SHORT)
    assert run.check_status == "FAILED"
    assert run.error_message.startswith("No trusted TLS connection to localhost")


def test_plain_http_where_tls_is_wanted(forked: Connector) -> None:
    with SandboxProcess(**ROWS) as plain:
        address = plain.url.replace("http://", "https://")
        run = forked("check", plain, environment={"RETENTLY_BASE_URL": address}, timeouts=SHORT)
        assert run.error_message.startswith("No trusted TLS connection to 127.0.0.1")
        assert plain.stats()["requests"] == {}


@pytest.mark.parametrize("address", NOWHERE)
def test_a_host_that_is_not_there(forked: Connector, secure: SandboxProcess, address: str) -> None:
    environment = {"RETENTLY_BASE_URL": address}
    assert forked("check", secure, environment=environment, timeouts=SHORT).error_message.startswith("No connection to ")
    run = forked("read", secure, catalog=catalog_of("nps"), environment=environment, timeouts=SHORT)
    assert run.code == 1
    assert run.errors[0]["failure_type"] == "transient_error"


@pytest.mark.parametrize("secrets_in", ["key", "oauth"])
def test_a_redirect_takes_no_secret_to_another_host(forked: Connector, secrets_in: str) -> None:
    with SandboxProcess(**ROWS) as here, SandboxProcess(**ROWS) as elsewhere:
        config = here.config if secrets_in == "key" else {"credentials": CLIENT}
        path = "nps/score" if secrets_in == "key" else "oauth/token"
        target = f"{elsewhere.url}/api/v2/nps/score" if secrets_in == "key" else f"{elsewhere.url}/api/oauth/token"
        here.do({"fault": "redirect", "path": path, "to": target, "times": 99})
        run = forked("read", here, config=config, catalog=catalog_of("nps"), timeouts=SHORT, options=("--debug",))
        assert run.code == 1
        assert "to another address" in run.errors[0]["message"]
        assert "200" not in elsewhere.stats()["statuses"]


def test_a_redirect_within_the_host_is_followed(forked: Connector) -> None:
    with SandboxProcess(**ROWS) as here:
        here.do({"fault": "redirect", "path": "nps/score", "to": "/api/v2/csat/score"})
        run = forked("read", here, catalog=catalog_of("nps"))
        assert [record["metricsType"] for record in run.records("nps")] == ["CSAT"]
