"""A sandbox in a process of its own, for the demo, the integration tests and the benchmarks."""

import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import requests

from sandbox.data import NEWEST
from sandbox.endpoints import ENDPOINTS
from sandbox.sign_in import API_KEY
from source_retently.environment import BASE_URL_VARIABLE

PATHS = {stream.name: stream.path().split("{")[0] for stream in ENDPOINTS}
"""Where the requests of each stream go; with a slash at the end where there is one for each row of another stream."""


class SandboxProcess:
    """Runs `python -m sandbox` on a free port for as long as the `with` block lasts."""

    def __init__(self, *, authority: str | None = None, **options: Any) -> None:
        """
        :param authority: file of the certificate that signed the one given as the option `certificate`
        :param options: the command's options, with underscores; the dates end on a fixed day, unless `newest` is among them
        """
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, and no other authority
        self._session.verify = authority or True
        options = {"newest": f"{NEWEST:%Y-%m-%d}", **options}
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0", *words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox did not start; see its error above")
        self.url = line.split()[-1]
        self.environment = {BASE_URL_VARIABLE: self.url}
        """What the connector needs to find it."""
        self.config: dict[str, Any] = {"credentials": {"auth_type": "Token", "api_key": options.get("api_key", API_KEY)}}

    def __enter__(self) -> "SandboxProcess":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._session.close()
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """Rows of each stream, and the requests and statuses counted since the last reset."""
        stats: dict[str, Any] = self._session.get(f"{self.url}/_sandbox/stats", timeout=60).json()
        return stats

    def issued_tokens(self) -> list[str]:
        """Every OAuth token that it has handed out."""
        tokens: list[str] = self._session.get(f"{self.url}/_sandbox/tokens", timeout=60).json()
        return tokens

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """All rows of customers, companies, feedback or outbox as they are now, oldest first."""
        rows: list[dict[str, Any]] = self._session.get(f"{self.url}/_sandbox/rows/{kind}", timeout=60).json()
        return rows

    def do(self, *orders: Mapping[str, Any]) -> None:
        """Changes the account or the switches; sandbox/README.md lists the orders."""
        response = self._session.post(f"{self.url}/_sandbox/do", json=list(orders), timeout=60)
        if response.status_code != 200:
            raise ValueError(response.text)
