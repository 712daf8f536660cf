"""`TrendStream`: rows and keys of trends, of which little is documented (docs/api.md#trends)."""

from abc import ABC
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from source_retently.streams.details import DetailStream
from source_retently.streams.envelope import stable_hash
from source_retently.streams.pages import Row
from source_retently.values import date_or_none


class TrendStream(DetailStream, ABC):
    """What a trend contains beside its score is unknown, so it stays whole, in `trend`.

    Its key is made of its group and the API's key, or else all its texts that are not dates; trends that agree in these are
    numbered.
    """

    def distinct(self, rows: Iterable[Row]) -> Collection[Row]:
        alike: Counter[str] = Counter()
        numbered = []
        for row in rows:
            key = row["id"]
            alike[key] += 1
            numbered.append(row if alike[key] == 1 else {**row, "id": stable_hash([key, alike[key]])})
        return numbered

    def rows_in(self, body: Any) -> list[Any] | None:
        trends = super().rows_in(body)
        if trends is None:
            return None
        data = body["data"] if isinstance(body.get("data"), dict) else {}
        date_range = body.get("dateRange") or data.get("dateRange")
        return [{"trend": trend, "dateRange": date_range} if isinstance(trend, dict) else trend for trend in trends]

    def fill_in(self, row: Row, parent: Row) -> None:
        row.update(groupId=parent.get("id"), groupName=parent.get("groupName"), metric=parent.get("metric"))

    def set_primary_key(self, row: Row) -> None:
        trend = row.get("trend") or {}
        own = trend.get("_id") or trend.get("id")
        texts = {name: value for name, value in trend.items() if isinstance(value, str) and not date_or_none(value)}
        row["id"] = stable_hash([row["groupId"], own or texts])
