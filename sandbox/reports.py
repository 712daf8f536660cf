"""Scores and reports: what the ratings in the account's feedback add up to."""

from typing import Any

from sandbox.data import Row, campaigns
from sandbox.store import Store
from sandbox.switches import Switches

FIRST_DAY, LAST_DAY = "2026-05-01", "2026-05-31"
"""Which days reports cover without startDate and endDate (undocumented: docs/api.md#reports)."""


def reports(store: Store, start: str = FIRST_DAY, end: str = LAST_DAY) -> list[Row]:
    """A report for each campaign; its trend has a day of each month from `start` to `end`."""
    return [_report(campaign, _counts(store, campaign["metric"]), start, end) for campaign in campaigns()]


def _report(campaign: Row, counts: dict[str, Any], start: str, end: str) -> Row:
    figures = {name: counts[name] for name in ("promoters", "passives", "detractors", "total", "score")}
    day = {"day": LAST_DAY, **figures, "ratingDistribution": counts["ratingDistribution"]}
    days = [f"2026-{month:02d}-28" for month in range(1, 6)]
    question = {
        "uuid": "q1",
        "title": "How likely?",
        "metricsType": campaign["metric"],
        "position": 1,
        "isOnMain": True,
        "isStarred": False,
        "stats": {"first": {**day, "skipped": 0}, "last": {**day, "skipped": 1}},
    }
    return {
        "campaignId": campaign["id"],
        **{name: campaign[name] for name in ("name", "isActive", "metric", "type", "channel")},
        "score": None,
        "trend": [{**day, "day": name} for name in days if start <= name <= end],
        "last": figures,
        "deliveryStats": {"totalCount": 100, "opened": 40, "responded": 20, "optedOut": 1, "isBounced": 2},
        "questionsStats": [question],
    }


def score(store: Store, switches: Switches, metric: str) -> Row | None:
    """The score of a metric; None where the account never surveyed it."""
    if metric != "NPS" and switches.metrics == "nps":
        return None
    counts = _counts(store, metric)
    total = counts["total"]
    share = {name: round(100 * counts[name] / total) if total else 0 for name in ("promoters", "passives", "detractors")}
    shared = {**share, **{f"{name}Count": counts[name] for name in share}, "totalResponses": total}
    if switches.score_field == "nps":
        # The oldest sample: another name, and neither metric nor distribution (docs/api.md#score-name).
        return {metric.lower(): counts["score"], **shared}
    return {
        "score": counts["score"],
        "scoreSum": counts["promoters"] - counts["detractors"],
        "metricsType": metric,
        **shared,
        "ratingDistribution": counts["ratingDistribution"],
    }


def _counts(store: Store, metric: str) -> dict[str, Any]:
    ratings = store.ratings(metric)
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
