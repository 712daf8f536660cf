"""What the unit tests share: no network, no waiting, an API whose answers each test writes down."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from hypothesis import settings

from source_retently.environment import BASE_URL_VARIABLE

settings.register_profile("unhurried", deadline=None)  # a busy machine is no defect
settings.load_profile("unhurried")

API = "https://app.retently.com/api/v2/"
KEY = "k3y-of-the-test"
CONFIG = {"credentials": {"auth_type": "Token", "api_key": KEY}}


def refusal(status: int) -> dict[str, Any]:
    """The body of a refusal that is the API's own."""
    return {"message": "Refused.", "code": status, "data": None}


@pytest.fixture(autouse=True)
def _default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BASE_URL_VARIABLE, raising=False)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that would have been, in seconds; time moves on by them."""
    waited: list[float] = []
    import time

    real = time.monotonic
    monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(seconds) if seconds else None)
    monkeypatch.setattr(time, "monotonic", lambda: real() + sum(waited))
    return waited


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


class Account:
    """A list endpoint whose rows a test may change between requests.

    `limit` caps the page size as the API may; without `tells` there are no paging numbers.
    """

    def __init__(self, array: str, rows: list[dict[str, Any]], limit: int = 1000, *, tells: bool = True) -> None:
        self.tells = tells
        self.array = array
        self.rows = rows
        self.limit = limit
        self.asked: list[dict[str, str]] = []
        self.before: Callable[[int], None] = lambda number: None

    def __call__(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        self.asked.append(query)
        self.before(len(self.asked))
        page, limit = int(query["page"]), min(int(query["limit"]), self.limit)
        numbers = {"page": page, "pages": -(-len(self.rows) // limit), "limit": limit, "total": len(self.rows)}
        data = {self.array: self.rows[(page - 1) * limit : page * limit], **(numbers if self.tells else {})}
        return 200, {}, json.dumps({"message": "Success.", "code": 200, "data": data})
