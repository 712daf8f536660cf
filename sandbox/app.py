"""The HTTP side of the sandbox: the API's endpoints, OAuth's token endpoint, and `/_sandbox` to control it all."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control import Control
from sandbox.endpoints import ENDPOINTS, paths_of
from sandbox.errors import ApiError
from sandbox.faults import OtherPage
from sandbox.lists import Lists
from sandbox.short_lists import ShortLists
from sandbox.sign_in import SignIn
from source_retently.streams.base import RetentlyStream
from source_retently.streams.paged import PagedStream


class FaultInstead(Exception):
    """Something else is sent in place of the response."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Sandbox:
    """One account behind one HTTP server."""

    def __init__(self, control: Control, sign_in: SignIn) -> None:
        self._control = control
        self._sign_in = sign_in
        self._lists = Lists(control)
        self._short_lists = ShortLists(control)
        self._recent: deque[float] = deque()

    def app(self) -> Starlette:
        routes = [Route(f"/api/v2/{path}", self._serving(stream, path)) for stream in ENDPOINTS for path in paths_of(stream)]
        routes += [
            Route("/api/v2/{metric}/score", self._score),
            Route("/api/v2/{rest:path}", self._nothing),
            Route("/api/oauth/token", self._token, methods=["POST"]),
            Route("/_sandbox/stats", self._stats),
            Route("/_sandbox/tokens", self._tokens),
            Route("/_sandbox/rows/{kind}", self._rows),
            Route("/_sandbox/do", self._do, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={ApiError: self._error, FaultInstead: self._fault})

    # -------------------------------------------------------------------------------------------------------- the API

    def _serving(self, stream: RetentlyStream, path: str) -> Callable[[Request], Awaitable[Response]]:
        """What serves the endpoint of a stream."""

        async def serve(request: Request) -> Response:
            other = await self._admit(request)
            if isinstance(stream, PagedStream):
                return self._success(self._lists.body(stream, path, request.query_params, other))
            return self._success(self._short_lists.body(stream, request.path_params, request.query_params))

        return serve

    async def _score(self, request: Request) -> Response:
        await self._admit(request)
        return self._success(self._short_lists.score(request.path_params["metric"].upper()))

    async def _nothing(self, request: Request) -> Response:
        await self._admit(request)
        raise ApiError(404)

    async def _admit(self, request: Request) -> OtherPage | None:
        """Counts, limits and signs in a request to the API; a list may be ordered to give another page than the one asked for.

        :raises ApiError: when it is refused
        :raises FaultInstead: when an order wants something else sent
        """
        control, switches = self._control, self._control.switches
        path = request.url.path.removeprefix("/api/v2/")
        control.count_request(path, request.url.query)
        if switches.latency_ms:
            await asyncio.sleep(switches.latency_ms / 1000)
        self._limit()
        fault = control.faults.next(request, path, request.headers.get("authorization", ""))
        if isinstance(fault, Response):
            raise FaultInstead(fault)
        if not self._sign_in.accepts(request):
            raise ApiError(401, "Please check your API Key to make sure it's valid.")
        return fault

    def _limit(self) -> None:
        """
        :raises ApiError: when there were too many requests in the last minute
        """
        switches = self._control.switches
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if switches.rate_limit and len(self._recent) >= switches.rate_limit:
            wait = str(int(self._recent[0] + 60 - now) + 1)
            raise ApiError(429, headers={"Retry-After": wait} if switches.rate_headers == "present" else {})
        self._recent.append(now)

    async def _token(self, request: Request) -> Response:
        control = self._control
        control.requests["oauth/token"] += 1
        form = await request.form()
        if isinstance(fault := control.faults.next(request, "oauth/token", str(form)), Response):
            return fault
        return self._json(self._sign_in.refresh(form, control.switches))

    def _success(self, body: dict[str, Any]) -> Response:
        """A response with the keys that all endpoints but those of trends have (docs/api.md#envelopes)."""
        return self._json(body if "success" in body else {"message": "Success.", "code": 200, **body})

    def _json(self, body: dict[str, Any]) -> Response:
        self._control.statuses["200"] += 1
        ahead = timedelta(minutes=self._control.switches.clock_minutes)
        date = format_datetime(datetime.now(timezone.utc) + ahead, usegmt=True)
        return Response(orjson.dumps(body), headers={"Date": date}, media_type="application/json")

    async def _error(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        self._control.statuses[str(error.status)] += 1
        body = {"message": error.message, "code": error.status, "data": None}
        return Response(orjson.dumps(body), error.status, error.headers, "application/json")

    async def _fault(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, FaultInstead)
        self._control.statuses["fault"] += 1
        return error.response

    # ----------------------------------------------------------------------------------------------------- the control

    async def _stats(self, _request: Request) -> Response:
        control = self._control
        body = {
            "rows": {stream.name: self._row_count(stream) for stream in ENDPOINTS},
            "requests": control.requests,
            "statuses": control.statuses,
            "log": control.log,
            "faults": control.faults.injected,
        }
        return Response(orjson.dumps(body), media_type="application/json")

    def _row_count(self, stream: RetentlyStream) -> int:
        collection = self._control.store.collections.get(stream.name)
        return len(self._short_lists.rows(stream)) if collection is None else len(collection)

    async def _tokens(self, _request: Request) -> Response:
        return Response(orjson.dumps(self._sign_in.issued()), media_type="application/json")

    async def _rows(self, request: Request) -> Response:
        return Response(orjson.dumps(self._lists.rows(request.path_params["kind"])), media_type="application/json")

    async def _do(self, request: Request) -> Response:
        """Carries out an order, or a list of them."""
        orders = orjson.loads(await request.body())
        try:
            for order in orders if isinstance(orders, list) else [orders]:
                self._control.do(order)
        except (ValueError, KeyError, IndexError) as error:
            return Response(str(error), 400)
        return Response(b"{}", media_type="application/json")
