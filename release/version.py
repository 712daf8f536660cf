"""The version of pyproject.toml, and the files that repeat it."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMAGE = "airbyte/source-retently"

COPIES = {
    "source_retently/__init__.py": r'^__version__ = "(.+)"$',
    "metadata.yaml": r"^  dockerImageTag: (\S+)$",
    "Dockerfile": rf"^LABEL io\.airbyte\.version=(\S+) io\.airbyte\.name={IMAGE}$",
    "CHANGELOG.md": r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$",
    "docs/integrations/sources/retently.md": r"^\| (\d\S*) +\| \d{4}-\d\d-\d\d +\|",
}
"""Where else the version is: the first match in each file."""


def text(path: str) -> str:
    """A file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


VERSION = re.findall(r'^version = "(.+?)"', text("pyproject.toml"), re.MULTILINE)[0]


def copies() -> dict[str, str | None]:
    """The version that each other file has."""
    found = {path: re.search(pattern, text(path), re.MULTILINE) for path, pattern in COPIES.items()}
    return {path: match and match[1] for path, match in found.items()}
