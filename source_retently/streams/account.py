"""The account itself."""

from typing import Any

from source_retently.streams.base import SingleResponseStream
from source_retently.streams.paging import Row


class Account(SingleResponseStream):
    """`GET /ping` (docs/api.md#account): one row, the account with its plan and usage. Not every source knows the endpoint."""

    records_at = ("data",)
    answers_one_object = True
    may_be_lacking = True

    def path(self, **_: Any) -> str:
        return "ping"

    def set_primary_key(self, row: Row) -> None:
        # There is one; a hash of it would change with its usage.
        account = row.get("account") or {}
        row["id"] = str(account.get("id") or "account")
