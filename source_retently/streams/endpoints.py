"""All streams, each with its endpoint (docs/api.md), in the order in which the connector lists them."""

from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any

import requests

from source_retently.streams.base import PageToken, Records, RetentlyStream, Slice, State
from source_retently.streams.changes import ChangesStream
from source_retently.streams.details import DetailStream, ParentStream, id_in
from source_retently.streams.envelope import stable_hash
from source_retently.streams.incremental import IncrementalStream
from source_retently.streams.paged import PagedStream
from source_retently.streams.pages import Row
from source_retently.streams.score import Score
from source_retently.streams.trend import TrendStream
from source_retently.values import date_text


class Campaigns(RetentlyStream):
    """`GET /campaigns` (docs/api.md#campaigns): one row a campaign."""

    record_paths = ("campaigns", "data.campaigns", "data")

    def path(self, **_: Any) -> str:
        return "campaigns"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class Companies(PagedStream):
    """`GET /companies` (docs/api.md#companies): one row a company. Not every account has any."""

    record_paths = ("data.companies",)
    sort = "createdDate"

    def path(self, **_: Any) -> str:
        return "companies"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class Customers(ChangesStream):
    """`GET /customers` (docs/api.md#customers): one row a customer.

    Which date its `startDate` filters is unknown (docs/api.md#customers-date-filter). Retently sets some fields perhaps without
    changing `updatedDate` (docs/api.md#customer-changes).
    """

    cursor_field = "updatedDate"
    change_fields = ("isInQueueSetAt", "lastSurveySent", "surveySubscriptionStatus")
    record_paths = ("data.subscribers", "data.customers")
    sort = "createdDate"
    old_path = "nps/customers"

    def path(self, **_: Any) -> str:
        return self.old_path if self.uses_old_path else "customers"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class Feedback(IncrementalStream):
    """`GET /feedback` (docs/api.md#feedback): one row a response. Tags, notes and more change later, without a date."""

    cursor_field = "createdDate"
    record_paths = ("data.responses",)
    sort = "createdDate"

    def path(self, **_: Any) -> str:
        return "feedback"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class Outbox(IncrementalStream):
    """`GET /outbox` (docs/api.md#outbox): one row a survey sent. Opened, answered and bounced change later, without a date.

    Its key is made here, since `surveyId` is often absent (docs/api.md#outbox-key). It is sorted by a date that its rows don't
    have, and that need not be in the order of `sentDate` (docs/api.md#outbox-order).
    """

    cursor_field = "sentDate"
    record_paths = ("data.surveys",)
    sort = "surveyCreatedDate"
    old_path = "nps/outbox"
    key_fields = ("customerId", "campaignId", "surveyTemplateId", "sentDate", "sentBy", "channel")
    """Fields that never change once a survey was sent; `email` is in place of a missing `customerId`."""

    def path(self, **_: Any) -> str:
        return self.old_path if self.uses_old_path else "outbox"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)

    def has_own_key(self, row: Row) -> bool:
        return bool(row.get("surveyId"))

    def set_primary_key(self, row: Row) -> None:
        names = self.key_fields if row.get("customerId") else ("email", *self.key_fields[1:])
        stable = {name: row[name] for name in names if row.get(name)}
        row["id"] = row.get("surveyId") or stable_hash(stable or row)


class Reports(RetentlyStream):
    """`GET /reports` (docs/api.md#reports): one row a campaign, with its figures of each day; a list, or a single object.

    With a start date it asks for the days since; the range that the API takes by default is unknown.
    """

    primary_key = "campaignId"
    record_paths = ("data",)
    accepts_single_object = True

    def path(self, **_: Any) -> str:
        return "reports"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)

    def request_params(
        self, stream_state: State, stream_slice: Slice = None, next_page_token: PageToken = None
    ) -> MutableMapping[str, Any]:
        start = self._settings.start_date
        if start is None:
            return {}
        return {"startDate": date_text(start)[:10], "endDate": date_text(datetime.now(timezone.utc))[:10]}


class Nps(Score):
    """The Net Promoter Score, -100 to 100."""


class Csat(Score):
    """The customer satisfaction score."""


class Ces(Score):
    """The customer effort score."""


class Star(Score):
    """The score in stars."""


class Templates(ParentStream):
    """`GET /templates` (docs/api.md#templates): one row a template. It ignores `page`: asked for page 2, it would never end."""

    record_paths = ("templates", "data.templates", "data")

    def path(self, **_: Any) -> str:
        return "templates"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class TemplateDetails(DetailStream):
    """`GET /templates/{id}` (docs/api.md#template_details): a template with its questions; one request each."""

    parent_stream = Templates
    record_paths = ("data.template", "data", "template")
    accepts_single_object = True

    def path(self, *, stream_slice: Slice = None, **_: Any) -> str:
        return f"templates/{id_in(stream_slice, 'templateId')}"

    def parse_response(self, response: requests.Response, *, stream_slice: Slice = None, **_: Any) -> Records:
        return self.records(response, stream_slice)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)

    def fill_in(self, row: Row, parent: Row) -> None:
        row["id"] = row.get("id") or parent.get("id")


class TrendGroups(ParentStream):
    """`GET /trends` (docs/api.md#trend_groups): one row a group of trends. Its key is `_id` in the API, and `id` here, too."""

    record_paths = ("groups", "data.groups", "data")
    is_optional = True

    def path(self, **_: Any) -> str:
        return "trends"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)

    def fill_in(self, row: Row, parent: Row) -> None:
        row["id"] = row.get("id") or row.get("_id")


class Trends(TrendStream):
    """`GET /trends/{groupId}` (docs/api.md#trends): one row a trend of a group, in the account's default range of dates."""

    parent_stream = TrendGroups
    record_paths = ("trends", "data.trends", "data")

    def path(self, *, stream_slice: Slice = None, **_: Any) -> str:
        return f"trends/{id_in(stream_slice, 'groupId')}"

    def parse_response(self, response: requests.Response, *, stream_slice: Slice = None, **_: Any) -> Records:
        return self.records(response, stream_slice)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class SuppressedEmails(RetentlyStream):
    """`GET /suppressions/emails` (docs/api.md#suppressed_emails): one row an address; some may be masked."""

    record_paths = ("data", "data.emails", "emails")
    is_optional = True

    def path(self, **_: Any) -> str:
        return "suppressions/emails"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class SuppressedDomains(RetentlyStream):
    """`GET /suppressions/domains` (docs/api.md#suppressed_domains): one row a pattern of domains, such as `*.example.com`."""

    record_paths = ("data", "data.domains", "domains")
    is_optional = True

    def path(self, **_: Any) -> str:
        return "suppressions/domains"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)


class Account(RetentlyStream):
    """`GET /ping` (docs/api.md#account): one row, the account with its plan and usage. Not every source knows the endpoint."""

    record_paths = ("data",)
    accepts_single_object = True
    is_optional = True

    def path(self, **_: Any) -> str:
        return "ping"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> PageToken:
        return self.next_page(response)

    def set_primary_key(self, row: Row) -> None:
        # The API may give none, and a hash of the row would change with its usage.
        account = row.get("account") or {}
        row["id"] = str(account.get("id") or "account")


# fmt: off
STREAMS: tuple[type[RetentlyStream], ...] = (
    Campaigns, Companies, Customers, Feedback, Outbox, Reports, Nps, Csat, Ces, Star, Templates, TemplateDetails, TrendGroups,
    Trends, SuppressedEmails, SuppressedDomains, Account,
)
"""A detail stream comes after its parent."""
