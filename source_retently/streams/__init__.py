"""The catalogue: every stream of the connector, in the order in which it lists them."""

from source_retently.streams.account import Account
from source_retently.streams.base import RetentlyStream
from source_retently.streams.people import Companies, Customers, SuppressedDomains, SuppressedEmails
from source_retently.streams.scores import Ces, Csat, Nps, Reports, Star, TrendGroups, Trends
from source_retently.streams.surveys import Campaigns, Feedback, Outbox, TemplateDetails, Templates

STREAMS: tuple[type[RetentlyStream], ...] = (
    Campaigns,
    Companies,
    Customers,
    Feedback,
    Outbox,
    Reports,
    Nps,
    Csat,
    Ces,
    Star,
    Templates,
    TemplateDetails,
    TrendGroups,
    Trends,
    SuppressedEmails,
    SuppressedDomains,
    Account,
)
"""A stream of details stands behind its parent."""

__all__ = [
    "STREAMS",
    "Account",
    "Campaigns",
    "Ces",
    "Companies",
    "Csat",
    "Customers",
    "Feedback",
    "Nps",
    "Outbox",
    "Reports",
    "RetentlyStream",
    "Star",
    "SuppressedDomains",
    "SuppressedEmails",
    "TemplateDetails",
    "Templates",
    "TrendGroups",
    "Trends",
]
