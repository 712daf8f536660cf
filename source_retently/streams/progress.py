"""`Progress`: how far a paged stream has come, as an estimate for the platform and as lines of the log."""

import logging
import time

from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    EstimateType,
    TraceType,
    Type,
)
from airbyte_cdk.sources.message import MessageRepository

from source_retently.streams.pages import End

REPORT_EVERY = 10.0
"""Seconds between two lines on the progress of a stream; the first of several pages and the end are always logged."""


class Progress:
    """Reports on one reading of one stream."""

    def __init__(self, stream: str, logger: logging.Logger, messages: MessageRepository | None) -> None:
        """
        :param messages: where estimates go; None where nothing is reported
        """
        self._stream = stream
        self._logger = logger
        self._messages = messages
        self._reported: float | None = None

    def page(self, position: int, size: int, total: int | None) -> None:
        """Reports a page that was taken: `position` rows of `total` are read, in pages of `size`."""
        if self._messages is None or total is None:
            return
        now = time.monotonic()
        if self._reported is None:
            estimate = AirbyteEstimateTraceMessage(name=self._stream, type=EstimateType.STREAM, row_estimate=total)
            trace = AirbyteTraceMessage(type=TraceType.ESTIMATE, emitted_at=time.time() * 1000, estimate=estimate)
            self._messages.emit_message(AirbyteMessage(type=Type.TRACE, trace=trace))
            if position >= total:
                return  # the last line has the same numbers
        elif now - self._reported < REPORT_EVERY:
            return
        self._reported = now
        number, last = -(-position // size), -(-total // size)
        self._logger.info(f"{self._stream}: page {max(number, 1)} of {max(number, last, 1)}, {position:,} of {total:,} records")

    def end(self, end: End) -> None:
        """Logs that the list was read to its end: the last line of a stream."""
        of_total = f" of {end.total:,}" if end.total is not None else ""
        doubt = "" if end.overlaps else "; completeness is not proved, since the API takes pages of one size only"
        doubt = "; rows may be missing" if end.may_lack_rows else doubt
        count = end.seen if end.may_lack_rows else end.position
        self._logger.info(f"{self._stream}: {count:,}{of_total} records, read to the end{doubt}")
