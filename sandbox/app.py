"""The HTTP side of the sandbox: the API's endpoints, its sign-in and its limit, and `/_sandbox` to steer it all."""

import asyncio
import random
import secrets
import time
from collections import Counter, deque
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.data import METRICS, QUESTIONS, SUPPRESSED_DOMAINS, SUPPRESSED_EMAILS, Row, trend_groups, trends_of
from sandbox.faults import Faults, OtherPage
from sandbox.store import Collection, Store
from sandbox.switches import Switches

API_KEY = "sandbox-key"
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}
PATHS = {
    "/customers": "customers",
    "/nps/customers": "customers",
    "/companies": "companies",
    "/feedback": "feedback",
    "/nps/customers/response": "feedback",
    "/outbox": "outbox",
    "/nps/outbox": "outbox",
}
ARRAYS = {"customers": "subscribers", "companies": "companies", "feedback": "responses", "outbox": "surveys"}
DEFAULT_RANGE = {"startDate": "2026-05-01", "endDate": "2026-05-31"}
"""Which days reports cover when they are not told (undocumented: docs/api.md#reports)."""
ROUND_LIMITS = (1, 10, 20, 50, 100, 200, 500, 1000, 2000)
DEFAULT_SORT = {"outbox": "surveyCreatedDate"}


class ApiError(Exception):
    """An answer with a status other than 200 (docs/api.md#errors)."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.message, self.headers = status, message, headers


class FaultInstead(Exception):
    """Something else is sent in place of the answer."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Sandbox:
    """One account behind one HTTP server."""

    def __init__(self, store: Store, switches: Switches, api_key: str = API_KEY) -> None:
        self.store = store
        self.switches = switches
        self._api_key = api_key
        self._refresh_token = CLIENT["refresh_token"]
        self._tokens: dict[str, float] = {}
        self._recent: deque[float] = deque()
        self._plans: list[dict[str, Any]] = []
        self.faults = Faults()
        self._swing = False
        self.reset()

    def reset(self) -> None:
        """Forgets what was counted."""
        self._requests: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._log: list[str] = []

    def app(self) -> Starlette:
        api = [Route(f"/api/v2{path}", self._list) for path in PATHS]
        api += [
            Route("/api/v2/campaigns", self._campaigns),
            Route("/api/v2/nps/campaigns", self._campaigns),
            Route("/api/v2/templates", self._templates),
            Route("/api/v2/nps/templates", self._templates),
            Route("/api/v2/templates/{id}", self._template),
            Route("/api/v2/trends", self._trend_groups),
            Route("/api/v2/trends/", self._trend_groups),
            Route("/api/v2/trends/{id}", self._trends),
            Route("/api/v2/suppressions/{kind}", self._suppressions),
            Route("/api/v2/reports", self._reports),
            Route("/api/v2/reports/", self._reports),
            Route("/api/v2/{metric:str}/score", self._score),
            Route("/api/v2/ping", self._ping),
            Route("/api/v2/{rest:path}", self._nothing),
        ]
        steering = [
            Route("/api/oauth/token", self._token, methods=["POST"]),
            Route("/_sandbox/stats", self._stats),
            Route("/_sandbox/tokens", self._issued),
            Route("/_sandbox/rows/{kind}", self._rows),
            Route("/_sandbox/do", self._do, methods=["POST"]),
        ]
        return Starlette(routes=[*api, *steering], exception_handlers={ApiError: self._error, FaultInstead: self._fault})

    # ------------------------------------------------------------------------------------------------- every request

    async def _admit(self, request: Request) -> OtherPage | None:
        """Counts, signs in and limits a request to the API; a list may be told to give another page than the one asked for."""
        path = request.url.path.removeprefix("/api/v2/")
        self._requests[path] += 1
        self._log.append(f"{path}?{request.url.query}" if request.url.query else path)
        if self.switches.latency_ms:
            await asyncio.sleep(self.switches.latency_ms / 1000)
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if self.switches.rate_limit and len(self._recent) >= self.switches.rate_limit:
            wait = str(int(self._recent[0] + 60 - now) + 1)
            shown = {"Retry-After": wait} if self.switches.rate_headers == "present" else {}
            raise ApiError(429, "Too many requests", shown)
        self._recent.append(now)
        fault = self.faults.next(request, path, request.headers.get("authorization", ""))
        if isinstance(fault, Response):
            raise FaultInstead(fault)
        if not self._is_signed_in(request, now):
            raise ApiError(401, "Please check your API Key to make sure it's valid.")
        return fault

    def _is_signed_in(self, request: Request, now: float) -> bool:
        header = request.headers.get("authorization", "").strip()
        keys = (header.removeprefix("api_key="), request.headers.get("x-api-key"), request.query_params.get("api_key"))
        token = header.removeprefix("Bearer ")
        return self._api_key in keys or self._tokens.get(token, 0) > now

    async def _error(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        self._statuses[str(error.status)] += 1
        body = {"message": error.message, "code": error.status, "data": None}
        return Response(orjson.dumps(body), error.status, error.headers, "application/json")

    async def _fault(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, FaultInstead)
        self._statuses["fault"] += 1
        return error.response

    def _answer(self, body: dict[str, Any]) -> Response:
        self._statuses["200"] += 1
        date = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=self.switches.clock_minutes), usegmt=True)
        return Response(orjson.dumps(body), headers={"Date": date}, media_type="application/json")

    # ------------------------------------------------------------------------------------------------- the endpoints

    async def _list(self, request: Request) -> Response:
        other = await self._admit(request)
        path = request.url.path.removeprefix("/api/v2/")
        hidden = {"new": ("nps/customers", "nps/outbox"), "old": ("customers", "outbox")}.get(self.switches.list_paths, ())
        if path in hidden:
            raise ApiError(404, "Not found")
        kind = PATHS[request.url.path.removeprefix("/api/v2")]
        query = request.query_params
        collection = self.store.collections[kind]
        page, limit = self._number(query, "page", 1), self._number(query, "limit", 20)
        self._carry_out(kind, page)
        most = self.switches.companies_limit if kind == "companies" else 1000
        if limit > most and self.switches.over_limit == "refuse":
            raise ApiError(400, "Bad request")
        if self.switches.limits == "round" and limit not in ROUND_LIMITS:
            raise ApiError(400, "Bad request")
        limit = min(limit, most)
        if self.switches.heavy_rows and limit >= self.switches.heavy_rows:
            raise ApiError(504, "Gateway timeout")
        numbers = self._selected(collection, query)
        asked, total = page, self._total(len(numbers))
        page = other.number or page if other else page
        pages = -(-len(numbers) // limit)
        if page > max(pages, 1):
            match self.switches.past_end:
                case "refuse":
                    raise ApiError(400, "Bad request")
                case "last":
                    page = pages
                case "first":
                    page = 1
        sort = query.get("sort", "-" + DEFAULT_SORT.get(kind, "createdDate"))
        if self.switches.sort == "ignored" or sort.startswith("-"):
            last = len(numbers) - (page - 1) * limit
            chosen = numbers[max(last - limit, 0) : max(last, 0)][::-1]
        else:
            chosen = numbers[(page - 1) * limit : page * limit]
        rows = [] if other and other.number is None else [self._shown(collection.row(number), kind) for number in chosen]
        echoed = {"right": page, "one": 1, "from_zero": asked - 1}[self.switches.echoed_page]
        paging = {"page": echoed, "pages": -(-total // limit), "limit": limit, "total": total, "sort": sort}
        array = {ARRAYS[kind]: rows}
        top = paging if self.switches.paging_in == "top" else {}
        inside = paging if self.switches.paging_in == "data" else {}
        return self._answer({"message": "Success.", "code": 200, **top, "data": {**inside, **array}})

    @staticmethod
    def _number(query: Any, name: str, default: int) -> int:
        value = query.get(name, "")
        return max(int(value), 1) if value.isdigit() else default

    def _selected(self, collection: Collection, query: Any) -> list[int]:
        exact = {
            "customerId": "customerId",
            "campaignId": "campaignId",
            "email": "email",
            "channel": "channel",
            "sentBy": "sentBy",
        }
        asked = {field: query[name] for name, field in exact.items() if name in query}
        wanted = (lambda row: all(row.get(field) == value for field, value in asked.items())) if asked else None
        bounds = [self._milliseconds(query.get(name)) for name in ("startDate", "endDate")]
        if self.switches.dates == "ignored" or collection.kind == "companies":
            bounds = [None, None]
        numbers = collection.select(bounds[0], bounds[1], self.switches.bounds == "inclusive", wanted)
        if self.switches.row_dates == "sometimes" and bounds != [None, None]:
            numbers = [number for number in numbers if self._is_dated(collection.row(number), collection.kind)]
        if self.switches.ties == "changing":
            numbers = sorted(numbers, key=lambda number: (collection.made(number), random.random()))
        return numbers

    def _total(self, count: int) -> int:
        """What is said of the number of rows."""
        off = self.switches.total_off
        self._swing = not self._swing
        return {
            "exact": count,
            "more": count + off,
            "fewer": max(0, count - off),
            "zero": 0,
            "capped": min(count, off),
            "swinging": count - self._swing,
        }[self.switches.total]

    @staticmethod
    def _is_dated(row: Row, kind: str) -> bool:
        return kind not in ("feedback", "outbox") or int(row.get("id") or row.get("surveyId") or "1", 16) % 50 > 0

    @staticmethod
    def _milliseconds(value: str | None) -> int | None:
        if not value:
            return None
        if value.isdigit():
            return int(value) * 1000
        date = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return int((date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() * 1000)

    def _shown(self, row: Row, kind: str = "") -> Row:
        """A row as the switches want it."""
        is_undated = self.switches.row_dates == "sometimes" and not self._is_dated(row, kind)
        has_survey_id = {"sometimes": row.get("mandrillMessageId", "")[-1:] < "8", "always": True, "never": False}
        if "sentDate" in row and not has_survey_id[self.switches.survey_id]:
            del row["surveyId"]
        if self.switches.updated_date == "absent":
            row.pop("updatedDate", None)
        if is_undated:
            row.pop("createdDate" if kind == "feedback" else "sentDate", None)
        return row

    async def _campaigns(self, request: Request) -> Response:
        await self._admit(request)
        campaigns = self.store.account.campaigns()
        place: dict[str, Any] = {"campaigns": campaigns}
        if self.switches.campaigns_in == "data.campaigns":
            place = {"data": {"campaigns": campaigns}}
        return self._answer({"message": "Success.", "code": 200, **place})

    async def _templates(self, request: Request) -> Response:
        await self._admit(request)
        templates = self.store.account.templates()
        places: dict[str, dict[str, Any]] = {
            "templates": {"templates": templates},
            "data": {"data": templates},
            "data.templates": {"data": {"templates": templates}},
        }
        place = places[self.switches.templates_in]
        return self._answer({"message": "Success.", "code": 200, **place})

    async def _reports(self, request: Request) -> Response:
        await self._admit(request)
        reports = []
        start, end = (request.query_params.get(name, default) for name, default in DEFAULT_RANGE.items())
        for campaign in self.store.account.campaigns():
            counts = self._counts(campaign["metric"])
            figures = {name: counts[name] for name in ("promoters", "passives", "detractors", "total", "score")}
            day = {"day": "2026-05-31", **figures, "ratingDistribution": counts["ratingDistribution"]}
            stats = {"first": {**day, "skipped": 0}, "last": {**day, "skipped": 1}}
            trend = [{**day, "day": name} for name in (f"2026-{month:02d}-28" for month in range(1, 6)) if start <= name <= end]
            reports.append(
                {
                    "campaignId": campaign["id"],
                    **{name: campaign[name] for name in ("name", "isActive", "metric", "type", "channel")},
                    "score": None,
                    "trend": trend,
                    "last": figures,
                    "deliveryStats": {"totalCount": 100, "opened": 40, "responded": 20, "optedOut": 1, "isBounced": 2},
                    "questionsStats": [
                        {
                            "uuid": "q1",
                            "title": "How likely?",
                            "metricsType": campaign["metric"],
                            "position": 1,
                            "isOnMain": True,
                            "isStarred": False,
                            "stats": stats,
                        }
                    ],
                }
            )
        data: Any = reports[0] if self.switches.reports_as == "object" else reports
        return self._answer({"message": "Success.", "code": 200, "data": data})

    def _counts(self, metric: str) -> dict[str, Any]:
        ratings = self.store.ratings(metric)
        high, low = (9, 6) if metric == "NPS" else (4, 2)
        total = sum(ratings.values())
        promoters = sum(count for rating, count in ratings.items() if rating >= high)
        detractors = sum(count for rating, count in ratings.items() if rating <= low)
        return {
            "promoters": promoters,
            "detractors": detractors,
            "passives": total - promoters - detractors,
            "total": total,
            "score": round(100 * (promoters - detractors) / total) if total else 0,
            "ratingDistribution": {str(rating): count for rating, count in sorted(ratings.items())},
        }

    async def _score(self, request: Request) -> Response:
        await self._admit(request)
        metric = request.path_params["metric"].upper()
        if metric not in METRICS:
            raise ApiError(404, "Not found")
        if metric != "NPS" and self.switches.metrics == "nps":
            return self._never_surveyed(metric)
        counts = self._counts(metric)
        total = counts["total"]
        share = {name: round(100 * counts[name] / total) if total else 0 for name in ("promoters", "passives", "detractors")}
        body = {
            "score": counts["score"],
            "scoreSum": counts["promoters"] - counts["detractors"],
            "metricsType": metric,
            **share,
            **{f"{name}Count": counts[name] for name in share},
            "totalResponses": total,
            "ratingDistribution": counts["ratingDistribution"],
        }
        if self.switches.score_field == "nps":
            # The oldest sample (D18): another name, and neither metric nor distribution.
            body[metric.lower()] = body.pop("score")
            for name in ("scoreSum", "metricsType", "ratingDistribution"):
                del body[name]
        return self._answer({"message": "Success.", "code": 200, "data": body})

    def _never_surveyed(self, metric: str) -> Response:
        if self.switches.unsurveyed == "refuse":
            raise ApiError(404, "Not found")
        nulls = {"score": None, "metricsType": metric, "totalResponses": 0}
        data = {"null": None, "empty": {}, "nulls": nulls}[self.switches.unsurveyed]
        return self._answer({"message": "Success.", "code": 200, "data": data})

    async def _template(self, request: Request) -> Response:
        await self._admit(request)
        for template in self.store.account.templates():
            if template["id"] == request.path_params["id"]:
                return self._answer({"message": "Success.", "code": 200, "data": {**template, "surveyQuestions": QUESTIONS}})
        raise ApiError(404, "Not found")

    async def _trend_groups(self, request: Request) -> Response:
        await self._admit(request)
        return self._answer({"success": True, "groups": trend_groups()})

    async def _trends(self, request: Request) -> Response:
        await self._admit(request)
        for group in trend_groups():
            if request.path_params["id"] in (group["_id"], "default" if group["isDefault"] else None):
                trends = trends_of(group, self.switches.trend_ids == "present")
                date_range = {"startDate": "2026-05-01", "endDate": "2026-05-31"}
                named = {"groupName": group["groupName"], "metric": group["metric"]}
                return self._answer({"success": True, "group": named, "dateRange": date_range, "trends": trends})
        raise ApiError(404, "Not found")

    async def _suppressions(self, request: Request) -> Response:
        await self._admit(request)
        lists = {"emails": SUPPRESSED_EMAILS, "domains": SUPPRESSED_DOMAINS}
        if request.path_params["kind"] not in lists:
            raise ApiError(404, "Not found")
        return self._answer({"message": "Success.", "code": 200, "data": lists[request.path_params["kind"]]})

    async def _ping(self, request: Request) -> Response:
        await self._admit(request)
        if self.switches.ping == "absent":
            raise ApiError(404, "Not found")
        data = {"account": {"id": "5a9d595701c85b38114b5a1", "name": "ACME"}, "plan": {"code": "pro"}, "usage": {}, "cache": {}}
        return self._answer({"message": "Success.", "code": 200, "data": data})

    async def _nothing(self, request: Request) -> Response:
        await self._admit(request)
        raise ApiError(404, "Not found")

    async def _token(self, request: Request) -> Response:
        """The OAuth token endpoint (docs/api.md#oauth): form body, refresh tokens only."""
        self._requests["oauth/token"] += 1
        form = await request.form()
        if isinstance(fault := self.faults.next(request, "oauth/token", str(form)), Response):
            return fault
        client = {**CLIENT, "refresh_token": self._refresh_token}
        if form.get("grant_type") != "refresh_token" or any(form.get(name) != value for name, value in client.items()):
            raise ApiError(400, "invalid_grant")
        token = secrets.token_hex(16)
        self._tokens[token] = time.monotonic() + self.switches.token_seconds
        if self.switches.refresh_token == "rotated":
            self._refresh_token = f"sandbox-refresh-{secrets.token_hex(8)}"
        body = {"access_token": token, "refresh_token": self._refresh_token, "expires_in": self.switches.token_seconds}
        return self._answer(body)

    # --------------------------------------------------------------------------------------------------- the steering

    async def _stats(self, _request: Request) -> Response:
        counts = {kind: len(collection) for kind, collection in self.store.collections.items()}
        account = self.store.account
        counts |= {
            "campaigns": len(account.campaigns()),
            "templates": len(account.templates()),
            "reports": 1 if self.switches.reports_as == "object" else len(account.campaigns()),
            "nps": 1,
            **dict.fromkeys(("csat", "ces", "star"), self._score_rows()),
            "template_details": len(account.templates()),
            "trend_groups": len(trend_groups()),
            "trends": sum(len(trends_of(group, False)) for group in trend_groups()),
            "suppressed_emails": len(SUPPRESSED_EMAILS),
            "suppressed_domains": len(SUPPRESSED_DOMAINS),
            "account": 1 if self.switches.ping == "present" else 0,
        }
        body = {
            "rows": counts,
            "requests": self._requests,
            "statuses": self._statuses,
            "log": self._log,
            "faults": self.faults.injected,
        }
        return Response(orjson.dumps(body), media_type="application/json")

    def _score_rows(self) -> int:
        return 1 if self.switches.metrics == "all" or self.switches.unsurveyed == "nulls" else 0

    async def _issued(self, _request: Request) -> Response:
        return Response(orjson.dumps([*self._tokens, self._refresh_token]), media_type="application/json")

    async def _rows(self, request: Request) -> Response:
        collection = self.store.collections[request.path_params["kind"]]
        kind = collection.kind
        rows = [self._shown(collection.row(number), kind) for number in collection.select(None, None, True, None)]
        return Response(orjson.dumps(rows), media_type="application/json")

    async def _do(self, request: Request) -> Response:
        """Changes the account or the sandbox.

        The body is one order or a list of them: `{"switch": {name: position}}`, `{"reset": true}`,
        `{"forget_plans": true}` (what was to happen before a page), or about rows
        `{"kind": …, "insert": count, "when": milliseconds}`, `{"kind": …, "delete": [positions]}`,
        `{"kind": …, "change": position, "values": {…}, "stamp": false to leave updatedDate as it is}`, or faults as `sandbox.faults.Faults.order` takes them; with `"before_page": n` it waits until that page is asked for.
        """
        orders = orjson.loads(await request.body())
        try:
            for order in orders if isinstance(orders, list) else [orders]:
                if "before_page" in order:
                    self._plans.append(order)
                else:
                    self._obey(order)
        except (ValueError, KeyError, IndexError) as error:
            return Response(str(error), 400)
        return Response(b"{}", media_type="application/json")

    def _obey(self, order: dict[str, Any]) -> None:
        if "switch" in order:
            self.switches = self.switches.changed(**order["switch"])
        if "fault" in order or "faults" in order:
            self.faults.order(order)
        if order.get("reset"):
            self.reset()
        if order.get("forget_plans"):
            self._plans = []
        if "kind" in order:
            collection = self.store.collections[order["kind"]]
            if "insert" in order:
                collection.insert(order["insert"], order.get("when"), self._ahead())
            if "delete" in order:
                collection.delete(order["delete"])
            if "change" in order:
                collection.change(order["change"], order["values"], self._ahead() if order.get("stamp", True) else None)

    def _ahead(self) -> int:
        """Milliseconds by which the API's clock is ahead."""
        return self.switches.clock_minutes * 60_000

    def _carry_out(self, kind: str, page: int) -> None:
        due = [plan for plan in self._plans if plan["kind"] == kind and plan["before_page"] == page]
        self._plans = [plan for plan in self._plans if plan not in due]
        for plan in due:
            self._obey(plan)
