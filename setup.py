"""Starts the build. What the package is called, needs and installs is in pyproject.toml; only its description is made here."""

import re
from pathlib import Path

from setuptools import setup


def for_package_page(readme: str) -> str:
    """The README without links to files, which a package's page does not have. The user's pages are published elsewhere."""

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        if "://" in target:
            return found[0]
        if target.startswith("docs/integrations/"):
            return f"[{text}](https://docs.airbyte.com/{target.removeprefix('docs/').replace('.md', '')})"
        file = f"`{target.split('#')[0]}`"
        return file if text == target else f"{text} ({file})"

    return re.sub(r"\[([^]]+)\]\(([^)\s]+)\)", link, readme)


setup(
    long_description=for_package_page(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
