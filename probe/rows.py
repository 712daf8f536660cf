"""Which fields rows have, of which types, and in which order they come."""

from probe.finding import Finding, Question
from probe.json_types import type_of
from probe.samples import Samples

DATED = (("feedback", "createdDate"), ("outbox", "sentDate"))
"""The lists that are filtered by a date, and the field of the date."""
ENOUGH_SURVEYS = 20
"""Sent surveys from which an answer about all of them is taken."""


def survey_id(samples: Samples) -> Finding:
    """Whether rows of the outbox have a key."""
    question = Question("survey_id", "docs/api.md#outbox-key", "Do rows of the outbox have a surveyId?")
    has = [bool(row.get("surveyId")) for row in samples.rows("outbox")]
    if len(has) < ENOUGH_SURVEYS:
        return question.undecided(f"{ENOUGH_SURVEYS} sent surveys")
    return question.answered("always" if all(has) else "sometimes" if any(has) else "never")


def outbox_order(samples: Samples) -> Finding:
    """Whether the outbox, sorted by a date that its rows lack, is also sorted by the date that they have."""
    question = Question(
        "outbox_order",
        "docs/api.md#outbox-order",
        "Are sent surveys that are sorted by surveyCreatedDate in the order of sentDate, too?",
    )
    dates = [row["sentDate"] for row in samples.rows("outbox") if isinstance(row.get("sentDate"), str)]
    if len(dates) < ENOUGH_SURVEYS:
        return question.undecided(f"{ENOUGH_SURVEYS} sent surveys")
    return question.answered("yes, in the sample" if dates in (sorted(dates), sorted(dates, reverse=True)) else "no")


def row_dates(samples: Samples) -> Finding:
    """Whether any row of a list that is filtered by date has no date."""
    question = Question("row_dates", "docs/api.md#sent-date", "Do all responses and sent surveys have a date?")
    sampled = [(row, field) for stream, field in DATED for row in samples.rows(stream)]
    if len(sampled) < 100:
        return question.undecided("100 responses or sent surveys")
    return question.answered("always" if all(row.get(field) for row, field in sampled) else "sometimes")


def updated_date(samples: Samples) -> Finding:
    """Whether customers have the date that the connector's cursor uses."""
    question = Question("updated_date", "docs/api.md#updated-date", "Do customers have an updatedDate?")
    rows = samples.rows("customers")
    if not rows:
        return question.undecided("a customer")
    return question.answered("present" if any("updatedDate" in row for row in rows) else "absent")


def property_types(samples: Samples) -> Finding:
    """The JSON types of the values of custom properties."""
    question = Question(
        "property_types", "docs/api.md#property-types", "Of which types are the values of customers' properties?"
    )
    lists = [row["properties"] for row in samples.rows("customers") if isinstance(row.get("properties"), list)]
    types = {type_of(item.get("value")) for items in lists for item in items if isinstance(item, dict)}
    return question.answered(", ".join(sorted(types))) if types else question.undecided("customers with properties")


def recipient_types(samples: Samples) -> Finding:
    """The JSON types of additional recipients."""
    question = Question("recipient_types", "docs/api.md#recipient-types", "Of which type are additional recipients?")
    lists = [row["additionalRecipients"] for row in samples.rows("outbox") if isinstance(row.get("additionalRecipients"), list)]
    types = {type_of(item) for items in lists for item in items}
    if not types:
        return question.undecided("a survey sent to additional recipients")
    return question.answered(", ".join(sorted(types)))


def trend_ids(samples: Samples) -> Finding:
    """Whether trends have a key."""
    question = Question("trend_ids", "docs/api.md#trend-key", "Do trends have an id of their own?")
    trends = [row["trend"] for row in samples.rows("trends") if isinstance(row.get("trend"), dict)]
    if not trends:
        return question.undecided("a trend in a group")
    return question.answered("present" if all("_id" in trend or "id" in trend for trend in trends) else "absent")
