"""The questions: each asks the account for as little as it takes, and names the position of the sandbox's switch that it found.

No answer holds anything that the account's rows say: positions, counts, names of fields and types alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from probe.api import Answer, Api
from source_retently.streams.details import DetailStream
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.envelope import value_at
from source_retently.streams.paged import PagedStream
from source_retently.streams.score import Score
from source_retently.values import NotCoercible, date_of, date_text, utc

UNDECIDED = "not decidable with this account's data"
PAGED = [stream().name for stream in STREAMS if issubclass(stream, PagedStream)]
"""The lists that come in pages."""
SAMPLE = 200
"""Rows a stream that are looked at."""
FAR_PAGE = 999_999
DATED = (("feedback", "createdDate"), ("outbox", "sentDate"))
"""The lists that are filtered by a date, and the date."""
METRIC = re.compile(r"[A-Z][A-Z0-9_-]{0,19}", re.ASCII | re.IGNORECASE)
"""What the name of a metric looks like; anything else is not asked for."""
MOST_METRICS = 20
"""Metrics whose scores are asked for, so that the probe stays below its limit of requests."""


@dataclass(frozen=True)
class Finding:
    """What the account says to one question."""

    name: str
    """The sandbox's switch, where there is one."""
    anchor: str
    """The part of docs/api.md that it is about."""
    question: str
    answer: str
    needs: str = ""
    """What data it would take, where nothing could be decided."""


def undecided(name: str, anchor: str, question: str, needs: str) -> Finding:
    return Finding(name, anchor, question, UNDECIDED, needs)


class Probe:
    """Asks all questions; samples are asked for once and shared."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.samples: dict[str, Answer] = {}
        for name, stream in api.streams.items():
            if isinstance(stream, DetailStream):
                rows = self.rows(stream.parent_stream().name)
                ids = [found for row in rows if isinstance(found := row.get("id") or row.get("_id"), str)]
                if ids:
                    self.samples[name] = api.get(stream.path(stream_slice={"parent": {"id": ids[0]}}))
            else:
                self.samples[name] = api.get(
                    stream.path(), **({"limit": SAMPLE, "sort": stream.sort} if isinstance(stream, PagedStream) else {})
                )

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The sampled rows of a stream."""
        return self.api.rows(name, self.samples[name]) if name in self.samples else []

    def findings(self) -> Iterator[Finding]:
        """All findings, in the order of `QUESTIONS`."""
        for question in QUESTIONS:
            found = question(self)
            yield from found if isinstance(found, list) else [found]

    # ------------------------------------------------------------------------------------------------------- envelopes

    def companies_limit(self) -> Finding:
        name, anchor, question = (
            "companies_limit",
            "docs/api.md#companies-page-size",
            "How many companies does a page hold at most?",
        )
        answer = self.api.get("companies", limit=1000)
        if answer.status == 400:
            return Finding(name, anchor, question, "100 (more are refused)")
        rows, echoed, total = len(self.api.rows("companies", answer)), answer.number("limit"), answer.number("total")
        if rows > 100 or (echoed or 0) > 100:
            return Finding(name, anchor, question, "1000")
        if echoed == 100 or (total or 0) > 100 or (rows == 100 and self._goes_on_after_100()):
            return Finding(name, anchor, question, "100")
        return undecided(name, anchor, question, "more than 100 companies")

    def _goes_on_after_100(self) -> bool:
        return bool(self.api.rows("companies", self.api.get("companies", limit=100, page=2)))

    def paging_in(self) -> Finding:
        name, anchor, question = "paging_in", "docs/api.md#paging-place", "Where do total and pages stand?"
        answer = self.samples["customers"]
        if answer.status != 200:
            return undecided(name, anchor, question, "an account whose customers can be read")
        for place, where in (("data", answer.data), ("top", answer.body)):
            if isinstance(where, dict) and type(where.get("total")) is int:
                return Finding(name, anchor, question, place)
        return Finding(name, anchor, question, "none")

    def templates_in(self) -> Finding:
        return self._place("templates", "templates_in", "docs/api.md#templates-array", ("templates", "data.templates", "data"))

    def campaigns_in(self) -> Finding:
        return self._place("campaigns", "campaigns_in", "docs/api.md#campaigns-array", ("campaigns", "data.campaigns", "data"))

    def _place(self, stream: str, name: str, anchor: str, places: tuple[str, ...]) -> Finding:
        question = f"Where do the {stream} stand?"
        for place in places:
            if isinstance(value_at(self.samples[stream].body, place), list):
                return Finding(name, anchor, question, place)
        return undecided(name, anchor, question, f"an answer of /{stream} with a list in it")

    def reports_as(self) -> Finding:
        name, anchor, question = "reports_as", "docs/api.md#reports-shape", "Do reports come as a list?"
        data = self.samples["reports"].data
        if isinstance(data, (list, dict)):
            return Finding(name, anchor, question, "list" if isinstance(data, list) else "object")
        return undecided(name, anchor, question, "a campaign with a report")

    # ------------------------------------------------------------------------------------------------------ rows' fields

    def survey_id(self) -> Finding:
        name, anchor, question = "survey_id", "docs/api.md#outbox-key", "Do rows of the outbox have a surveyId?"
        has = [bool(row.get("surveyId")) for row in self.rows("outbox")]
        if len(has) < 20:
            return undecided(name, anchor, question, "20 sent surveys")
        return Finding(name, anchor, question, "always" if all(has) else "sometimes" if any(has) else "never")

    def score_field(self) -> Finding:
        name, anchor, question = "score_field", "docs/api.md#score-name", "What is the score called?"
        data = self.samples["nps"].data
        for field in ("score", "nps"):
            if isinstance(data, dict) and field in data:
                return Finding(name, anchor, question, field)
        return undecided(name, anchor, question, "answers to an NPS survey")

    def updated_date(self) -> Finding:
        name, anchor, question = "updated_date", "docs/api.md#updated-date", "Do customers have an updatedDate?"
        rows = self.rows("customers")
        if not rows:
            return undecided(name, anchor, question, "a customer")
        return Finding(name, anchor, question, "present" if any("updatedDate" in row for row in rows) else "absent")

    def property_types(self) -> Finding:
        question = "Of which types are the values of customers' properties?"
        lists = [row["properties"] for row in self.rows("customers") if isinstance(row.get("properties"), list)]
        types = {kind_of(item.get("value")) for items in lists for item in items if isinstance(item, dict)}
        if not types:
            return undecided("property_types", "docs/api.md#property-types", question, "customers with properties")
        return Finding("property_types", "docs/api.md#property-types", question, ", ".join(sorted(types)))

    def recipient_types(self) -> Finding:
        question = "Of which type are additional recipients?"
        lists = [
            row["additionalRecipients"] for row in self.rows("outbox") if isinstance(row.get("additionalRecipients"), list)
        ]
        types = {kind_of(item) for items in lists for item in items}
        if not types:
            return undecided(
                "recipient_types", "docs/api.md#recipient-types", question, "a survey sent to additional recipients"
            )
        return Finding("recipient_types", "docs/api.md#recipient-types", question, ", ".join(sorted(types)))

    def trend_ids(self) -> Finding:
        name, anchor, question = "trend_ids", "docs/api.md#trend-key", "Do trends have an id of their own?"
        trends = [row["trend"] for row in self.rows("trends") if isinstance(row.get("trend"), dict)]
        if not trends:
            return undecided(name, anchor, question, "a trend in a group")
        return Finding(
            name, anchor, question, "present" if all("_id" in trend or "id" in trend for trend in trends) else "absent"
        )

    def unsurveyed(self) -> Finding:
        name, anchor, question = (
            "unsurveyed",
            "docs/api.md#unsurveyed-metric",
            "What does the score of a metric answer that was never surveyed?",
        )
        for metric in ("csat", "ces", "star", "nps"):
            answer = self.samples[metric]
            data = answer.data
            if answer.status == 404:
                return Finding(name, anchor, question, "refuse")
            if answer.status == 200 and not data:
                return Finding(name, anchor, question, "empty" if data == {} else "null" if data is None else "an empty list")
            if isinstance(data, dict) and data.get("score") is None and data.get(metric) is None:
                return Finding(name, anchor, question, "nulls")
        return undecided(name, anchor, question, "a metric that the account never surveyed")

    def scores(self) -> list[Finding]:
        """Whether each metric that a campaign names has a score; Retently has more metrics than its API's documents."""
        metrics = (row.get("metric") for row in self.rows("campaigns"))
        named = {metric.lower(): metric for metric in metrics if isinstance(metric, str) and METRIC.fullmatch(metric)}
        found = []
        for name, metric in sorted(named.items())[:MOST_METRICS]:
            is_sampled = isinstance(self.api.streams.get(name), Score)
            answer = self.samples[name] if is_sampled else self.api.get(f"{name}/score")
            has = "yes" if answer.data else "no data"
            position = has if answer.status == 200 else f"HTTP {answer.status}"
            found.append(
                Finding(f"score of {metric}", "docs/api.md#more-metrics", f"Does the metric {metric} have a score?", position)
            )
        return found or [undecided("scores", "docs/api.md#more-metrics", "Which metrics have a score?", "a campaign")]

    def ping(self) -> Finding:
        return Finding(
            "ping",
            "docs/api.md#account",
            "Does /ping answer?",
            "present" if self.samples["account"].status == 200 else "absent",
        )

    # ----------------------------------------------------------------------------------------------------- sort and dates

    def sort(self) -> list[Finding]:
        """Whether `sort` is honoured, for each list."""
        found = []
        for stream in PAGED:
            path = self.api.streams[stream].path()
            field = self.api.streams[stream].sort
            name = "sort" if stream == "feedback" else f"sort of {stream}"
            question = f"Is sort={field} of {stream} honoured?"
            first = self.rows(stream)[:1]
            last = self.api.rows(stream, self.api.get(path, limit=1, sort=f"-{field}"))
            if len(self.rows(stream)) < 2 or not last:
                found.append(undecided(name, "docs/api.md#sort-order", question, f"two {stream} of different dates"))
            else:
                found.append(Finding(name, "docs/api.md#sort-order", question, "ignored" if first == last else "honoured"))
        return found

    def outbox_order(self) -> Finding:
        question = "Are sent surveys that are sorted by surveyCreatedDate in the order of sentDate, too?"
        dates = [row["sentDate"] for row in self.rows("outbox") if isinstance(row.get("sentDate"), str)]
        if len(dates) < 20:
            return undecided("outbox_order", "docs/api.md#outbox-order", question, "20 sent surveys")
        return Finding(
            "outbox_order",
            "docs/api.md#outbox-order",
            question,
            "yes, in the sample" if dates in (sorted(dates), sorted(dates, reverse=True)) else "no",
        )

    def dates(self) -> list[Finding]:
        """Whether startDate filters, for each list that may know it."""
        found = []
        for stream in ("feedback", "outbox", "customers"):
            name = "dates" if stream == "feedback" else f"dates of {stream}"
            question = f"Does startDate filter {stream}?"
            if not self.rows(stream):
                found.append(undecided(name, "docs/api.md#date-filters", question, f"a row of {stream}"))
                continue
            answer = self.api.get(self.api.streams[stream].path(), limit=1, startDate="2100-01-01T00:00:00Z")
            is_honoured = answer.status == 200 and not self.api.rows(stream, answer)
            found.append(Finding(name, "docs/api.md#date-filters", question, "honoured" if is_honoured else "ignored"))
        return found

    def customers_date(self) -> Finding:
        """Which date of customers startDate means."""
        name, anchor, question = (
            "customers_date",
            "docs/api.md#customers-date-filter",
            "Which date of customers does startDate filter?",
        )
        for row in self.rows("customers"):
            created, updated, email = _date(row.get("createdDate")), _date(row.get("updatedDate")), row.get("email")
            if created and updated and email and updated - created > timedelta(minutes=2):
                between = date_text(created + (updated - created) / 2)[:19] + "Z"
                answer = self.api.get(self.api.streams["customers"].path(), limit=1, email=email, startDate=between)
                if not self.api.rows("customers", self.api.get(self.api.streams["customers"].path(), limit=1, email=email)):
                    break
                return Finding(name, anchor, question, "updatedDate" if self.api.rows("customers", answer) else "createdDate")
        return undecided(name, anchor, question, "a customer with an address who was changed minutes after being made")

    def bounds(self) -> list[Finding]:
        """Whether a row on the bound is in, for both ends."""
        needs = "responses with dates, and an API that filters by them to the millisecond"
        found = []
        for end, beyond in (("startDate", timedelta(milliseconds=1)), ("endDate", timedelta(milliseconds=-1))):
            name = "bounds" if end == "startDate" else "bounds at the end"
            question = f"Is a response whose date is {end} itself in the answer?"
            finding = undecided(name, "docs/api.md#date-bounds", question, needs)
            for row in self.rows("feedback")[-3:]:
                date = _date(row.get("createdDate"))
                if date is None:
                    continue
                if self._has(row, **{end: date_text(date + beyond)}):
                    break  # coarser than milliseconds, or not filtered at all
                finding = Finding(
                    name,
                    "docs/api.md#date-bounds",
                    question,
                    "inclusive" if self._has(row, **{end: date_text(date)}) else "exclusive",
                )
                break
            found.append(finding)
        return found

    def unix_dates(self) -> Finding:
        question = "Are UNIX seconds taken for a date?"
        if not self.rows("feedback"):
            return undecided("unix_dates", "docs/api.md#date-precision", question, "a response")
        answer = self.api.get(
            self.api.streams["feedback"].path(), limit=1, startDate=int(datetime(2100, 1, 1, tzinfo=timezone.utc).timestamp())
        )
        return Finding(
            "unix_dates",
            "docs/api.md#date-precision",
            question,
            "yes" if answer.status == 200 and not self.api.rows("feedback", answer) else "no",
        )

    def _has(self, row: dict[str, Any], **bounds: str) -> bool:
        """Whether a response is among those of its customer (or campaign) between dates."""
        narrow = {"customerId": row["customerId"]} if row.get("customerId") else {}
        answer = self.api.get(self.api.streams["feedback"].path(), limit=1000, sort="createdDate", **narrow, **bounds)
        return any(other.get("id") == row.get("id") for other in self.api.rows("feedback", answer))

    # ------------------------------------------------------------------------------------------------------------- limits

    def over_limit(self) -> Finding:
        answer = self.api.get("feedback", limit=2000)
        position = "clamp" if answer.status == 200 and len(self.api.rows("feedback", answer)) <= 1000 else "refuse"
        position = position if answer.status in (200, 400) else f"HTTP {answer.status}"
        return Finding("over_limit", "docs/api.md#limit-above-maximum", "What does a limit above 1,000 get?", position)

    def limits(self) -> Finding:
        """Whether pages can overlap, which takes limits like 998."""
        answer = self.api.get("feedback", limit=998)
        position = {200: "any", 400: "round"}.get(answer.status, f"HTTP {answer.status}")
        return Finding("limits", "docs/api.md#page-past-end", "Is any limit up to 1,000 taken?", position)

    def totals(self) -> list[Finding]:
        """What the paging numbers are worth, and whether the order of rows holds."""
        rows, total = self.rows("feedback"), self.samples["feedback"].number("total")
        again = self.api.get(self.api.streams["feedback"].path(), limit=SAMPLE, sort="createdDate")
        question = "Does total agree with the rows?"
        if total is None:
            found = [undecided("total", "docs/api.md#page-past-end", question, "paging numbers")]
        elif {total, again.number("total")} != {self.api.get(self.api.streams["feedback"].path(), limit=1).number("total")}:
            found = [Finding("total", "docs/api.md#page-past-end", question, "swinging")]
        elif total == 0 and rows:
            found = [Finding("total", "docs/api.md#page-past-end", question, "zero")]
        else:
            count, page = len(rows), 1
            while count == page * SAMPLE and page * SAMPLE <= total and page < 3:
                page = max(page + 1, -(-total // SAMPLE))
                count = (page - 1) * SAMPLE + len(self.api.rows("feedback", self.api.get("feedback", limit=SAMPLE, page=page)))
            found = [
                Finding(
                    "total",
                    "docs/api.md#page-past-end",
                    question,
                    "exact" if count == total else "more" if total > count else "fewer",
                )
            ]
        ids = [[row.get("id") for row in some] for some in (rows, self.api.rows("feedback", again))]
        dates = [row["createdDate"] for row in rows if row.get("createdDate")]
        question = "Do rows of the same date come in the same order each time?"
        if len(set(dates)) == len(dates):
            return [*found, undecided("ties", "docs/api.md#sort-order", question, "responses of the same date")]
        return [*found, Finding("ties", "docs/api.md#sort-order", question, "stable" if ids[0] == ids[1] else "changing")]

    def echoed_page(self) -> Finding:
        name, anchor, question = "echoed_page", "docs/api.md#page-past-end", "Which page does the third page say it is?"
        if len(self.rows("feedback")) < 3:
            return undecided(name, anchor, question, "three responses")
        page = self.api.get("feedback", limit=1, page=3).number("page")
        if page is None:
            return undecided(name, anchor, question, "paging numbers")
        return Finding(name, anchor, question, {3: "right", 2: "from_zero", 1: "one"}.get(page, str(page)))

    def row_dates(self) -> Finding:
        name, anchor, question = "row_dates", "docs/api.md#sent-date", "Do all responses and sent surveys have a date?"
        sampled = [(row, field) for stream, field in DATED for row in self.rows(stream)]
        if len(sampled) < 100:
            return undecided(name, anchor, question, "100 responses or sent surveys")
        return Finding(name, anchor, question, "always" if all(row.get(field) for row, field in sampled) else "sometimes")

    def default_limit(self) -> Finding:
        question = "How many responses does a page hold without a limit?"
        answer = self.api.get("feedback")
        rows, echoed = len(self.api.rows("feedback", answer)), answer.number("limit")
        if echoed or len(self.rows("feedback")) > rows:
            return Finding("default_limit", "docs/api.md#default-limit", question, str(echoed or rows))
        return undecided("default_limit", "docs/api.md#default-limit", question, "more than 20 responses")

    def past_end(self) -> Finding:
        name, anchor, question = "past_end", "docs/api.md#page-past-end", "What does a page past the end get?"
        answer = self.api.get("feedback", limit=1, page=FAR_PAGE, sort="createdDate")
        if answer.status != 200:
            return Finding(name, anchor, question, "refuse" if answer.status in (400, 404) else f"HTTP {answer.status}")
        rows = self.api.rows("feedback", answer)
        if not self.rows("feedback"):
            return undecided(name, anchor, question, "two responses")
        if not rows:
            return Finding(name, anchor, question, "empty")
        first = self.api.rows("feedback", self.api.get("feedback", limit=1, sort="createdDate"))
        if len(self.rows("feedback")) < 2:
            return undecided(name, anchor, question, "two responses")
        return Finding(name, anchor, question, "first" if first and first[0].get("id") == rows[0].get("id") else "last")

    # -------------------------------------------------------------------------------------------------- paths and headers

    def headers(self) -> list[Finding]:
        """What headers say, and which ones carry the key."""
        names = {name.lower() for answer in self.samples.values() for name in answer.headers}
        limits = sorted(name for name in names if name.startswith("x-ratelimit") or name == "retry-after")
        found = [
            Finding(
                "limit_headers",
                "docs/api.md#rate-limit-headers",
                "Which headers speak of the limit?",
                ", ".join(limits) or "none on answers with 200",
            ),
            undecided(
                "rate_headers",
                "docs/api.md#rate-limit-headers",
                "Does a 429 say when to come back?",
                "a refusal, which the probe does not provoke",
            ),
            undecided(
                "refresh_token",
                "docs/api.md#refresh-token",
                "Does a refresh replace the refresh token?",
                "an OAuth application instead of a key",
            ),
        ]
        for header in ("X-Api-Key", "api_key"):
            works = "yes" if self.api.get_signed(header).status == 200 else "no"
            found.append(
                Finding(f"header {header}", "docs/api.md#key-header", f"Does the header {header} carry the key?", works)
            )
        return found

    def list_paths(self) -> Finding:
        answers = [self.api.get(path, limit=1).status for path in ("customers", "nps/customers")]
        position = {(200, 200): "both", (200, 404): "new", (404, 200): "old"}.get((answers[0], answers[1]))
        return Finding(
            "list_paths",
            "docs/api.md#old-paths",
            "Which of /customers and /nps/customers is there?",
            position or f"HTTP {answers}",
        )

    def paths(self) -> list[Finding]:
        """Which of the old and new paths answer."""
        return [
            Finding(
                f"path {path}",
                "docs/api.md#old-paths",
                f"Does /{path} answer?",
                "yes" if self.api.get(path, limit=1).status == 200 else "no",
            )
            for path in (
                *("outbox", "nps/outbox"),
                *("nps/campaigns", "nps/templates", "nps/customers/response"),
            )
        ]


QUESTIONS: tuple[Callable[[Probe], Finding | list[Finding]], ...] = (
    Probe.companies_limit,
    Probe.paging_in,
    Probe.templates_in,
    Probe.campaigns_in,
    Probe.property_types,
    Probe.reports_as,
    Probe.survey_id,
    Probe.outbox_order,
    Probe.default_limit,
    Probe.limits,
    Probe.totals,
    Probe.echoed_page,
    Probe.row_dates,
    Probe.recipient_types,
    Probe.score_field,
    Probe.dates,
    Probe.customers_date,
    Probe.bounds,
    Probe.unix_dates,
    Probe.headers,
    Probe.sort,
    Probe.over_limit,
    Probe.past_end,
    Probe.trend_ids,
    Probe.unsurveyed,
    Probe.scores,
    Probe.updated_date,
    Probe.ping,
    Probe.list_paths,
    Probe.paths,
)


def kind_of(value: Any) -> str:
    """The JSON type of a value; a text that reads as a date is a date."""
    if isinstance(value, str):
        return "date-time" if len(value) >= 19 and _date(value) else "string"
    names = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def _date(value: Any) -> datetime | None:
    try:
        text = utc(value) if isinstance(value, str) else None
    except NotCoercible:
        return None
    return date_of(text) if text else None
