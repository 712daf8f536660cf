"""Customers, companies, feedback and outbox of an account: realistic rows that are always the same.

Each row is a function of its number, the seed and the newest date, made when it is asked for. So a million rows cost nothing until
they are read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sandbox.data import (
    BAD_SCORES,
    CAMPAIGN,
    CAMPAIGNS,
    COMMENTS,
    COMPANY,
    COMPANY_NAMES,
    COUNTRIES,
    CUSTOMER,
    FEEDBACK,
    FIRST_NAMES,
    GOOD_SCORES,
    INDUSTRIES,
    LAST_NAMES,
    NEWEST,
    PLANS,
    SPAN,
    SURVEY,
    TEMPLATE,
    TITLES,
    TOPICS,
    Row,
    mixed,
    object_id,
    stamp,
)


class Delivery(NamedTuple):
    """What happened to a sent survey."""

    campaign: int
    response: int | None
    """The number of the response to it."""
    opened: bool
    opted_out: bool
    bounced: bool


@dataclass(frozen=True)
class Account:
    """How much there is of everything, and the seed and the newest date that it is made from."""

    counts: Mapping[str, int]
    seed: int = 1
    newest: datetime = NEWEST
    properties: int = 0
    """Custom properties of each customer beside those that it has anyway, 100 bytes each."""

    @cached_property
    def end(self) -> int:
        """Milliseconds at which the dates end."""
        return int(self.newest.timestamp() * 1000)

    @cached_property
    def start(self) -> int:
        """Milliseconds at which they begin; the outbox begins a little earlier."""
        return self.end - int(SPAN.total_seconds() * 1000)

    @cached_property
    def _lead(self) -> float:
        """How much earlier the dates of the outbox are, in milliseconds, so that each response comes after its survey."""
        counts = self.counts["feedback"], self.counts["outbox"]
        return 300_000 + sum(self._step(count) for count in counts) if all(counts) else 0

    @staticmethod
    def _step(count: int) -> float:
        """Milliseconds from one of so many rows to the next."""
        return SPAN.total_seconds() * 1000 / max(count, 1)

    def created(self, kind: str, number: int) -> int:
        """What the API sorts a row by (for the outbox a date that its rows don't show), in milliseconds.

        It ascends with the number, and every tenth row has the date of the one before.
        """
        number -= number % 10 == 0 and number > 0
        when = self.start + (number + 0.9 * (mixed(number, self.seed) % 1000) / 1000) * self._step(self.counts[kind])
        return int(when - self._lead if kind == "outbox" else when)

    def dated(self, kind: str, number: int) -> int:
        """What the API filters a row by."""
        delay = mixed(number, self.seed + 9) % 120_000 if kind == "outbox" else 0
        return self.created(kind, number) + delay

    def row(self, kind: str, number: int, when: int) -> Row | None:
        """
        :param when: milliseconds at which the row was made
        :return: None for a list that has no rows here: its schema has examples
        """
        make = {"customers": self._customer, "companies": self._company, "feedback": self._feedback, "outbox": self._survey}
        return make[kind](number, when, mixed(number, self.seed)) if kind in make else None

    def rating(self, number: int) -> tuple[int, int]:
        """Campaign and score of a response."""
        x = mixed(number, self.seed)
        campaign = x % len(CAMPAIGNS)
        # The score changes by month, so that a chart shows something.
        is_good = (x >> 20) % 100 < 55 + 30 * math.sin(9 * number / max(self.counts["feedback"], 1))
        high = (GOOD_SCORES if is_good else BAD_SCORES)[(x >> 8) % 12]
        return campaign, high if CAMPAIGNS[campaign][1] == "NPS" else 1 + high * 4 // 10

    def _later(self, when: int, delay: int) -> str:
        """A date after a row was made, but before the newest one: no row of the account has a date in the future."""
        return stamp(when + min(delay, max(self.end - when, 0) // 2))

    def _person(self, number: int) -> dict[str, Any]:
        x = mixed(number, self.seed + 1)
        first, last = FIRST_NAMES[x % len(FIRST_NAMES)], LAST_NAMES[(x >> 8) % len(LAST_NAMES)]
        company = number % self.counts["companies"] if self.counts["companies"] else None
        return {
            "email": f"customer{number}@example.com",
            "firstName": first,
            "lastName": last,
            "companyName": self._company_name(company) if company is not None else None,
            "companyId": object_id(COMPANY, company) if company is not None else None,
        }

    @staticmethod
    def _company_name(number: int) -> str:
        return f"{COMPANY_NAMES[number % len(COMPANY_NAMES)]} {number}"

    def _plan(self, x: int) -> list[Row]:
        properties: list[Row] = [
            {"label": "Subscription name", "name": "subscription_name", "type": "text", "value": PLANS[x % 4]},
            {"label": "Seats", "name": "seats", "type": "integer", "value": x % 100},
            {
                "label": "Renewal",
                "name": "renewal",
                "type": "date",
                "value": stamp(self.end + x % 10**10),
            },
        ]
        return properties[: 1 + x % 3]

    def _more_properties(self, number: int) -> list[Row]:
        return [
            {"label": f"Property {i:03}", "name": f"property_{i:03}", "type": "text", "value": f"{mixed(number, i):026}"}
            for i in range(self.properties)
        ]

    def _customer(self, number: int, when: int, x: int) -> Row:
        return {
            "id": object_id(CUSTOMER, number),
            **self._person(number),
            "jobTitle": TITLES[x % len(TITLES)] if x % 5 else None,
            "phoneNumber": f"+1555{x % 10000:04d}" if x % 3 else None,
            "location": {"country": COUNTRIES[x % 4][0]},
            "tags": ["foo", "baz"][: x % 3],
            "properties": self._plan(x >> 4) + self._more_properties(number),
            "createdDate": stamp(when),
            "updatedDate": self._later(when, x % 86_400_000 * (x % 7)),
            "source": ("api", "import", "zapier")[x % 3],
            "syncId": None,
            "integrationsLists": [],
            "isAnonymous": x % 97 == 0,
            "isAtRisk": x % 11 == 0,
            "isEmailDeliverable": x % 13 != 0,
            "isInQueue": x % 17 == 0,
            "isInQueueSetAt": self._later(when, 60_000) if x % 17 == 0 else None,
            "lastSurveySent": {"date": self._later(when, 3_600_000)} if x % 2 else None,
            "surveySubscriptionStatus": {"isSubscribed": x % 19 != 0},
        }

    def _company(self, number: int, when: int, x: int) -> Row:
        return {
            "id": object_id(COMPANY, number),
            "createdDate": stamp(when),
            "domain": f"company{number}.example.com",
            "companyName": self._company_name(number),
            "industryName": INDUSTRIES[x % len(INDUSTRIES)],
            "tags": ["vip"] if x % 4 == 0 else [],
            "cxMetrics": {"NPS": x % 201 - 100, "CSAT": None, "CES": None, "STAR": (x % 41 + 10) / 10},
            "contactsCount": len(range(number, self.counts["customers"], self.counts["companies"])),
        }

    def _feedback(self, number: int, when: int, x: int) -> Row:
        campaign, score = self.rating(number)
        metric = CAMPAIGNS[campaign][1]
        customer = mixed(number, self.seed + 2) % self.counts["customers"] if self.counts["customers"] else 0
        level = "low" if score < (7 if metric == "NPS" else 3) else "high" if score >= (9 if metric == "NPS" else 4) else "mid"
        category = {"low": "Negative", "mid": "Neutral", "high": "Positive"}[level]
        country, state, city = COUNTRIES[x % 4]
        return {
            "id": object_id(FEEDBACK, number),
            "surveyId": object_id(SURVEY, survey) if (survey := self.survey_of(number)) is not None else None,
            "customerId": object_id(CUSTOMER, customer),
            **self._person(customer),
            "jobTitle": TITLES[x % len(TITLES)],
            "country": country,
            "state": state,
            "city": city,
            "tags": ["foo"][: x % 2],
            "customProps": [{"name": "plan", "type": "text", "value": PLANS[x % 4]}],
            "campaignId": object_id(CAMPAIGN, campaign),
            "campaignName": CAMPAIGNS[campaign][0],
            "createdDate": stamp(when),
            "score": score,
            "comment": COMMENTS[level][(x >> 16) % 4],
            "checkbox": x % 2 == 0,
            "additionalQuestions": [{"questionText": "Why?", "type": "text", "metricsType": metric, "answer": "Because"}][
                : x % 2
            ],
            "feedbackTopics": [{"name": TOPICS[x % 5], "sentiment": category.lower()}],
            "feedbackTags": ["bug"][: x % 3 == 0],
            "feedbackTagsNew": ["bug"][: x % 3 == 0],
            "notes": [],
            "status": ("new", "closed")[x % 2],
            "assigned": None,
            "ratingCategory": category,
            "resolved": x % 5 == 0,
            "channel": CAMPAIGNS[campaign][3],
            "metricsType": metric,
            "isBogus": False,
            "isSubmitted": x % 23 != 0,
        }

    def survey_of(self, feedback: int) -> int | None:
        """The number of the sent survey that a response is to; a response that was inserted is to none."""
        is_paired = self.counts["outbox"] and feedback < self.counts["feedback"]
        return feedback * self.counts["outbox"] // self.counts["feedback"] if is_paired else None

    def response_to(self, survey: int) -> int | None:
        """The number of the response to a sent survey."""
        if not self.counts["feedback"] or not self.counts["outbox"]:
            return None
        feedback = -(-survey * self.counts["feedback"] // self.counts["outbox"])
        return feedback if feedback < self.counts["feedback"] and self.survey_of(feedback) == survey else None

    def delivery(self, number: int) -> Delivery:
        """What happened to a sent survey."""
        x = mixed(number, self.seed)
        response = self.response_to(number)
        campaign = self.rating(response)[0] if response is not None else x % len(CAMPAIGNS)
        bounced = response is None and x % 89 == 0
        opened = response is not None or (not bounced and x % 3 == 0)
        return Delivery(campaign, response, opened, opened and x % 101 == 0, bounced)

    def _survey(self, number: int, when: int, x: int) -> Row:
        sent = when + mixed(number, self.seed + 9) % 120_000
        campaign, response, opened, opted_out, bounced = self.delivery(number)
        customer = (
            mixed(response if response is not None else number, self.seed + 2) % self.counts["customers"]
            if self.counts["customers"]
            else 0
        )
        answered = self.created("feedback", response) if response is not None else 0
        person = self._person(customer)
        row = {
            "surveyId": object_id(SURVEY, number),
            "email": person["email"],
            "customerId": object_id(CUSTOMER, customer),
            "firstName": person["firstName"],
            "lastName": person["lastName"],
            "companyName": person["companyName"],
            "companyId": person["companyId"],
            "sentDate": stamp(sent),
            "channel": CAMPAIGNS[campaign][3],
            "personTags": ["foo"][: x % 2],
            "campaign": CAMPAIGNS[campaign][0],
            "campaignId": object_id(CAMPAIGN, campaign),
            "surveyTemplateId": object_id(TEMPLATE, campaign),
            "subject": "How did we do?",
            "sentBy": ("campaign", "reminder", "manual")[x % 3],
            "status": "RESPONDED" if response is not None else "OPENED" if opened else "SENT",
            "detailedStatus": {
                "isOpened": opened,
                "openedDate": stamp(sent + 60_000) if opened else "",
                "isResponded": response is not None,
                "respondedDate": stamp(answered) if response is not None else None,
                "hasFeedback": response is not None,
                "isOptedOut": opted_out,
                "isBounced": bounced,
            },
            "attributes": {"customerTags": ["foo"][: x % 2], "customProps": self._plan(x >> 4)[:1]},
            "mandrillMessageId": f"{x:016x}",
            "additionalRecipients": ["cc@example.com"] if x % 29 == 0 else [],
        }
        if response is not None:
            row["responseId"] = object_id(FEEDBACK, response)
        return row
