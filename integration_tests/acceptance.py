"""The pytest plugin of the tutorial's command: `python -m pytest integration_tests -p integration_tests.acceptance`.

It brings the hooks of airbyte-cdk's standard tests, and an account for them: the sandbox, or with RETENTLY_LIVE=1 the real
account of secrets/config.json, which replaces every configuration that should work.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.test.models import ConnectorTestScenario
from airbyte_cdk.test.models.scenario import ScenarioCommand

from integration_tests.foreign import docker_for
from sandbox.process import SandboxProcess

pytest_plugins = ("airbyte_cdk.test.standard_tests.pytest_hooks",)

LIVE = os.environ.get("RETENTLY_LIVE") == "1"
ACCOUNT: dict[str, Any] = {"customers": 30, "companies": 8, "feedback": 40, "outbox": 35, "rate_limit": 0}
COMMANDS: dict[str, ScenarioCommand] = {
    "test_config_matches_spec": "spec",
    "test_check": "check",
    "test_discover": "discover",
    "test_basic_read": "read",
    "test_fail_read_with_bad_catalog": "read",
}


@pytest.fixture(scope="session")
def connector_setup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The account, for as long as the standard tests run."""
    if LIVE:
        yield
        return
    with SandboxProcess(**ACCOUNT) as sandbox, pytest.MonkeyPatch.context() as patch:
        has_image = request.config.getoption("--connector-image")
        variables = docker_for(sandbox, tmp_path_factory.mktemp("docker")) if has_image else sandbox.environment
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what does not apply, and skips with a reason what can't run."""
    for item in items:
        name = item.name.split("[")[0]
        if name == "test_docker_image_spec_backward_compatibility":
            item.add_marker(pytest.mark.skip(reason=f"{name}: needs Airbyte's registry of specs"))
        elif name.startswith("test_docker_image") and not config.getoption("--connector-image"):
            item.add_marker(pytest.mark.skip(reason=f"{name}: needs --connector-image; `make docker` runs it"))
    config.hook.pytest_deselected(items=[item for item in items if not _applies(item)])
    items[:] = [item for item in items if _applies(item)]


def _applies(item: pytest.Item) -> bool:
    """Whether a standard test has a meaning for its configuration; the kit would skip it."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    scenario = parameters.get("scenario")
    if not isinstance(scenario, ConnectorTestScenario):
        return True
    command = COMMANDS.get(getattr(item, "originalname", "").replace("docker_image_build_and_", ""))
    return scenario.id == "token" if command is None else scenario.runs(command)
