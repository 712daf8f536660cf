"""What rows are made of, and the short lists: campaigns, templates, trends. Always the same."""

from datetime import datetime, timedelta, timezone
from typing import Any

Row = dict[str, Any]

NEWEST = datetime(2026, 6, 1, tzinfo=timezone.utc)
"""Where the dates of the tests' rows end: on each day the same."""
SPAN = timedelta(days=700)
"""How far back they go."""

FIRST_NAMES = [
    "Ada",
    "Béla",
    "Chloé",
    "Dmitri",
    "Emeka",
    "Farah",
    "Grace",
    "Hiroshi",
    "Ines",
    "João",
    "Kwame",
    "Lena",
    "Mo",
    "Nía",
]
LAST_NAMES = [
    "Lovelace",
    "Kovács",
    "Martin",
    "Ivanov",
    "Okafor",
    "Haddad",
    "Hopper",
    "Sato",
    "Silva",
    "Mensah",
    "Østby",
    "Nguyen",
]
COMPANY_NAMES = [
    "Acme",
    "Globex",
    "Initech",
    "Umbrella",
    "Hooli",
    "Vandelay",
    "Soylent",
    "Stark",
    "Wayne",
    "Cyberdyne",
    "Tyrell",
]
INDUSTRIES = ["Software", "Retail", "Health", "Finance", "Education", "Logistics"]
COUNTRIES = [
    ("United States", "California", "Oakland"),
    ("Germany", "Berlin", "Berlin"),
    ("Brasil", "São Paulo", "Santos"),
    ("日本", "東京都", "東京"),
]
TITLES = ["CTO", "CEO", "Support Lead", "Accountant", "Product Manager", "Teacher"]
PLANS = ["Free", "Starter", "Professional plan", "Enterprise"]
TOPICS = ["Price", "Support", "Speed", "Design", "Reliability"]
COMMENTS = {
    "low": ["Too slow for us 🐌", "Support never answered.", 'The "new" editor\nloses my work.', "Price went up again"],
    "mid": ["It does the job.", "Fine, but the app crashes now and then", "OK", ""],
    "high": ["Love it! ❤", "Setup took five minutes", "Best support ever", "Exactly what we needed"],
}
GOOD_SCORES = (8, 7, 9, 10, 8, 9, 10, 9, 6, 9, 10, 10)
BAD_SCORES = (5, 7, 9, 10, 8, 4, 10, 3, 6, 2, 7, 0)
METRICS = ["NPS", "CSAT", "CES", "STAR", "EMOJI"]
"""EMOJI is an example of the metrics that have no stream."""
CAMPAIGNS = [
    ("NPS Q1", "NPS", "regular", "email"),
    ("NPS in app", "NPS", "recurring", "inapp"),
    ("CSAT after ticket", "CSAT", "transactional", "email"),
    ("CES onboarding", "CES", "transactional", "link"),
    ("STAR checkout", "STAR", "transactional", "link"),
    ("Old NPS", "NPS", "regular", "intercom"),
    ("Emoji in chat", "EMOJI", "recurring", "chat"),
]
TEMPLATES = ["Default NPS", "In-app NPS", "CSAT", "CES", "Stars", "Intercom NPS", "Emoji"]
"""One a campaign, in their order, with its metric and channel."""
RATING_QUESTIONS = {
    "NPS": "How likely are you to recommend us?",
    "CSAT": "How satisfied are you with our support?",
    "CES": "How easy was it to get started?",
    "STAR": "How many stars do you give the checkout?",
    "EMOJI": "How do you feel after this chat?",
}


def questions(metric: str) -> list[Row]:
    """The questions of a template."""
    return [
        {"type": "rating", "title": RATING_QUESTIONS[metric], "isRequired": True},
        {"type": "text", "title": "What is the reason for your score?", "isRequired": False},
    ]


def trend_groups(created: str) -> list[Row]:
    """The groups of trends, one a metric that is followed.

    :param created: when they were made
    """
    return [
        {
            "_id": f"{0x76:08x}{number:016x}",
            "groupName": f"{metric} by team",
            "metric": metric,
            "isDefault": number == 0,
            "trendsCount": 2 + number,
            "createdDate": created,
        }
        for number, metric in enumerate(METRICS[:2])
    ]


def trends_of(group: Row, with_ids: bool, day: str) -> list[Row]:
    """The trends of a group; the last two have the same name, as nothing forbids.

    :param day: the last day of their lines
    """
    names = ["Support", "Sales", "Sales"][: group["trendsCount"]]
    return [
        {
            **({"_id": f"{0x77:08x}{number:016x}"} if with_ids else {}),
            "name": name,
            "score": {"current": 40 + number, "previous": 38.5, "change": 1.5 + number},
            "lines": [{"day": day, "score": 40 + number}],
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


def campaigns() -> list[Row]:
    return [
        {
            "id": object_id(CAMPAIGN, i),
            "name": name,
            "isActive": i != 5,
            "templateId": object_id(TEMPLATE, i),
            "metric": metric,
            "type": kind,
            "channel": channel,
        }
        for i, (name, metric, kind, channel) in enumerate(CAMPAIGNS)
    ]


def templates() -> list[Row]:
    return [
        {"id": object_id(TEMPLATE, i), "name": name, "channel": channel, "metric": metric}
        for i, (name, (_, metric, _, channel)) in enumerate(zip(TEMPLATES, CAMPAIGNS, strict=True))
    ]
