"""Airbyte's standard tests on this connector, by `acceptance-test-config.yml`, and what they left of their older kit."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from docs.generate import EXPECTED, expected_records
from integration_tests.acceptance import LIVE
from integration_tests.conftest import CATALOG, ROOT
from source_retently import SourceRetently

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


def run(state_path: Path | None = None) -> EntrypointOutput:
    path = "secrets/config.json" if LIVE else CONFIG["acceptance_tests"]["basic_read"]["tests"][0]["config_path"]
    catalog = ConfiguredAirbyteCatalogSerializer.load(json.loads(CATALOG.read_text(encoding="utf-8")))
    state = json.loads(state_path.read_text(encoding="utf-8")) if state_path else []
    states = [AirbyteStateMessageSerializer.load(held) for held in state]
    return read(SourceRetently(), json.loads((ROOT / path).read_text(encoding="utf-8")), catalog, states)


def found(messages: list[AirbyteMessage]) -> list[dict[str, Any]]:
    return [{"stream": message.record.stream, "data": message.record.data} for message in messages if message.record]


@pytest.mark.skipif(LIVE, reason="the records are the sandbox's")
def test_expected_records() -> None:
    """The first record of each stream, every field of it."""
    assert expected_records() == EXPECTED.read_text(encoding="utf-8"), f"{EXPECTED.name} is stale: run make generate"


def test_a_full_refresh_says_the_same_twice() -> None:
    assert found(run().records) == found(run().records)


def test_a_state_of_the_future_is_no_end_of_all_syncs() -> None:
    """The older kit wanted no records; here a date that can't be right is said to be wrong, and everything is read."""
    output = run(ROOT / FUTURE)
    assert not output.errors
    warned = {message.log.message.split(":")[0] for message in output.logs if message.log and message.log.level.value == "WARN"}
    assert {"customers", "feedback", "outbox"} <= warned
    assert found(output.records) == found(run().records)
