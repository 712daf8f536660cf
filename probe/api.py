"""The account under the probe: GET requests, few of them, inside the rate limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from source_retently.config import REQUESTS_PER_MINUTE
from source_retently.environment import base_url
from source_retently.http import lenient_json
from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.http.rate_limit import RateBudget
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.envelope import paging_number, value_at

MOST_REQUESTS = 80
TIMEOUT = (10, 60)


class TooManyRequests(Exception):
    """The probe has used up the requests that it may make."""


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    body: Any
    """The parsed body; None where it is no JSON."""
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        return value_at(self.body, "data")

    def number(self, name: str) -> int | None:
        """A paging number, wherever it stands."""
        return paging_number(self.body, name)


class Api:
    """The account, by its key."""

    def __init__(self, key: str) -> None:
        self._session = requests.Session()
        self._session.auth = ApiKeyAuthenticator(key)
        self._key = key
        self._base = f"{base_url()}/api/v2/"
        self._budget = RateBudget(REQUESTS_PER_MINUTE)
        self.streams = {stream.name: stream for stream in (make() for make in STREAMS)}
        """Every stream of the connector, which knows where the API has it and where its rows stand."""
        self.made = 0
        """Requests so far."""

    def get(self, path: str, **params: Any) -> Answer:
        """One answer; an exception of requests where there is none."""
        return self._send(self._session, path, params)

    def find_paths(self) -> None:
        """Asks for the lists that may be at an older path, and remembers where they are."""
        for stream in self.streams.values():
            if stream.old_path and self.get(stream.path(), limit=1).status == 404:
                stream.uses_old_path = True

    def get_signed(self, header: str) -> Answer:
        """One customer, asked for with the key in a header of this name instead of the usual one."""
        with requests.Session() as session:
            session.headers[header] = self._key
            return self._send(session, self.streams["customers"].path(), {"limit": 1})

    def rows(self, stream: str, answer: Answer) -> list[dict[str, Any]]:
        """The rows of a stream's answer; none where it has not its shape."""
        found = self.streams[stream].rows_in(answer.body) if answer.status == 200 else None
        return [row for row in found or [] if isinstance(row, dict)]

    def _send(self, session: requests.Session, path: str, params: Mapping[str, Any]) -> Answer:
        if self.made >= MOST_REQUESTS:
            raise TooManyRequests
        self.made += 1
        self._budget.acquire_call(None)
        response = session.get(self._base + path, params=dict(params), timeout=TIMEOUT, allow_redirects=False)
        try:
            body = lenient_json.parse(response.content)[0]
        except ValueError:
            body = None
        return Answer(response.status_code, body, response.headers)
