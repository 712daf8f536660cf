"""Customers, companies, feedback and outbox of an account: realistic rows that are always the same.

Each row is a function of its number and the seed, made when it is asked for. So a million rows cost nothing until they are read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    FIRST_DAY,
    FIRST_NAMES,
    GOOD_SCORES,
    INDUSTRIES,
    LAST_NAMES,
    PLANS,
    SPAN,
    SURVEY,
    TEMPLATE,
    TEMPLATES,
    TITLES,
    TOPICS,
    Row,
    mixed,
    object_id,
    stamp,
)


@dataclass(frozen=True)
class Account:
    """How much there is of everything, and the seed that it is made from."""

    counts: Mapping[str, int]
    seed: int = 1

    def when(self, number: int, count: int) -> int:
        """Milliseconds of the number-th of so many rows: ascending, with every tenth on the same instant as the one before."""
        number -= number % 10 == 0 and number > 0
        step = SPAN.total_seconds() * 1000 / max(count, 1)
        return int(FIRST_DAY.timestamp() * 1000 + (number + 0.9 * (mixed(number, self.seed) % 1000) / 1000) * step)

    def created(self, kind: str, number: int) -> int:
        """What the API sorts a row by (for the outbox a date that its rows don't show)."""
        return self.when(number, self.counts[kind])

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

    def score(self, number: int) -> tuple[str, int]:
        """Metric and score of a response."""
        x = mixed(number, self.seed)
        metric = CAMPAIGNS[x % len(CAMPAIGNS)][1]
        # The score changes by month, so that a chart shows something.
        is_good = (x >> 20) % 100 < 55 + 30 * math.sin(9 * number / max(self.counts["feedback"], 1))
        high = (GOOD_SCORES if is_good else BAD_SCORES)[(x >> 8) % 12]
        return metric, high if metric == "NPS" else 1 + high * 4 // 10

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
                "value": stamp(int(FIRST_DAY.timestamp()) * 1000 + x % 10**10),
            },
        ]
        return properties[: 1 + x % 3]

    def _customer(self, number: int, when: int, x: int) -> Row:
        return {
            "id": object_id(CUSTOMER, number),
            **self._person(number),
            "jobTitle": TITLES[x % len(TITLES)] if x % 5 else None,
            "phoneNumber": f"+1555{x % 10000:04d}" if x % 3 else None,
            "location": {"country": COUNTRIES[x % 4][0]},
            "tags": ["foo", "baz"][: x % 3],
            "properties": self._plan(x >> 4),
            "createdDate": stamp(when),
            "updatedDate": stamp(when + x % 86_400_000 * (x % 7)),
            "source": ("api", "import", "zapier")[x % 3],
            "syncId": None,
            "integrationsLists": [],
            "isAnonymous": x % 97 == 0,
            "isAtRisk": x % 11 == 0,
            "isEmailDeliverable": x % 13 != 0,
            "isInQueue": x % 17 == 0,
            "isInQueueSetAt": stamp(when + 60_000) if x % 17 == 0 else None,
            "lastSurveySent": {"date": stamp(when + 3_600_000)} if x % 2 else None,
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
            "contactsCount": x % 40,
        }

    def _feedback(self, number: int, when: int, x: int) -> Row:
        metric, score = self.score(number)
        campaign = x % len(CAMPAIGNS)
        customer = mixed(number, self.seed + 2) % self.counts["customers"] if self.counts["customers"] else 0
        level = "low" if score < (7 if metric == "NPS" else 3) else "high" if score >= (9 if metric == "NPS" else 4) else "mid"
        country, state, city = COUNTRIES[x % 4]
        return {
            "id": object_id(FEEDBACK, number),
            "surveyId": object_id(SURVEY, self.survey_of(number)),
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
            "feedbackTopics": [{"name": TOPICS[x % 5], "sentiment": ("negative", "neutral", "positive")[score % 3]}],
            "feedbackTags": ["bug"][: x % 3 == 0],
            "feedbackTagsNew": ["bug"][: x % 3 == 0],
            "notes": [],
            "status": ("new", "closed")[x % 2],
            "assigned": None,
            "ratingCategory": {"low": "Negative", "mid": "Neutral", "high": "Positive"}[level],
            "resolved": x % 5 == 0,
            "channel": CAMPAIGNS[campaign][3],
            "metricsType": metric,
            "isBogus": False,
            "isSubmitted": x % 23 != 0,
        }

    def survey_of(self, feedback: int) -> int:
        """The number of the sent survey that a response is to."""
        return (
            feedback * self.counts["outbox"] // self.counts["feedback"]
            if self.counts["feedback"] and feedback < self.counts["feedback"]
            else feedback
        )

    def response_to(self, survey: int) -> int | None:
        """The number of the response to a sent survey."""
        if not self.counts["feedback"] or not self.counts["outbox"]:
            return None
        feedback = -(-survey * self.counts["feedback"] // self.counts["outbox"])
        return feedback if feedback < self.counts["feedback"] and self.survey_of(feedback) == survey else None

    def _survey(self, number: int, when: int, x: int) -> Row:
        sent = when + mixed(number, self.seed + 9) % 120_000
        response = self.response_to(number)
        campaign = mixed(response, self.seed) % len(CAMPAIGNS) if response is not None else x % len(CAMPAIGNS)
        customer = (
            mixed(response if response is not None else number, self.seed + 2) % self.counts["customers"]
            if self.counts["customers"]
            else 0
        )
        opened = response is not None or x % 3 == 0
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
            "surveyTemplateId": object_id(TEMPLATE, x % len(TEMPLATES)),
            "subject": "How did we do?",
            "sentBy": ("campaign", "reminder", "manual")[x % 3],
            "status": "RESPONDED" if response is not None else "OPENED" if opened else "SENT",
            "detailedStatus": {
                "isOpened": opened,
                "openedDate": stamp(sent + 60_000) if opened else "",
                "isResponded": response is not None,
                "respondedDate": stamp(answered) if response is not None else None,
                "hasFeedback": response is not None,
                "isOptedOut": x % 101 == 0,
                "isBounced": x % 89 == 0,
            },
            "attributes": {"customerTags": ["foo"][: x % 2], "customProps": self._plan(x >> 4)[:1]},
            "mandrillMessageId": f"{x:016x}",
            "additionalRecipients": ["cc@example.com"] if x % 29 == 0 else [],
        }
        if response is not None:
            row["responseId"] = object_id(FEEDBACK, response)
        return row
