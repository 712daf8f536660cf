"""The API's clock, as its responses show it."""

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import requests


def api_time(response: requests.Response) -> datetime:
    """When a request was made, by the server's clock where the response has a `Date`; never later than that."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
        return date.replace(tzinfo=date.tzinfo or timezone.utc).astimezone(timezone.utc) - response.elapsed
    except (KeyError, TypeError, ValueError, OverflowError):
        return datetime.now(timezone.utc) - response.elapsed
