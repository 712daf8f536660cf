"""How many rows a page has, whether the paging numbers are right, and what a page past the end is."""

from typing import Any

from probe.finding import Finding, Question
from probe.samples import SAMPLE, Samples

FAR_PAGE = 999_999


def companies_limit(samples: Samples) -> Finding:
    """The largest page of companies."""
    question = Question("companies_limit", "docs/api.md#companies-page-size", "How many companies does a page have at most?")
    response = samples.api.get("companies", limit=1000)
    if response.status == 400:
        return question.answered("100 (more are refused)")
    rows, limit, total = len(samples.api.rows("companies", response)), response.number("limit"), response.number("total")
    if rows > 100 or (limit or 0) > 100:
        return question.answered("1000")
    if limit == 100 or (total or 0) > 100 or (rows == 100 and _has_second_page_of_companies(samples)):
        return question.answered("100")
    return question.undecided("more than 100 companies")


def _has_second_page_of_companies(samples: Samples) -> bool:
    return bool(samples.api.rows("companies", samples.api.get("companies", limit=100, page=2)))


def default_limit(samples: Samples) -> Finding:
    """The size of a page without `limit`."""
    question = Question("default_limit", "docs/api.md#default-limit", "How many responses does a page have without a limit?")
    response = samples.api.get("feedback")
    rows, limit = len(samples.api.rows("feedback", response)), response.number("limit")
    if limit or len(samples.rows("feedback")) > rows:
        return question.answered(str(limit or rows))
    return question.undecided("more than 20 responses")


def limits(samples: Samples) -> Finding:
    """Whether limits like 998 are accepted, without which pages can't overlap."""
    question = Question("limits", "docs/api.md#page-past-end", "Does the API accept any limit up to 1,000?")
    response = samples.api.get("feedback", limit=998)
    return question.answered({200: "any", 400: "round"}.get(response.status, f"HTTP {response.status}"))


def over_limit(samples: Samples) -> Finding:
    """What the API does with a `limit` above its maximum."""
    question = Question("over_limit", "docs/api.md#limit-above-maximum", "What does the API return for a limit above 1,000?")
    response = samples.api.get("feedback", limit=2000)
    if response.status not in (200, 400):
        return question.answered(f"HTTP {response.status}")
    is_clamped = response.status == 200 and len(samples.api.rows("feedback", response)) <= 1000
    return question.answered("clamp" if is_clamped else "refuse")


def totals(samples: Samples) -> list[Finding]:
    """Whether `total` is right, and whether rows of one date keep their order."""
    again = samples.request("feedback", limit=SAMPLE, sort="createdDate")
    totals = {samples.responses["feedback"].number("total"), again.number("total")}
    return [_total(samples, totals), _ties(samples, samples.api.rows("feedback", again))]


def _total(samples: Samples, totals: set[int | None]) -> Finding:
    question = Question("total", "docs/api.md#page-past-end", "Does total agree with the rows?")
    rows, total = samples.rows("feedback"), samples.responses["feedback"].number("total")
    if total is None:
        return question.undecided("paging numbers")
    if totals != {samples.request("feedback", limit=1).number("total")}:
        return question.answered("swinging")
    if total == 0 and rows:
        return question.answered("zero")
    count, page = len(rows), 1
    while count == page * SAMPLE and page * SAMPLE <= total and page < 3:
        page = max(page + 1, -(-total // SAMPLE))
        count = (page - 1) * SAMPLE + len(samples.api.rows("feedback", samples.api.get("feedback", limit=SAMPLE, page=page)))
    return question.answered("exact" if count == total else "more" if total > count else "fewer")


def _ties(samples: Samples, again: list[Any]) -> Finding:
    question = Question("ties", "docs/api.md#sort-order", "Do rows of the same date come in the same order each time?")
    rows = samples.rows("feedback")
    dates = [row["createdDate"] for row in rows if row.get("createdDate")]
    if len(set(dates)) == len(dates):
        return question.undecided("responses of the same date")
    if _ids(rows) == _ids(again):  # perhaps by chance
        again = samples.api.rows("feedback", samples.request("feedback", limit=SAMPLE, sort="createdDate"))
    return question.answered("stable" if _ids(rows) == _ids(again) else "changing")


def _ids(rows: list[Any]) -> list[Any]:
    return [row.get("id") for row in rows]


def echoed_page(samples: Samples) -> Finding:
    """Which page number a response repeats."""
    question = Question(
        "echoed_page", "docs/api.md#page-past-end", "Which page number does the response with the third page have?"
    )
    if len(samples.rows("feedback")) < 3:
        return question.undecided("three responses")
    page = samples.api.get("feedback", limit=1, page=3).number("page")
    if page is None:
        return question.undecided("paging numbers")
    return question.answered({3: "right", 2: "from_zero", 1: "one"}.get(page, str(page)))


def past_end(samples: Samples) -> Finding:
    """What a page past the end is."""
    question = Question("past_end", "docs/api.md#page-past-end", "What does the API return for a page past the end?")
    response = samples.api.get("feedback", limit=1, page=FAR_PAGE, sort="createdDate")
    if response.status != 200:
        return question.answered("refuse" if response.status in (400, 404) else f"HTTP {response.status}")
    rows = samples.api.rows("feedback", response)
    if not samples.rows("feedback"):
        return question.undecided("two responses")
    if not rows:
        return question.answered("empty")
    first = samples.api.rows("feedback", samples.api.get("feedback", limit=1, sort="createdDate"))
    if len(samples.rows("feedback")) < 2:
        return question.undecided("two responses")
    return question.answered("first" if first and first[0].get("id") == rows[0].get("id") else "last")
