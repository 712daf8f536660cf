"""Deterministic, realistic rows: each is a function of its number and the seed, made when it is asked for.

So a million rows cost nothing until they are read, and every run reads the same ones.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

Row = dict[str, Any]

FIRST_DAY = datetime(2024, 7, 1, tzinfo=timezone.utc)
SPAN = timedelta(days=700)

_FIRST = ["Ada", "Béla", "Chloé", "Dmitri", "Emeka", "Farah", "Grace", "Hiroshi", "Ines", "João", "Kwame", "Lena", "Mo", "Nía"]
_LAST = ["Lovelace", "Kovács", "Martin", "Ivanov", "Okafor", "Haddad", "Hopper", "Sato", "Silva", "Mensah", "Østby", "Nguyen"]
_WORDS = ["Acme", "Globex", "Initech", "Umbrella", "Hooli", "Vandelay", "Soylent", "Stark", "Wayne", "Cyberdyne", "Tyrell"]
_INDUSTRIES = ["Software", "Retail", "Health", "Finance", "Education", "Logistics"]
_COUNTRIES = [
    ("United States", "California", "Oakland"),
    ("Germany", "Berlin", "Berlin"),
    ("Brasil", "São Paulo", "Santos"),
    ("日本", "東京都", "東京"),
]
_TITLES = ["CTO", "CEO", "Support Lead", "Accountant", "Product Manager", "Teacher"]
_PLANS = ["Free", "Starter", "Professional plan", "Enterprise"]
_TOPICS = ["Price", "Support", "Speed", "Design", "Reliability"]
_CHANNELS = ["email", "link", "inapp", "intercom"]
_COMMENTS = {
    "low": ["Too slow for us 🐌", "Support never answered.", 'The "new" editor\nloses my work.', "Price went up again"],
    "mid": ["It does the job.", "Fine, but the app crashes now and then", "OK", ""],
    "high": ["Love it! ❤", "Setup took five minutes", "Best support ever", "Exactly what we needed"],
}
_GOOD = (8, 7, 9, 10, 8, 9, 10, 9, 6, 9, 10, 10)
_BAD = (5, 7, 9, 10, 8, 4, 10, 3, 6, 2, 7, 0)
METRICS = ["NPS", "CSAT", "CES", "STAR", "EMOJI"]
"""The last stands for all that Retently has beside the four whose scores the connector reads."""
CAMPAIGNS = [
    ("NPS Q1", "NPS", "regular", "email"),
    ("NPS in app", "NPS", "recurring", "inapp"),
    ("CSAT after ticket", "CSAT", "transactional", "email"),
    ("CES onboarding", "CES", "transactional", "link"),
    ("STAR checkout", "STAR", "transactional", "link"),
    ("Old NPS", "NPS", "regular", "intercom"),
    ("Emoji in chat", "EMOJI", "recurring", "chat"),
]
TEMPLATES = [
    ("Default NPS", "email", "NPS"),
    ("In-app NPS", "inapp", "NPS"),
    ("CSAT", "email", "CSAT"),
    ("CES", "link", "CES"),
    ("Stars", "link", "STAR"),
]


QUESTIONS = [
    {"type": "rating", "title": "How likely are you to recommend us?", "isRequired": True},
    {"type": "text", "title": "What is the reason for your score?", "isRequired": False},
]
SUPPRESSED_EMAILS = [
    {
        "id": f"{0x5E:08x}{number:016x}",
        "email": email,
        "reason": "bounced",
        "note": None,
        "addedBy": by,
        "createdAt": "2025-03-01T08:00:00.000Z",
    }
    for number, (email, by) in enumerate((("gone@example.com", "Ada"), ("j***@g***.com", None), ("j***@g***.com", None)))
]
SUPPRESSED_DOMAINS = [
    {
        "id": f"{0x5D:08x}{number:016x}",
        "pattern": pattern,
        "category": category,
        "reason": None,
        "note": "",
        "addedBy": "Ada",
        "createdAt": "2025-03-02T08:00:00.000Z",
    }
    for number, (pattern, category) in enumerate((("*.example.com", "corporate"), ("mailinator.com", "disposable")))
]


def trend_groups() -> list[Row]:
    """The groups of trends, one a metric that is followed."""
    return [
        {
            "_id": f"{0x76:08x}{number:016x}",
            "groupName": f"{metric} by team",
            "metric": metric,
            "isDefault": number == 0,
            "trendsCount": 2 + number,
            "createdDate": "2025-01-01T00:00:00.000Z",
        }
        for number, metric in enumerate(METRICS[:2])
    ]


def trends_of(group: Row, with_ids: bool) -> list[Row]:
    """The trends of a group; the last two have the same name, as nothing forbids."""
    names = ["Support", "Sales", "Sales"][: group["trendsCount"]]
    return [
        {
            **({"_id": f"{0x77:08x}{number:016x}"} if with_ids else {}),
            "name": name,
            "score": {"current": 40 + number, "previous": 38.5, "change": 1.5 + number},
            "lines": [{"day": "2026-05-31", "score": 40 + number}],
        }
        for number, name in enumerate(names)
    ]


def stamp(milliseconds: int) -> str:
    """A date as the API writes it (docs/api.md#dates)."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def object_id(kind: int, number: int) -> str:
    """24 hexadecimal digits, as the API's ids look."""
    return f"{kind:08x}{number:016x}"


def mixed(number: int, salt: int) -> int:
    """A number that looks like chance and is always the same (splitmix64)."""
    z = (number * 0x9E3779B97F4A7C15 + salt * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ (z >> 31)


CAMPAIGN, TEMPLATE, COMPANY, CUSTOMER, FEEDBACK, SURVEY = range(0x5A9D5957, 0x5A9D5957 + 6)


@dataclass(frozen=True)
class Account:
    """How much there is of everything, and the seed that it is made from."""

    customers: int = 2500
    companies: int = 240
    feedback: int = 4200
    outbox: int = 9000
    seed: int = 1

    def when(self, number: int, count: int) -> int:
        """Milliseconds of the number-th of so many rows: ascending, with every tenth on the same instant as the one before."""
        number -= number % 10 == 0 and number > 0
        step = SPAN.total_seconds() * 1000 / max(count, 1)
        return int(FIRST_DAY.timestamp() * 1000 + (number + 0.9 * (mixed(number, self.seed) % 1000) / 1000) * step)

    def created(self, kind: str, number: int) -> int:
        """What the API sorts a row by (for the outbox a date that its rows don't show)."""
        return self.when(number, getattr(self, kind))

    def dated(self, kind: str, number: int) -> int:
        """What the API filters a row by."""
        delay = mixed(number, self.seed + 9) % 120_000 if kind == "outbox" else 0
        return self.created(kind, number) + delay

    def row(self, kind: str, number: int, when: int) -> Row:
        """
        :param when: milliseconds at which the row was made
        """
        make = {"customers": self._customer, "companies": self._company, "feedback": self._feedback, "outbox": self._survey}
        return make[kind](number, when, mixed(number, self.seed))

    def score(self, number: int) -> tuple[str, int]:
        """Metric and score of a response."""
        x = mixed(number, self.seed)
        metric = CAMPAIGNS[x % len(CAMPAIGNS)][1]
        # Moods come and go, so that a chart by month has something to tell.
        is_good = (x >> 20) % 100 < 55 + 30 * math.sin(9 * number / max(self.feedback, 1))
        high = (_GOOD if is_good else _BAD)[(x >> 8) % 12]
        return metric, high if metric == "NPS" else 1 + high * 4 // 10

    def _person(self, number: int) -> dict[str, Any]:
        x = mixed(number, self.seed + 1)
        first, last = _FIRST[x % len(_FIRST)], _LAST[(x >> 8) % len(_LAST)]
        company = number % self.companies if self.companies else None
        return {
            "email": f"customer{number}@example.com",
            "firstName": first,
            "lastName": last,
            "companyName": self._company_name(company) if company is not None else None,
            "companyId": object_id(COMPANY, company) if company is not None else None,
        }

    @staticmethod
    def _company_name(number: int) -> str:
        return f"{_WORDS[number % len(_WORDS)]} {number}"

    def _plan(self, x: int) -> list[Row]:
        properties: list[Row] = [
            {"label": "Subscription name", "name": "subscription_name", "type": "text", "value": _PLANS[x % 4]},
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
            "jobTitle": _TITLES[x % len(_TITLES)] if x % 5 else None,
            "phoneNumber": f"+1555{x % 10000:04d}" if x % 3 else None,
            "location": {"country": _COUNTRIES[x % 4][0]},
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
            "industryName": _INDUSTRIES[x % len(_INDUSTRIES)],
            "tags": ["vip"] if x % 4 == 0 else [],
            "cxMetrics": {"NPS": x % 201 - 100, "CSAT": None, "CES": None, "STAR": (x % 41 + 10) / 10},
            "contactsCount": x % 40,
        }

    def _feedback(self, number: int, when: int, x: int) -> Row:
        metric, score = self.score(number)
        campaign = x % len(CAMPAIGNS)
        customer = mixed(number, self.seed + 2) % self.customers if self.customers else 0
        level = "low" if score < (7 if metric == "NPS" else 3) else "high" if score >= (9 if metric == "NPS" else 4) else "mid"
        country, state, city = _COUNTRIES[x % 4]
        return {
            "id": object_id(FEEDBACK, number),
            "surveyId": object_id(SURVEY, self.survey_of(number)),
            "customerId": object_id(CUSTOMER, customer),
            **self._person(customer),
            "jobTitle": _TITLES[x % len(_TITLES)],
            "country": country,
            "state": state,
            "city": city,
            "tags": ["foo"][: x % 2],
            "customProps": [{"name": "plan", "type": "text", "value": _PLANS[x % 4]}],
            "campaignId": object_id(CAMPAIGN, campaign),
            "campaignName": CAMPAIGNS[campaign][0],
            "createdDate": stamp(when),
            "score": score,
            "comment": _COMMENTS[level][(x >> 16) % 4],
            "checkbox": x % 2 == 0,
            "additionalQuestions": [{"questionText": "Why?", "type": "text", "metricsType": metric, "answer": "Because"}][
                : x % 2
            ],
            "feedbackTopics": [{"name": _TOPICS[x % 5], "sentiment": ("negative", "neutral", "positive")[score % 3]}],
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
        """The number of the sent survey that a response answers."""
        return feedback * self.outbox // self.feedback if self.feedback and feedback < self.feedback else feedback

    def response_to(self, survey: int) -> int | None:
        """The number of the response to a sent survey."""
        if not self.feedback or not self.outbox:
            return None
        feedback = -(-survey * self.feedback // self.outbox)
        return feedback if feedback < self.feedback and self.survey_of(feedback) == survey else None

    def _survey(self, number: int, when: int, x: int) -> Row:
        sent = when + mixed(number, self.seed + 9) % 120_000
        response = self.response_to(number)
        campaign = mixed(response, self.seed) % len(CAMPAIGNS) if response is not None else x % len(CAMPAIGNS)
        customer = mixed(response if response is not None else number, self.seed + 2) % self.customers if self.customers else 0
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

    def campaigns(self) -> list[Row]:
        return [
            {
                "id": object_id(CAMPAIGN, i),
                "name": name,
                "isActive": i != 5,
                "templateId": object_id(TEMPLATE, i % len(TEMPLATES)),
                "metric": metric,
                "type": kind,
                "channel": channel,
            }
            for i, (name, metric, kind, channel) in enumerate(CAMPAIGNS)
        ]

    def templates(self) -> list[Row]:
        return [
            {"id": object_id(TEMPLATE, i), "name": name, "channel": channel, "metric": metric}
            for i, (name, channel, metric) in enumerate(TEMPLATES)
        ]
