"""`Api`: a few GET requests to the API of one account, within the rate limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from source_retently.http import lenient_json
from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.run_context import Settings
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.envelope import paging_number, value_at

MOST_REQUESTS = 80
TIMEOUT = (10, 60)


class TooManyRequests(Exception):
    """The probe has made as many requests as it may make."""


@dataclass(frozen=True)
class Response:
    """The response to one request."""

    status: int
    body: Any
    """The parsed body; None where it is not JSON."""
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        return value_at(self.body, "data")

    def number(self, name: str) -> int | None:
        """A paging number, in `data` or beside it."""
        return paging_number(self.body, name)


class Api:
    """The API of one account."""

    def __init__(self, key: str) -> None:
        self._session = requests.Session()
        self._session.auth = ApiKeyAuthenticator(key)
        self._key = key
        settings = Settings()
        self._base, self._budget = settings.api, settings.budget
        self.streams = {stream.name: stream for stream in (make() for make in STREAMS)}
        """Every stream of the connector, by name; it has the path and the key paths of the rows."""
        self.made = 0
        """Number of requests so far."""

    def get(self, path: str, **params: Any) -> Response:
        """Sends one request.

        :raises requests.RequestException: when there is no response
        :raises TooManyRequests: when the probe has made too many
        """
        return self._send(self._session, path, params)

    def find_paths(self) -> None:
        """Finds out which lists are at their old path."""
        for stream in self.streams.values():
            if stream.old_path and self.get(stream.path(), limit=1).status == 404:
                stream.uses_old_path = True

    def get_signed(self, header: str) -> Response:
        """Requests one customer, with the key in a header of this name instead of the usual one."""
        with requests.Session() as session:
            session.headers[header] = self._key
            return self._send(session, self.streams["customers"].path(), {"limit": 1})

    def rows(self, stream: str, response: Response) -> list[dict[str, Any]]:
        """The rows in a response of a stream; none where the response has another shape."""
        found = self.streams[stream].rows_in(response.body) if response.status == 200 else None
        return [row for row in found or [] if isinstance(row, dict)]

    def _send(self, session: requests.Session, path: str, params: Mapping[str, Any]) -> Response:
        if self.made >= MOST_REQUESTS:
            raise TooManyRequests
        self.made += 1
        self._budget.acquire_call(None)
        response = session.get(self._base + path, params=dict(params), timeout=TIMEOUT, allow_redirects=False)
        try:
            body = lenient_json.parse(response.content)[0]
        except ValueError:
            body = None
        return Response(response.status_code, body, response.headers)
