"""Feedback, sent surveys (outbox), campaigns and templates."""

from typing import Any

import requests

from source_retently.streams.base import Records, RetentlyStream, Token, stable_hash
from source_retently.streams.details import DetailStream, Listing, id_in
from source_retently.streams.incremental import IncrementalStream
from source_retently.streams.paging import Row


class Feedback(IncrementalStream):
    """`GET /feedback` (docs/api.md#feedback): one row a response. Tags, notes and more change later, without a mark."""

    cursor_field = "createdDate"
    records_at = ("data.responses",)
    sort = "createdDate"

    def path(self, **_: Any) -> str:
        return "feedback"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return self.next_page(response)


class Outbox(IncrementalStream):
    """`GET /outbox` (docs/api.md#outbox): one row a survey sent. Opened, answered and bounced come later, without a mark.

    Its key is made here, since `surveyId` is often absent (docs/api.md#outbox-key). It sorts by a date that its rows don't show
    and that need not be in the order of `sentDate` (docs/api.md#outbox-order).
    """

    cursor_field = "sentDate"
    records_at = ("data.surveys",)
    sort = "surveyCreatedDate"
    never_changing = ("customerId", "campaignId", "surveyTemplateId", "sentDate", "sentBy", "channel")
    """Fields that stay as they are once a survey was sent; the recipient is named by `email` where `customerId` is absent."""

    old_path = "nps/outbox"

    def path(self, **_: Any) -> str:
        return self.old_path if self.uses_old_path else "outbox"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return self.next_page(response)

    def has_own_key(self, row: Row) -> bool:
        return bool(row.get("surveyId"))

    def set_primary_key(self, row: Row) -> None:
        names = self.never_changing if row.get("customerId") else ("email", *self.never_changing[1:])
        stable = {name: row[name] for name in names if row.get(name)}
        row["id"] = row.get("surveyId") or stable_hash(stable or row)


class Campaigns(RetentlyStream):
    """`GET /campaigns` (docs/api.md#campaigns): all campaigns in one answer."""

    records_at = ("campaigns", "data.campaigns", "data")

    def path(self, **_: Any) -> str:
        return "campaigns"

    def parse_response(self, response: requests.Response, **_: Any) -> Records:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return None


class Templates(Listing):
    """`GET /templates` (docs/api.md#templates): all templates in one answer; `page` is ignored and would never end."""

    records_at = ("templates", "data.templates", "data")

    def path(self, **_: Any) -> str:
        return "templates"


class TemplateDetails(DetailStream):
    """`GET /templates/{id}` (docs/api.md#template_details): a template with its questions, at the price of a request each."""

    parent_stream = Templates
    records_at = ("data.template", "data", "template")
    answers_one_object = True

    def path(self, *, stream_slice: Token = None, **_: Any) -> str:
        return f"templates/{id_in(stream_slice, 'templateId')}"

    def fill_in(self, row: Row, parent: Row) -> None:
        row["id"] = row.get("id") or parent.get("id")
