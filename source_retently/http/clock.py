"""The API's clock, as its responses show it."""

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import requests


def api_time(response: requests.Response) -> datetime:
    """When a request was made, by the server's clock or this machine's, whichever is behind.

    With a `Date` header it is never later than the request; without one, by the time that the headers took at the most.
    """
    own = datetime.now(timezone.utc)
    try:
        date = parsedate_to_datetime(response.headers["Date"])
        return min(own, date.replace(tzinfo=date.tzinfo or timezone.utc).astimezone(timezone.utc)) - response.elapsed
    except (KeyError, TypeError, ValueError, OverflowError):
        return own - response.elapsed
