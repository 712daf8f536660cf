"""One truth each: copies of the version, the stream list and the defaults agree with it."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from source_retently.config import connection_specification
from source_retently.streams import STREAMS

ROOT = Path(__file__).parent.parent
VERSION = version("airbyte-source-retently")
NAMES = {stream().name for stream in STREAMS}


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(text("metadata.yaml"))["data"]
    return data


def test_setup_py_is_the_only_source_of_the_version(metadata: dict[str, Any]) -> None:
    assert metadata["dockerImageTag"] == VERSION
    assert re.findall(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)[0] == VERSION
    assert re.findall(r"^\| (\d+\.\d+\.\d+) +\|", text("docs/integrations/sources/retently.md"), re.MULTILINE)[0] == VERSION


def test_the_docs_list_every_stream() -> None:
    page = text("docs/integrations/sources/retently.md")
    section = page.split("## Supported Streams")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == NAMES


def test_the_docs_state_the_defaults() -> None:
    properties = connection_specification()["properties"]
    page = text("docs/integrations/sources/retently.md")
    for name, field in properties.items():
        if "default" in field:
            assert f"`{name}` (default {field['default']})" in page


def test_suggested_streams_exist(metadata: dict[str, Any]) -> None:
    assert set(metadata["suggestedStreams"]["streams"]) <= NAMES
