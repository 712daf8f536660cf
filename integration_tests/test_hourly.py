"""Customers each hour: what a sync of them costs, as a process against the sandbox."""

import time

import pytest

from integration_tests.conftest import Connector, keys_in, small_pages
from sandbox.process import SandboxProcess
from unit_tests.run import catalog_of

CHANGES = 91


@pytest.mark.parametrize(
    ("position", "most"), [("honoured", 3), ("ignored", 15), ("refused", 15), ("disordered", 15), ("nulls_last", 15)]
)
def test_what_changed_comes_each_hour(forked: Connector, position: str, most: int) -> None:
    with SandboxProcess(customers=12_000, companies=0, feedback=0, outbox=0, rate_limit=0, customers_sort=position) as own:
        catalog = catalog_of("customers", sync_mode="incremental")
        run = forked("read", own, catalog=catalog)
        assert len(run.keys("customers")) == 12_000
        for hour in range(3):
            places = [
                place + (place % 50 == 0) for place in range(hour, 11_900, 12_000 // CHANGES)
            ]  # each 50th may have no date
            own.do(
                {"reset": True},
                {"kind": "customers", "insert": 2},
                *({"kind": "customers", "change": place, "values": {"jobTitle": f"Hour {hour}"}} for place in places),
            )
            keys = keys_in(own, "customers")
            run = forked("read", own, catalog=catalog, state=run.states)
            assert run.code == 0
            assert not run.warnings
            assert {*(keys[place] for place in places), *keys[-2:]} <= set(run.keys("customers"))
            assert own.stats()["requests"]["customers"] <= most
            if position == "ignored":  # pages that were read before the whole list are not counted twice
                assert f"customers: {len(keys):,} read (the API counts {len(keys):,})" in run.logs()[-1]
        own.do({"reset": True})
        run = forked("read", own, catalog=catalog, state=run.states)
        assert own.stats()["requests"]["customers"] == (1 if position in ("honoured", "disordered") else 13)


def test_rows_of_the_second_in_which_a_reading_began_hide_no_others(forked: Connector) -> None:
    with SandboxProcess(customers=300, companies=0, feedback=0, outbox=0, rate_limit=0, customers_sort="honoured") as own:
        own.do({"kind": "customers", "insert": 10, "when": int((time.time() + 60) * 1000)})
        config, catalog = own.config | small_pages(100), catalog_of("customers", sync_mode="incremental")
        run = forked("read", own, config=config, catalog=catalog)
        own.do({"reset": True})
        forked("read", own, config=config, catalog=catalog, state=run.states)
        assert own.stats()["requests"]["customers"] == 2  # the whole list takes four
