"""Customers, companies and suppression lists."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import requests

from source_retently.streams.base import Records, SingleResponseStream, Token
from source_retently.streams.incremental import IncrementalStream
from source_retently.streams.paged import PagedStream
from source_retently.streams.paging import End, Row, Step
from source_retently.values import Unfit, utc

CHANGE_DATES = ("isInQueueSetAt", "lastSurveySent", "surveySubscriptionStatus")
"""Fields of a customer that Retently sets itself, perhaps without moving `updatedDate` (docs/api.md#customer-changes)."""


class Customers(IncrementalStream):
    """`GET /customers` (docs/api.md#customers): one row a customer, whole in every sync; only changed ones are emitted.

    Which date `startDate` filters is unknown (docs/api.md#customers-date-filter), so it is not sent.
    """

    cursor_field = "updatedDate"
    filters_by_date = False
    records_at = ("data.subscribers", "data.customers")
    sort = "createdDate"

    _has_updated_dates: bool | None = None
    """Whether a row of this reading says when it was updated; None before the first row."""
    _is_resumed = False

    old_path = "nps/customers"

    def path(self, **_: Any) -> str:
        return self.old_path if self.uses_old_path else "customers"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return self.next_page(response)

    def _begin(self, saved: Token) -> Any:
        self._has_updated_dates = None
        self._is_resumed = bool(self._cursor.unfinished)  # what the first part has shown is not known
        if self._cursor.lacks_updated_date:
            self.logger.info(f"{self.name}: no customer has an updatedDate, so all are emitted in each sync.")
        return super()._begin(saved)

    def emit(self, step: Step, response: requests.Response) -> Records:
        if step.rows:
            self._has_updated_dates = bool(self._has_updated_dates) or any(row.get("updatedDate") for row in step.rows)
        return super().emit(step, response)

    def date_of(self, row: Row) -> str | None:
        """When the customer was changed last: the latest of its dates, those in the future left aside.

        Where no customer has an `updatedDate`, nothing is known of changes, and none of them has a date.
        """
        if self._cursor.lacks_updated_date:
            return None
        date: str | None = row.get("updatedDate") or row.get("createdDate")
        changes = [found for name in CHANGE_DATES if row.get(name) for found in _dates_in(row[name])]
        return max((found for found in changes if date and date < found <= self._reading.started), default=date)

    def _end(self, end: End) -> None:
        super()._end(end)
        is_known = self._has_updated_dates is not None and (self._has_updated_dates or not self._is_resumed)
        if is_known:
            self._set_cursor(replace(self._cursor, lacks_updated_date=not self._has_updated_dates))


class Companies(PagedStream):
    """`GET /companies` (docs/api.md#companies): one row a company. Not every account has any."""

    records_at = ("data.companies",)
    sort = "createdDate"

    def path(self, **_: Any) -> str:
        return "companies"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return self.next_page(response)


class SuppressedEmails(SingleResponseStream):
    """`GET /suppressions/emails` (docs/api.md#suppressed_emails): one row an address.

    Those of Retently's own list may be masked.
    """

    records_at = ("data", "data.emails", "emails")
    may_be_lacking = True

    def path(self, **_: Any) -> str:
        return "suppressions/emails"


class SuppressedDomains(SingleResponseStream):
    """`GET /suppressions/domains` (docs/api.md#suppressed_domains): one row a pattern of domains, such as `*.example.com`."""

    records_at = ("data", "data.domains", "domains")
    may_be_lacking = True

    def path(self, **_: Any) -> str:
        return "suppressions/domains"


def _dates_in(value: Any) -> Iterator[str]:
    """Every date in a value of unknown shape, as text of 24 characters."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _dates_in(inner)
    elif isinstance(value, str):
        try:
            yield utc(value) or ""
        except Unfit:
            return
