"""The lists that come in pages, with all that the switches let an API do wrong with them."""

import random
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sandbox.control import Control
from sandbox.data import Row
from sandbox.endpoints import likely_array, nested
from sandbox.errors import ApiError
from sandbox.faults import OtherPage
from sandbox.store import Collection
from source_retently.streams.paged import PagedStream

Query = Mapping[str, str]

LARGEST_LIMIT = 1000
ROUND_LIMITS = (1, 10, 20, 50, 100, 200, 500, 1000, 2000)
EXACT = ("customerId", "campaignId", "email", "channel", "sentBy")
"""Parameters that narrow a list to the rows with this value."""


class Lists:
    """Makes the bodies of the paged endpoints."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._swings = False
        self._by_change: tuple[Any, list[int]] = (None, [])

    def body(self, stream: PagedStream, path: str, query: Query, other: OtherPage | None) -> dict[str, Any]:
        """
        :param path: the path that was asked for, the present one or the old one
        :param other: the page that comes in place of the one asked for, by an order
        :raises ApiError: when the switches want a refusal
        """
        switches = self._control.switches
        if stream.old_path and switches.list_paths == ("new" if path == stream.old_path else "old"):
            raise ApiError(404)
        asked, limit = _number(query, "page", 1), _number(query, "limit", 20)
        self._control.before_page(stream.name, asked)
        switches = self._control.switches
        limit = self._allowed(stream, limit)
        numbers = self._selected(stream, query)
        pages = -(-len(numbers) // limit)
        page = other.number or asked if other else asked
        if page > max(pages, 1):
            if switches.past_end == "refuse":
                raise ApiError(400)
            page = {"last": pages, "first": 1, "empty": page}[switches.past_end]
        sort = query.get("sort", f"-{stream.sort}")
        collection = self._control.store.collections[stream.name]
        if stream.name == "customers" and sort == "-updatedDate" and switches.customers_sort != "ignored":
            chosen = self._last_changed(collection, numbers)[(page - 1) * limit : page * limit]
            if switches.customers_sort == "disordered" and page > 1:
                random.shuffle(chosen)
        elif switches.sort == "ignored" or sort.startswith("-"):
            last = len(numbers) - (page - 1) * limit
            chosen = numbers[max(last - limit, 0) : max(last, 0)][::-1]
        else:
            chosen = numbers[(page - 1) * limit : page * limit]
        rows = [] if other and other.number is None else [self._row(collection, number) for number in chosen]
        total = self._total(len(numbers))
        echoed = {"right": page, "one": 1, "from_zero": asked - 1}[switches.echoed_page]
        paging = {"page": echoed, "pages": -(-total // limit), "limit": limit, "total": total, "sort": sort}
        array = likely_array(stream)
        body = {**(paging if switches.paging_in == "top" else {}), **nested(array, rows)}
        if switches.paging_in == "data":
            body = {**paging, **body} if array == "data" else {**body, "data": {**paging, **body.get("data", {})}}
        return body

    def rows(self, kind: str) -> list[Row]:
        """All rows of a list, oldest first, as the switches want them."""
        collection = self._control.store.collections[kind]
        return [self._row(collection, number) for number in collection.select(None, None, True, None)]

    def _allowed(self, stream: PagedStream, limit: int) -> int:
        """The number of rows of a page where so many are asked for."""
        switches = self._control.switches
        most = switches.companies_limit if stream.name == "companies" else LARGEST_LIMIT
        if (limit > most and switches.over_limit == "refuse") or (switches.limits == "round" and limit not in ROUND_LIMITS):
            raise ApiError(400)
        limit = min(limit, most)
        if switches.heavy_rows and limit >= switches.heavy_rows:
            raise ApiError(504)
        return limit

    def _selected(self, stream: PagedStream, query: Query) -> list[int]:
        """The numbers of the rows that the query selects, oldest first."""
        switches = self._control.switches
        collection = self._control.store.collections[stream.name]
        exact = {name: query[name] for name in EXACT if name in query}
        wanted = (lambda row: all(row.get(name) == value for name, value in exact.items())) if exact else None
        has_dates = stream.supports_incremental and switches.dates == "honoured"
        start, end = (_milliseconds(query.get(name)) if has_dates else None for name in ("startDate", "endDate"))
        numbers = collection.select(start, end, switches.bounds == "inclusive", wanted)
        if switches.row_dates == "sometimes" and (start is not None or end is not None):
            numbers = [number for number in numbers if _is_dated(collection.row(number), collection.kind)]
        if switches.ties == "changing":
            numbers = sorted(numbers, key=lambda number: (collection.made(number), random.random()))
        return numbers

    def _last_changed(self, collection: Collection, numbers: list[int]) -> list[int]:
        """These customers, the last changed first.

        :raises ApiError: when the switch wants a refusal
        """
        if self._control.switches.customers_sort == "refused":
            raise ApiError(400)
        key = (collection.version, self._control.switches)
        if self._by_change[0] != key:
            everyone = collection.select(None, None, True, None)
            dates = {number: self._row(collection, number).get("updatedDate", "") for number in everyone}
            self._by_change = key, sorted(dates, key=lambda number: str(dates[number]), reverse=True)
        wanted = set(numbers)
        return [number for number in self._by_change[1] if number in wanted]

    def _total(self, count: int) -> int:
        """The number of rows that a response states."""
        off = self._control.switches.total_off
        self._swings = not self._swings
        return {
            "exact": count,
            "more": count + off,
            "fewer": max(0, count - off),
            "zero": 0,
            "capped": min(count, off),
            "swinging": count - self._swings,
        }[self._control.switches.total]

    def _row(self, collection: Collection, number: int) -> Row:
        """A row as the switches want it."""
        switches = self._control.switches
        row = collection.row(number)
        is_undated = switches.row_dates == "sometimes" and not _is_dated(row, collection.kind)
        if collection.kind == "outbox":
            has_survey_id = {"sometimes": row["mandrillMessageId"][-1:] < "8", "always": True, "never": False}
            if not has_survey_id[switches.survey_id]:
                del row["surveyId"]
        has_no_date = switches.customers_sort == "nulls_last" and number % 50 == 0 and collection.kind == "customers"
        if switches.updated_date == "absent" or has_no_date:
            row.pop("updatedDate", None)
        if is_undated:
            row.pop("createdDate" if collection.kind == "feedback" else "sentDate", None)
        return row


def _is_dated(row: Row, kind: str) -> bool:
    return kind not in ("feedback", "outbox") or int(row.get("id") or row.get("surveyId") or "1", 16) % 50 > 0


def _number(query: Query, name: str, default: int) -> int:
    value = query.get(name, "")
    return max(int(value), 1) if value.isdigit() else default


def _milliseconds(value: str | None) -> int | None:
    """A date of a parameter: ISO 8601, or UNIX time in seconds (docs/api.md#dates)."""
    if not value:
        return None
    if value.isdigit():
        return int(value) * 1000
    date = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return int((date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() * 1000)
