"""What the account holds and how the API behaves, and the orders that change both while the sandbox runs."""

from collections import Counter
from typing import Any

from sandbox.faults import Faults
from sandbox.store import Store
from sandbox.switches import Switches


class Control:
    """Rows, switches, faults and counters of one sandbox."""

    def __init__(self, store: Store, switches: Switches) -> None:
        self.store = store
        self.switches = switches
        self.faults = Faults()
        self._plans: list[dict[str, Any]] = []
        self.reset()

    def reset(self) -> None:
        """Forgets what was counted."""
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.log: list[str] = []

    def count_request(self, path: str, query: str) -> None:
        self.requests[path] += 1
        self.log.append(f"{path}?{query}" if query else path)

    def do(self, order: dict[str, Any]) -> None:
        """Carries out an order, or keeps it until its page is asked for (`"before_page": n`); sandbox/README.md lists the orders.

        :raises ValueError: when it names something that does not exist
        """
        if "before_page" in order:
            self._plans.append(order)
        else:
            self._carry_out(order)

    def before_page(self, kind: str, page: int) -> None:
        """Carries out what was to happen before this page of a list."""
        due = [plan for plan in self._plans if plan["kind"] == kind and plan["before_page"] == page]
        self._plans = [plan for plan in self._plans if plan not in due]
        for plan in due:
            self._carry_out(plan)

    def _carry_out(self, order: dict[str, Any]) -> None:
        if "switch" in order:
            self.switches = self.switches.changed(**order["switch"])
        if "fault" in order or "faults" in order:
            self.faults.order(order)
        if order.get("reset"):
            self.reset()
        if order.get("forget_plans"):
            self._plans = []
        if "kind" in order:
            self._change_rows(order)

    def _change_rows(self, order: dict[str, Any]) -> None:
        collection = self.store.collections[order["kind"]]
        ahead = self.switches.clock_minutes * 60_000
        if "insert" in order:
            collection.insert(order["insert"], order.get("when"), ahead)
        if "delete" in order:
            collection.delete(order["delete"])
        if "change" in order:
            collection.change(order["change"], order["values"], ahead if order.get("stamp", True) else None)
