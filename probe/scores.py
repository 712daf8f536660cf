"""What the score endpoints return, and which metrics have one."""

import re

from probe.finding import Finding, Question
from probe.samples import Samples
from source_retently.streams.score import Score

METRIC = re.compile(r"[A-Z][A-Z0-9_-]{0,19}", re.ASCII | re.IGNORECASE)
"""The form of a metric's name; no score is requested for any other value of a campaign's `metric`."""
MOST_METRICS = 20
"""Metrics whose scores are requested, so that the probe stays below its limit of requests."""


def score_field(samples: Samples) -> Finding:
    """The name of the field with the score."""
    question = Question("score_field", "docs/api.md#score-name", "Which field has the score?")
    data = samples.responses["nps"].data
    for field in ("score", "nps"):
        if isinstance(data, dict) and field in data:
            return question.answered(field)
    return question.undecided("answers to an NPS survey")


def unsurveyed(samples: Samples) -> Finding:
    """What the API returns for a metric without answers."""
    question = Question(
        "unsurveyed",
        "docs/api.md#unsurveyed-metric",
        "What does the score endpoint return for a metric that was never surveyed?",
    )
    for metric in ("csat", "ces", "star", "nps"):
        response = samples.responses[metric]
        data = response.data
        if response.status == 404:
            return question.answered("refuse")
        if response.status == 200 and not data:
            return question.answered("empty" if data == {} else "null" if data is None else "an empty list")
        if isinstance(data, dict) and data.get("score") is None and data.get(metric) is None:
            return question.answered("nulls")
    return question.undecided("a metric that the account never surveyed")


def scores(samples: Samples) -> list[Finding]:
    """Whether each metric that a campaign names has a score. Retently has more metrics than its API documents."""
    metrics = (row.get("metric") for row in samples.rows("campaigns"))
    named = {metric.lower(): metric for metric in metrics if isinstance(metric, str) and METRIC.fullmatch(metric)}
    found = []
    for name, metric in sorted(named.items())[:MOST_METRICS]:
        question = Question(f"score of {metric}", "docs/api.md#more-metrics", f"Does the metric {metric} have a score?")
        is_sampled = isinstance(samples.api.streams.get(name), Score)
        response = samples.responses[name] if is_sampled else samples.api.get(f"{name}/score")
        has = "yes" if response.data else "no data"
        found.append(question.answered(has if response.status == 200 else f"HTTP {response.status}"))
    question = Question("scores", "docs/api.md#more-metrics", "Which metrics have a score?")
    return found or [question.undecided("a campaign")]
