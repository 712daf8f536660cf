"""Who is asked, and who must not be: customers, their companies, and the account's lists of suppressed addresses."""

from collections.abc import Iterable
from typing import Any

import requests

from source_retently.streams.base import OneAnswer, RetentlyStream, Token
from source_retently.streams.incremental import IncrementalStream
from source_retently.streams.walk import Row


class Customers(IncrementalStream):
    """`GET /nps/customers` (reference 2.2): one row a customer, whole in every sync; only changed ones are emitted.

    Which date `startDate` filters is unknown (contradiction 14), so it is not sent.
    """

    cursor_field = "updatedDate"
    filters_by_date = False
    has_late_changes = False
    records_at = ("data.subscribers", "data.customers")
    sort = "createdDate"
    birth = "createdDate"

    def path(self, **_: Any) -> str:
        return "nps/customers"

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return self.next_page(response)

    def _dates_of(self, rows: list[Row]) -> list[str | None]:
        return [row.get("updatedDate") or row.get("createdDate") for row in rows]


class Companies(RetentlyStream):
    """`GET /companies` (reference 2.4): one row a company. Not every account has any."""

    is_paged = True
    records_at = ("data.companies",)
    sort = "createdDate"
    birth = "createdDate"

    def path(self, **_: Any) -> str:
        return "companies"

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return self.next_page(response)


class SuppressedEmails(OneAnswer):
    """`GET /suppressions/emails` (reference 2.15): one row an address; those of Retently's own list may be masked."""

    records_at = ("data", "data.emails", "emails")

    def path(self, **_: Any) -> str:
        return "suppressions/emails"


class SuppressedDomains(OneAnswer):
    """`GET /suppressions/domains` (reference 2.16): one row a pattern of domains, such as `*.example.com`."""

    records_at = ("data", "data.domains", "domains")

    def path(self, **_: Any) -> str:
        return "suppressions/domains"
