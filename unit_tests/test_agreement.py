"""Copies of the version, the stream list and the defaults agree with it."""

import re
from importlib.metadata import metadata as installed_metadata
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from docs.erd.relations import RELATIONS
from docs.generate import EXPECTED, FILES, PAGE
from docs.tables import OCCASIONS
from release.version import COPIES, copies
from source_retently.environment import DEFAULT_BASE_URL
from source_retently.http import responses
from source_retently.http.responses import Meaning
from source_retently.spec import DOCUMENTATION_URL
from source_retently.streams.endpoints import STREAMS

ROOT = Path(__file__).parent.parent
VERSION = version("airbyte-source-retently")
NAMES = {stream().name for stream in STREAMS}


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(text("metadata.yaml"))["data"]
    return data


def test_pyproject_is_the_only_source_of_the_version(metadata: dict[str, Any]) -> None:
    assert metadata["dockerImageTag"] == VERSION
    assert dict.fromkeys(COPIES, VERSION) == copies()
    (changed,) = re.findall(rf"^## \[{VERSION}\] - (\S+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert f"| {VERSION} | {changed} |" in PAGE.read_text(encoding="utf-8")


def test_the_image_has_the_same_version_and_base(metadata: dict[str, Any]) -> None:
    dockerfile = text("Dockerfile")
    assert f"io.airbyte.version={VERSION} io.airbyte.name={metadata['dockerRepository']}" in dockerfile
    assert f"ARG BASE_IMAGE={metadata['connectorBuildOptions']['baseImage']}\n" in dockerfile


def test_the_docs_have_their_headers_in_airbytes_order() -> None:
    headers = re.findall(r"^(## .*|### For .*|### Performance .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headers == [
        "## Prerequisites",
        "## Setup guide",
        "## Set up Retently",
        "### For Airbyte Cloud:",
        "### For Airbyte Open Source:",
        "## Supported sync modes",
        "## Supported Streams",
        "### Performance considerations",
        "## Data type map",
        "## Limitations & Troubleshooting",
        "## Changelog",
    ]


def test_every_stream_has_its_section_with_fields() -> None:
    streams = PAGE.read_text(encoding="utf-8").split("## Supported Streams")[1].split("### Performance")[0]
    sections = {section.split("\n")[0]: section for section in streams.split("\n### ")[1:]}
    assert list(sections) == [stream().name for stream in STREAMS]
    for name, section in sections.items():
        assert f"<!-- generated: fields of {name} -->" in section


@pytest.mark.parametrize(
    "path", [path for path in FILES if path != EXPECTED], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_generated_files_are_fresh(path: Path) -> None:
    assert FILES[path]() == path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)} is stale: run make generate"


def test_the_docs_name_the_columns_about_persons() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("### Personal data")[2].partition("### Many accounts")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    named = {stream: set(re.findall(r"`(\w+)`", columns)) for stream, columns in rows}
    obvious = {"email", "firstName", "lastName", "jobTitle", "phoneNumber", "comment", "note", "notes", "addedBy"}
    for stream in (make() for make in STREAMS):
        fields = set(stream.get_json_schema()["properties"])
        assert fields & obvious <= named.get(stream.name, set()) <= fields


def test_relations_lead_from_fields_to_keys() -> None:
    schemas = {stream().name: stream().get_json_schema()["properties"] for stream in STREAMS}
    for child, parent, _ in RELATIONS:
        for end in (child, parent):
            stream, field = end.split(".")
            assert field in schemas[stream]


def test_the_docs_list_every_error_message() -> None:
    meanings = [*responses.STATUS_MEANINGS.values(), *(meaning for _, meaning in responses._EXCEPTIONS)]
    meanings += [value for value in vars(responses).values() if isinstance(value, Meaning) and value is not responses.SUCCESS]
    assert set(meanings) == {meaning for _, meaning in OCCASIONS}


def locked(path: str) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, pinned in re.findall(r"^([a-z0-9_.-]+)==([^ ]+)", text(path), re.MULTILINE):
        versions.setdefault(name, []).append(pinned)
    return versions


@pytest.mark.parametrize(
    ("path", "extras"),
    [
        ("requirements.lock", []),
        ("requirements-demo.lock", ["sandbox", "demo"]),
        ("requirements-dev.lock", ["sandbox", "demo", "unit", "test"]),
    ],
)
def test_the_locks_satisfy_the_requirements(path: str, extras: list[str]) -> None:
    pinned = locked(path)
    wanted = [Requirement(line) for line in requires("airbyte-source-retently") or []]
    for requirement in wanted:
        environments = [{"python_version": "3.11", "extra": extra} for extra in ("", *extras)]
        if requirement.name != "airbyte-source-retently" and (
            requirement.marker is None or any(requirement.marker.evaluate(environment) for environment in environments)
        ):
            assert all(requirement.specifier.contains(each) for each in pinned[canonicalize_name(requirement.name)])
    blocks = re.split(r"^(?=\S+==)", text(path), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_demo_needs_nothing_that_the_lock_of_development_lacks() -> None:
    development = locked("requirements-dev.lock")
    assert all(set(versions) <= set(development[name]) for name, versions in locked("requirements-demo.lock").items())


def test_the_pythons_are_those_of_the_classifiers() -> None:
    # noxfile.py runs the unit tests on each of the classifiers.
    about = installed_metadata("airbyte-source-retently")
    prefix = "Programming Language :: Python :: "
    named = {line.removeprefix(prefix) for line in about.get_all("Classifier") or [] if line.startswith(f"{prefix}3.")}
    promised = SpecifierSet(about["Requires-Python"])
    assert named == {f"3.{minor}" for minor in range(30) if promised.contains(f"3.{minor}.0")}
    oldest = min(named, key=Version)
    pyproject = text("pyproject.toml")
    assert f'target-version = "py{oldest.replace(".", "")}"' in pyproject
    assert f'python_version = "{oldest}"' in pyproject
    assert f"--python-version {oldest} " in text("Makefile")


def test_the_range_of_the_cdk_is_named_once_and_has_two_ends() -> None:
    lines = re.findall(r'"airbyte-cdk\b([^"\[]*)"', text("pyproject.toml"))
    assert len(lines) == 1
    assert re.fullmatch(r">=\d+\.\d+\.\d+,<\d+(\.\d+)?", lines[0])
    assert f"`airbyte-cdk{lines[0]}`" in text("CONTRIBUTING.md")


def test_the_metadata_is_what_the_registry_takes(metadata: dict[str, Any]) -> None:
    name = "airbyte_connector_models.metadata.v0.connector_metadata_definition_v0"
    models = pytest.importorskip(name, reason="only `make test` installs airbyte-connector-models")
    models.ConnectorMetadataDefinitionV0.model_validate(yaml.safe_load(text("metadata.yaml")))
    assert metadata["definitionId"] == "db04ecd1-42e7-4115-9cec-95812905c626"  # Airbyte's for Retently, whatever the version
    assert metadata["documentationUrl"] == DOCUMENTATION_URL
    assert metadata["allowedHosts"]["hosts"] == [urlsplit(DEFAULT_BASE_URL).hostname]
    width, height = re.findall(r'viewBox="0 0 (\d+) (\d+)"', text(metadata["icon"]))[0]
    assert width == height


def test_breaking_changes_have_their_page(metadata: dict[str, Any]) -> None:
    page = text("docs/integrations/sources/retently-migrations.md")
    for breaking, change in metadata["releases"]["breakingChanges"].items():
        assert f"## Upgrading to {breaking}" in page
        impacted = {name for impact in change["scopedImpact"] for name in impact["impactedScopes"]}
        assert impacted == set(re.findall(r"^\| `(\w+)` .*\| clear \|$", page, re.MULTILINE))
        assert impacted <= NAMES


def test_the_hooks_of_pre_commit_are_the_commands_of_lint() -> None:
    target = text("Makefile").split("\nlint:")[1].split("\n\n")[0]
    commands = re.findall(r"^\t@\$\(BIN\)/(.+)$", target, re.MULTILINE)
    (local,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    hooks = [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]]
    assert len(hooks) == len(commands)
    assert all(command.startswith(hook) for command, hook in zip(commands, hooks, strict=True))
