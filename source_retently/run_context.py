"""What all streams of a run share: `Settings`, which stay as they are, and the `Outcome`, which they add to."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airbyte_cdk.sources.message import MessageRepository

from source_retently.config import REQUESTS_PER_MINUTE
from source_retently.environment import base_url
from source_retently.http.rate_limit import RateBudget


@dataclass(frozen=True)
class Timeouts:
    """Timeouts and retry limits, in seconds."""

    connect: float = 10
    """For a connection."""
    read: float = 60
    """For the next bytes of a response."""
    response: float = 300
    """For a whole response, even if bytes keep arriving slowly."""
    retry: float = 300
    """From the first error of a request to its last try."""
    rate_limit: float = 600
    """From the last success to giving up on an API that returns nothing but 429."""


SYNC_TIMEOUTS = Timeouts()
CHECK_TIMEOUTS = Timeouts(connect=5, read=6, response=6, retry=3, rate_limit=0)
"""A check returns within 20 s, whatever the host does: a user waits for it."""


@dataclass(frozen=True)
class Settings:
    """What the user configured, as the streams need it."""

    base_url: str = field(default_factory=base_url)
    timeouts: Timeouts = SYNC_TIMEOUTS
    start_date: datetime | None = None
    """Older rows are not wanted."""
    lookback: timedelta = timedelta(days=7)
    """How far before its cursor a stream is read again, because its rows change without changing their date."""
    full_read_every: timedelta = timedelta(hours=24)
    """After which time the customers are read whole, where a sync asks for their changes only."""
    workers: int = 4
    """Pages of a stream that are fetched at the same time."""
    budget: RateBudget = field(default_factory=lambda: RateBudget(REQUESTS_PER_MINUTE))
    """Shared by all streams and threads."""

    @property
    def api(self) -> str:
        """Base of all paths (docs/api.md#base-url)."""
        return f"{self.base_url}/api/v2/"


@dataclass
class Outcome:
    """What the streams of a run report to the source."""

    skipped: set[str] = field(default_factory=set)
    """Streams that were skipped because the account's plan lacks them."""
    no_data: set[str] = field(default_factory=set)
    """Streams without data (404); not an error by itself."""
    nuls: Counter[str] = field(default_factory=Counter)
    """How many U+0000 were removed from texts, by stream."""
    read: Counter[str] = field(default_factory=Counter)
    """How many rows were read, each once, by stream."""
    emitted: Counter[str] = field(default_factory=Counter)
    """How many records were emitted, by stream."""
    counted: dict[str, int] = field(default_factory=dict)
    """How many rows the API counts, by stream, by the `total` of its last page."""
    may_lack_rows: set[str] = field(default_factory=set)
    """Streams whose list moved in a way that may have hidden rows."""
    nulled: dict[str, set[str]] = field(default_factory=dict)
    """Fields with values that became null, because they do not fit the schema, by stream."""
    messages: MessageRepository | None = None
    """Where streams put estimates, for the source to emit; None where they are not wanted."""
