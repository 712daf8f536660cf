"""Scores and reports: what the responses and the sent surveys of the account add up to."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from sandbox.data import CAMPAIGNS, RATING_QUESTIONS, Row, campaigns, stamp
from sandbox.store import DAY, Store
from sandbox.switches import Switches

DEFAULT_DAYS = 30
"""How many days reports cover without startDate (undocumented: docs/api.md#reports)."""


def reports(store: Store, start: str | None = None, end: str | None = None) -> list[Row]:
    """A report for each campaign, with the days from `start` to `end`."""
    first = _day(start) if start else store.account.end // DAY - DEFAULT_DAYS
    last = _day(end) if end else None
    return [_report(store, number, campaign, first, last) for number, campaign in enumerate(campaigns())]


def _report(store: Store, number: int, campaign: Row, first: int, last: int | None) -> Row:
    metric = campaign["metric"]

    def of_campaign(counts: dict[tuple[int, int], Counter[Any]]) -> dict[int, Counter[Any]]:
        days = ((day, found) for (of, day), found in counts.items() if of == number)
        return {day: found for day, found in sorted(days) if first <= day and (last is None or day <= last)}

    ratings, deliveries = of_campaign(store.ratings()), of_campaign(store.deliveries())
    total = _figures(metric, _sum(ratings))
    sent = _sum(deliveries)
    trend = [{"day": stamp(day * DAY)[:10], **_figures(metric, found)} for day, found in ratings.items()]
    question = {
        "uuid": "q1",
        "title": RATING_QUESTIONS[metric],
        "metricsType": metric,
        "position": 1,
        "isOnMain": True,
        "isStarred": False,
        "stats": {"first": {**trend[0], "skipped": 0}, "last": {**trend[-1], "skipped": 0}} if trend else None,
    }
    return {
        "campaignId": campaign["id"],
        **{name: campaign[name] for name in ("name", "isActive", "metric", "type", "channel")},
        "score": total["score"] if trend else None,
        "trend": trend,
        "last": total,
        "deliveryStats": {name: sent[name] for name in ("totalCount", "opened", "responded", "optedOut", "isBounced")},
        "questionsStats": [question],
    }


def score(store: Store, switches: Switches, metric: str) -> Row | None:
    """The score of a metric; None where the account never surveyed it."""
    if metric != "NPS" and switches.metrics == "nps":
        return None
    ratings = _sum({key: found for key, found in store.ratings().items() if CAMPAIGNS[key[0]][1] == metric})
    figures = _figures(metric, ratings)
    names, total = ("promoters", "passives", "detractors"), figures["total"]
    shared = {name: round(100 * figures[name] / total) if total else 0 for name in names}
    shared |= {**{f"{name}Count": figures[name] for name in names}, "totalResponses": total}
    if switches.score_field == "nps":
        # The oldest sample: another name, and neither metric nor distribution (docs/api.md#score-name).
        return {metric.lower(): figures["score"], **shared}
    return {
        "score": figures["score"],
        "scoreSum": sum(rating * count for rating, count in ratings.items()),
        "metricsType": metric,
        **shared,
        "ratingDistribution": figures["ratingDistribution"],
    }


def _figures(metric: str, ratings: Counter[int]) -> Row:
    high, low = (9, 6) if metric == "NPS" else (4, 2)
    total = sum(ratings.values())
    promoters = sum(count for rating, count in ratings.items() if rating >= high)
    detractors = sum(count for rating, count in ratings.items() if rating <= low)
    # docs/api.md#score-scales has the first two formulas; for other metrics the average is a guess.
    if metric == "NPS":
        score: float = round(100 * (promoters - detractors) / max(total, 1))
    elif metric == "CSAT":
        score = round(100 * promoters / max(total, 1))
    else:
        score = round(sum(rating * count for rating, count in ratings.items()) / max(total, 1), 1)
    return {
        "promoters": promoters,
        "passives": total - promoters - detractors,
        "detractors": detractors,
        "total": total,
        "score": score,
        "ratingDistribution": {str(rating): count for rating, count in sorted(ratings.items())},
    }


def _sum(counts: dict[Any, Counter[Any]]) -> Counter[Any]:
    return sum(counts.values(), Counter())


def _day(text: str) -> int:
    """The number of the day of a date such as 2026-05-31."""
    return (date.fromisoformat(text[:10]) - date(1970, 1, 1)) // timedelta(days=1)
