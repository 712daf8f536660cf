"""`RateBudget`: one budget of requests for all streams and threads of a run, so that the API returns no 429."""

import logging
import time
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import Any

import requests
from airbyte_cdk.sources.streams.call_rate import APIBudget, CallRateLimitHit, MovingWindowCallRatePolicy, Rate

logger = logging.getLogger("airbyte.budget")

WINDOW = timedelta(minutes=1)
"""The time that the API's limit is counted over (docs/api.md#rate-limit)."""


def allowed(requests_per_minute: int) -> int:
    """How many of the requests a minute are used: 14/15 of them (140 of 150).

    Requests in flight may arrive closer together than they were sent, and a check may run at the same time.
    """
    return max(1, requests_per_minute * 14 // 15)


class RateBudget(APIBudget):
    """Lets a request through when the last minute has room for it, one after another.

    The CDK's own waiting lets several threads through at once; here they queue, so that the limit holds.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self._limit = requests_per_minute
        rate = Rate(allowed(requests_per_minute), WINDOW)
        self._window = MovingWindowCallRatePolicy(rates=[rate], matchers=[])
        super().__init__(policies=[self._window])
        self._queue = Lock()
        self._paused_until = self._waiting_until = 0.0
        self.requests = 0
        """How many requests were sent."""
        self.waited = 0.0
        """For how many seconds any thread waited for the limit."""
        self.last_success = 0.0
        """When the API last returned something else than 429, on the monotonic clock."""

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:
        """Waits, as long as it takes, until the request may be sent."""
        with self._queue:
            pause = self._paused_until - time.monotonic()
            if pause > 0:
                self._note_wait(pause)
                time.sleep(pause)  # another thread received a 429, and has logged it
            while (seconds := self._seconds_to_wait(request)) > 0:
                if seconds >= 1:
                    until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
                    logger.info(
                        f"Waiting until {until:%H:%M:%S} UTC: the last minute's share of the {self._limit} requests "
                        "that the API allows is used up."
                    )
                self._note_wait(seconds)
                time.sleep(seconds)
            self.requests += 1

    def _seconds_to_wait(self, request: Any) -> float:
        """0 when the request may be sent; it is counted then."""
        try:
            self._window.try_acquire(request, weight=1)
        except CallRateLimitHit as hit:
            # A traceback keeps its callers' frames alive, and one of them will hold the page that this request brings.
            hit.__traceback__ = hit.__context__ = None
            return max(hit.time_to_wait.total_seconds(), 0.001)
        return 0

    def pause(self, seconds: float) -> None:
        """Holds all requests back for a while, since one of them received a 429."""
        self._note_wait(seconds)
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def _note_wait(self, seconds: float) -> None:
        """Adds a wait that begins now, as far as no other thread waits at the same time."""
        until = time.monotonic() + seconds
        self.waited += max(0.0, until - max(self._waiting_until, time.monotonic()))
        self._waiting_until = max(self._waiting_until, until)

    def update_from_response(self, request: Any, response: Any) -> None:
        if isinstance(response, requests.Response) and response.status_code != requests.codes.too_many_requests:
            self.last_success = time.monotonic()
