"""What all streams of one run share: where the API is, from when on to read, how patient and how busy to be."""

import ipaddress
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ssl import create_default_context
from urllib.parse import urlsplit

from airbyte_cdk.sources.message import MessageRepository

from source_retently.budget import RateBudget
from source_retently.config import ConfigError

BASE_URL_VARIABLE = "RETENTLY_BASE_URL"
DEFAULT_BASE_URL = "https://app.retently.com"


def base_url(environment: Mapping[str, str] = os.environ) -> str:
    """Where the API and the token endpoint live, without a slash at the end.

    It is an environment variable and no option, so that nobody can be talked into sending a key elsewhere.

    :raises ConfigError: when it isn't https (plain http only for loopback addresses) or no URL at all
    """
    value = environment.get(BASE_URL_VARIABLE, "").strip() or DEFAULT_BASE_URL
    remedy = f"unset the environment variable, or set it to a URL like {DEFAULT_BASE_URL}."
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
        (host or "").encode("idna")  # as it will be on its way; refuses empty and endless parts
    except ValueError:
        raise ConfigError(f"{BASE_URL_VARIABLE} is not a URL: {remedy}") from None
    if url.scheme not in ("http", "https") or not host or url.query or url.fragment or url.username or url.password:
        raise ConfigError(f"{BASE_URL_VARIABLE} must be http(s)://host[:port][/path] and nothing else: {remedy}")
    if url.scheme == "http" and not _is_loopback(host):
        raise ConfigError(f"{BASE_URL_VARIABLE} must use https, or the key would travel in the open: {remedy}")
    return value.rstrip("/")


def check_certificates(environment: Mapping[str, str] = os.environ) -> None:
    """Sees to it that the certificates which requests was told to trust can be read; it would crash, or blame the network.

    :raises ConfigError: when they can't
    """
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := environment.get(variable):
            try:
                if os.path.isdir(path):
                    create_default_context(capath=path)
                else:
                    create_default_context(cafile=path)
            except OSError:  # an SSLError is one, too
                raise ConfigError(f"{variable} names no file of certificates: correct it, or unset it.") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Patience:
    """How long the connector waits, in seconds."""

    connect: float = 10
    """For a connection."""
    read: float = 60
    """For the next bytes of an answer."""
    answer: float = 300
    """For a whole answer, however steadily it drips."""
    retry: float = 300
    """From the first fault of a request to its last try."""
    rate_limit: float = 600
    """From the last success to giving up on an API that answers nothing but 429."""


@dataclass(frozen=True)
class Window:
    """From when on streams are read that the API filters by date."""

    start_date: datetime | None = None
    """Nothing older is wanted."""
    lookback: timedelta = timedelta(days=7)
    """How far before its cursor a stream is read again, because its rows change without a mark."""


SYNC_PATIENCE = Patience()
CHECK_PATIENCE = Patience(connect=5, read=6, answer=6, retry=3, rate_limit=0)
"""A check answers within 20 s, whatever the host does: somebody is looking at a spinner."""


@dataclass
class HttpContext:
    """What all streams of one run share: where the API is, how patient and how busy to be."""

    base: str = field(default_factory=base_url)
    patience: Patience = SYNC_PATIENCE
    budget: RateBudget = field(default_factory=RateBudget)
    window: Window = field(default_factory=Window)
    workers: int = 4
    """Pages of a stream that are fetched at the same time."""
    skipped: set[str] = field(default_factory=set)
    """Streams that were skipped because the account's plan lacks them."""
    absent: set[str] = field(default_factory=set)
    """Streams of which the API said that there is nothing, which alone is no reason to fail."""
    nuls: Counter[str] = field(default_factory=Counter)
    """U+0000 that were taken out of texts, by stream."""
    messages: MessageRepository | None = None
    """Where a stream reports its progress, for the source to emit; None where nobody wants to know."""

    @property
    def api(self) -> str:
        """Base of all paths (docs/api.md#base-url)."""
        return f"{self.base}/api/v2/"
