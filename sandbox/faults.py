"""Errors between the API and the connector, by order: for a path, a page, a number of times, or by chance."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STATUSES = ("400", "401", "403", "404", "408", "409", "422", "429", "500", "502", "503", "504")
BODIES: dict[str, bytes] = {
    "html": b"<!doctype html><title>Please log in</title>ECHO",
    "half": b'{"message": "Success.", "code": 200, "data": {"responses": [{"id": "5a9d',
    "null": b'{"message": "Success.", "code": 200, "data": null}',
    "shape": b'{"ok": true}',
    "error": b'{"message": "Bad gateway", "code": 502, "data": null}',
    "deep": b'{"data": ' + b"[" * 100_000,
}
BROKEN = ("reset", "cut", "drip", "hang", "redirect")
LISTING = ("empty", "served")
"""A list's page comes without rows, or another page comes in its place (`page_served`)."""
KINDS = (*STATUSES, *BODIES, "body", *BROKEN, *LISTING)
PASSING = ("408", "429", "500", "502", "503", "504", *BODIES, "reset", "cut", "drip", "hang")
"""Faults that a retry overcomes; the others are final."""


@dataclass(frozen=True)
class OtherPage:
    """The page that a list returns in place of the one asked for."""

    number: int | None
    """Its number; None for a page without rows."""


class Broken(Response):
    """A response that breaks off, arrives slowly, never arrives, or redirects."""

    def __init__(self, kind: str, location: str = "") -> None:
        super().__init__()
        self._kind = kind
        self._location = location

    async def __call__(self, scope: Scope, read_body: Receive, send: Send) -> None:
        if self._kind == "hang":
            with suppress(asyncio.TimeoutError):
                while (await asyncio.wait_for(read_body(), 30))["type"] != "http.disconnect":
                    pass
        if self._kind == "redirect":
            elsewhere = [(b"location", self._location.encode()), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 302, "headers": elsewhere})
            await send({"type": "http.response.body", "body": b""})
            return
        # A promised length that never comes: the server closes the connection when this returns.
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if self._kind == "reset":
            return
        for part in range(40 if self._kind == "drip" else 1):
            await send({"type": "http.response.body", "body": b'{"message": ' if part == 0 else b" ", "more_body": True})
            await asyncio.sleep(0.05)


@dataclass
class Faults:
    """The faults that were ordered and are still to be sent."""

    ordered: list[dict[str, Any]] = field(default_factory=list)
    rate: float = 0.0
    kinds: tuple[str, ...] = PASSING
    chance: random.Random = field(default_factory=random.Random)
    injected: int = 0

    def order(self, order: dict[str, Any]) -> None:
        """`{"fault": kind, "path": …, "page": …, "times": n}`, or by chance `{"faults": {"rate": …, "seed": …, "kinds": […]}}`.

        A path that ends with a slash means all below it. `after: n` lets n requests through first. A `body` takes the `text` of the response, a
        character for each byte; a `redirect` takes the URL it leads `to`; `served` takes the number of the page, `page_served`.

        :raises ValueError: when there is no such fault
        """
        by_chance = order.get("faults")
        kinds = [order["fault"]] if by_chance is None else by_chance.get("kinds", PASSING)
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"there is no fault {kind}; there are {', '.join(KINDS)}")
        if by_chance is None:
            self.ordered.append({"times": 1, "after": 0, **order})
        else:
            self.ordered, self.injected = [], 0
            self.rate, self.kinds = by_chance["rate"], tuple(kinds)
            self.chance = random.Random(by_chance.get("seed", 0))

    def next(self, request: Request, path: str, echo: str) -> Response | OtherPage | None:
        """What is sent instead of the response to this request, if anything.

        :param echo: the credentials of the request; servers have been seen to repeat them in their errors
        """
        order = self._due(path, request.query_params.get("page"))
        if order is None:
            return None
        self.injected += 1
        kind = order["fault"]
        if kind in STATUSES:
            body = orjson.dumps({"message": f"A fault on order for {echo}", "code": int(kind), "data": None})
            return Response(body, int(kind), {"X-Echo": quote(echo)}, "application/json")
        if kind in BODIES:
            return Response(BODIES[kind].replace(b"ECHO", echo.encode()), media_type="text/html")
        if kind in LISTING:
            return OtherPage(None if kind == "empty" else order.get("page_served") or self.chance.randint(1, 3))
        if kind == "body":
            return Response(order["text"].encode("latin-1"), media_type="application/json")
        return Broken(kind, order.get("to", f"http://127.0.0.1:9/login?for={quote(echo)}"))

    def _due(self, path: str, page: str | None) -> dict[str, Any] | None:
        for order in self.ordered:
            wanted = order.get("path", path)
            is_below = wanted.endswith("/") and path.startswith(wanted)
            if order["times"] > 0 and (wanted == path or is_below) and str(order.get("page", page)) == str(page):
                if order["after"] > 0:
                    order["after"] -= 1
                    continue
                order["times"] -= 1
                return order
        return {"fault": self.chance.choice(self.kinds)} if self.chance.random() < self.rate else None
