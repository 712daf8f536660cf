"""The catalogue: every stream of the connector, in the order in which a sync reads them."""

from source_retently.streams.base import RetentlyStream
from source_retently.streams.people import Companies, Customers
from source_retently.streams.scores import Nps, Reports
from source_retently.streams.surveys import Campaigns, Feedback, Outbox, Templates

STREAMS: tuple[type[RetentlyStream], ...] = (
    Campaigns,
    Companies,
    Customers,
    Feedback,
    Outbox,
    Reports,
    Nps,
    Templates,
)

__all__ = [
    "STREAMS",
    "Campaigns",
    "Companies",
    "Customers",
    "Feedback",
    "Nps",
    "Outbox",
    "Reports",
    "RetentlyStream",
    "Templates",
]
