"""Airbyte's checks of connectors (connectors_qa), but for those that the design overrules: Poetry, and no Dockerfile.

What they check of versions, breaking changes and the user's page is in test_agreement.py.
"""

import re
from datetime import date, timedelta
from importlib.metadata import metadata as installed_metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "docs", "examples", "probe", "release", "sandbox", "source_retently")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.*")) if path.suffix not in (".pyc", ".png")]
FILES += [path for path in sorted(ROOT.iterdir()) if path.suffix in (".lock", ".md", ".py", ".toml", ".txt", ".yaml", ".yml")]
FILES += [ROOT / "Dockerfile", ROOT / "Makefile"]
OURS = r"127\.0\.0\.1|\[::1\]|localhost|\{"
"""Addresses of this machine; what a program puts together is checked where it is used."""


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))["data"]
    return data


def test_addresses_are_https() -> None:
    # The address of a JSON Schema is a name, which nobody requests.
    pattern = re.compile(rf"http://(?!{OURS}|json-schema\.org)[^\s`\"'<>)]+")
    found = {path: pattern.findall(path.read_text(encoding="utf-8")) for path in FILES if path.is_file()}
    assert {path.relative_to(ROOT).as_posix(): addresses for path, addresses in found.items() if addresses} == {}


def test_the_licence_is_the_same(metadata: dict[str, Any]) -> None:
    assert metadata["license"] == installed_metadata("airbyte-source-retently")["License-Expression"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_version_is_semantic(metadata: dict[str, Any]) -> None:
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", metadata["dockerImageTag"])


def test_a_breaking_change_has_a_deadline_and_what_happens_then(metadata: dict[str, Any]) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for version, change in metadata["releases"]["breakingChanges"].items():
        (released,) = re.findall(rf"^## \[{re.escape(version)}\] - (\S+)$", changelog, re.MULTILINE)
        assert date.fromisoformat(change["upgradeDeadline"]) >= date.fromisoformat(released) + timedelta(weeks=1)
        assert change["deadlineAction"] in ("auto_upgrade", "disable")


def test_the_tags_and_the_registries_are_declared(metadata: dict[str, Any]) -> None:
    assert {"language:python", "cdk:python"} <= set(metadata["tags"])
    assert metadata["remoteRegistries"]["pypi"]["enabled"] is False  # the name is taken by Airbyte's old package
    assert "@sha256:" in metadata["connectorBuildOptions"]["baseImage"]
    assert metadata["maxSecondsBetweenMessages"] > 0
