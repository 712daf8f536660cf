"""Airbyte's standard tests on this connector, by `acceptance-test-config.yml`, and what they left of their older kit."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from docs.generate import EXPECTED, expected_records
from integration_tests.acceptance import LIVE
from source_retently import SourceRetently
from unit_tests.run import ROOT, Run, catalog_of, read_in_process

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "acceptance-test-config.yml").read_text(encoding="utf-8"))
FUTURE = CONFIG["acceptance_tests"]["incremental"]["tests"][0]["future_state"]["future_state_path"]

pytestmark = [
    pytest.mark.usefixtures("connector_setup"),
    # The kit only warns of some flaws in a catalog; here they are errors, as all warnings are.
    pytest.mark.filterwarnings("error::airbyte_cdk.test.standard_tests._catalog_checks.DiscoveredCatalogWarning"),
]


class TestSuite(SourceTestSuiteBase):
    """All tests of the kit."""

    connector = SourceRetently

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return ROOT

    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        scenarios = super().get_scenarios()
        if LIVE:
            for scenario in scenarios:
                if scenario.status != "failed":
                    object.__setattr__(scenario, "config_path", Path("secrets/config.json"))
        return scenarios


def read(states: list[dict[str, Any]] | None = None) -> Run:
    path = "secrets/config.json" if LIVE else CONFIG["acceptance_tests"]["basic_read"]["tests"][0]["config_path"]
    return read_in_process(json.loads((ROOT / path).read_text(encoding="utf-8")), catalog_of(), states)


def records(run: Run) -> list[dict[str, Any]]:
    return [{"stream": record["stream"], "data": record["data"]} for record in run.of("RECORD")]


@pytest.mark.skipif(LIVE, reason="the records are the sandbox's")
def test_expected_records() -> None:
    """The first record of each stream, every field of it."""
    assert expected_records() == EXPECTED.read_text(encoding="utf-8"), f"{EXPECTED.name} is stale: run make generate"


def test_two_full_refreshes_emit_the_same() -> None:
    assert records(read()) == records(read())


def test_a_future_cursor_reads_everything() -> None:
    """The older kit wanted no records; here a date in the future gets a warning, and everything is read."""
    run = read(json.loads((ROOT / FUTURE).read_text(encoding="utf-8")))
    assert not run.errors
    assert {"customers", "feedback", "outbox"} <= {line.split(":")[0] for line in run.warnings}
    assert records(run) == records(read())
