"""Whether the API sorts and filters by dates as it is documented."""

from datetime import datetime, timedelta, timezone
from typing import Any

from probe.finding import Finding, Question
from probe.json_types import date_in
from probe.samples import Samples
from source_retently.streams.endpoints import STREAMS
from source_retently.streams.paged import PagedStream
from source_retently.values import date_text

PAGED = [stream().name for stream in STREAMS if issubclass(stream, PagedStream)]
FUTURE = datetime(2100, 1, 1, tzinfo=timezone.utc)
"""A date that no row has."""


def sort(samples: Samples) -> list[Finding]:
    """Whether each paged list is sorted as requested."""
    found = []
    for stream in PAGED:
        field = samples.api.streams[stream].sort
        question = Question(
            "sort" if stream == "feedback" else f"sort of {stream}",
            "docs/api.md#sort-order",
            f"Is sort={field} of {stream} honoured?",
        )
        first = samples.rows(stream)[:1]
        last = samples.request_rows(stream, limit=1, sort=f"-{field}")
        if len(samples.rows(stream)) < 2 or not last:
            found.append(question.undecided(f"two {stream} of different dates"))
        else:
            found.append(question.answered("ignored" if first == last else "honoured"))
    return found


def customers_sort(samples: Samples) -> Finding:
    """Whether customers can be asked for by their last change."""
    question = Question(
        "customers_sort", "docs/api.md#sort-by-change", "Does sort=-updatedDate list the last changed customers first?"
    )
    response = samples.request("customers", limit=100, sort="-updatedDate", page=1)
    if response.status == 400:
        return question.answered("refused")
    rows = samples.api.rows("customers", response) or []
    updated, created = ([date_in(row.get(name)) for row in rows] for name in ("updatedDate", "createdDate"))
    known = [date for date in updated if date]
    if len(known) < len(updated) or len(set(known)) < 2:
        return question.undecided("customers who all have an updatedDate, and different ones")
    if known != sorted(known, reverse=True):
        return question.answered("ignored")
    if None in created or created == sorted((date for date in created if date), reverse=True):
        return question.undecided("customers whose order of change is not that of creation")
    return question.answered("honoured")


def dates(samples: Samples) -> list[Finding]:
    """Whether startDate filters each list that may support it."""
    found = []
    for stream in ("feedback", "outbox", "customers"):
        question = Question(
            "dates" if stream == "feedback" else f"dates of {stream}",
            "docs/api.md#date-filters",
            f"Does startDate filter {stream}?",
        )
        if not samples.rows(stream):
            found.append(question.undecided(f"a row of {stream}"))
        else:
            is_honoured = _is_empty(samples, stream, startDate=f"{FUTURE:%Y-%m-%dT%H:%M:%SZ}")
            found.append(question.answered("honoured" if is_honoured else "ignored"))
    return found


def customers_date(samples: Samples) -> Finding:
    """Which date of customers startDate filters."""
    question = Question("customers_date", "docs/api.md#customers-date-filter", "Which date of customers does startDate filter?")
    for row in samples.rows("customers"):
        created, updated, email = date_in(row.get("createdDate")), date_in(row.get("updatedDate")), row.get("email")
        if created and updated and email and updated - created > timedelta(minutes=2):
            between = date_text(created + (updated - created) / 2)[:19] + "Z"
            filtered = samples.request_rows("customers", limit=1, email=email, startDate=between)
            if not samples.request_rows("customers", limit=1, email=email):
                break
            return question.answered("updatedDate" if filtered else "createdDate")
    return question.undecided("a customer with an address who was changed minutes after being created")


def bounds(samples: Samples) -> list[Finding]:
    """Whether each bound is inclusive."""
    found = []
    for bound, beyond in (("startDate", timedelta(milliseconds=1)), ("endDate", timedelta(milliseconds=-1))):
        question = Question(
            "bounds" if bound == "startDate" else "bounds at the end",
            "docs/api.md#date-bounds",
            f"Does the list have a response whose date is {bound} itself?",
        )
        finding = question.undecided("responses with dates, and an API that filters by them to the millisecond")
        for row in samples.rows("feedback")[-3:]:
            date = date_in(row.get("createdDate"))
            if date is None:
                continue
            # A row outside the bound shows that the API does not filter, or not to the millisecond.
            if not _has(samples, row, **{bound: date_text(date + beyond)}):
                is_inclusive = _has(samples, row, **{bound: date_text(date)})
                finding = question.answered("inclusive" if is_inclusive else "exclusive")
            break
        found.append(finding)
    return found


def unix_dates(samples: Samples) -> Finding:
    """Whether startDate may be UNIX time."""
    question = Question("unix_dates", "docs/api.md#date-precision", "Does the API accept UNIX seconds as a date?")
    if not samples.rows("feedback"):
        return question.undecided("a response")
    return question.answered("yes" if _is_empty(samples, "feedback", startDate=int(FUTURE.timestamp())) else "no")


def _is_empty(samples: Samples, stream: str, **params: Any) -> bool:
    """Whether a filter leaves no rows."""
    response = samples.request(stream, limit=1, **params)
    return response.status == 200 and not samples.api.rows(stream, response)


def _has(samples: Samples, row: dict[str, Any], **params: str) -> bool:
    """Whether a response is in the list with this filter; only its customer's responses are requested, if it has one."""
    of_customer = {"customerId": row["customerId"]} if row.get("customerId") else {}
    rows = samples.request_rows("feedback", limit=1000, sort="createdDate", **of_customer, **params)
    return any(other.get("id") == row.get("id") for other in rows)
