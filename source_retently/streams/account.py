"""The account itself."""

from collections.abc import Iterable
from typing import Any

import requests

from source_retently.streams.base import RetentlyStream, Token
from source_retently.streams.walk import Row


class Account(RetentlyStream):
    """`GET /ping` (reference 2.1): one row, the account with its plan and usage. Not every source knows the endpoint."""

    records_at = ("data",)
    answers_one_object = True

    def path(self, **_: Any) -> str:
        return "ping"

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        return self.records(response)

    def next_page_token(self, response: requests.Response) -> Token:
        return None

    def identify(self, row: Row) -> None:
        # There is one; a hash of it would change with its usage.
        account = row.get("account") or {}
        row["id"] = str(account.get("id") or "account")
