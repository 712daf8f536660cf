"""The table of clients names versions that are pinned and tests that exist."""

import re

import pytest

from unit_tests.run import ROOT

TESTS = ROOT / "integration_tests"
TABLE = (TESTS / "README.md").read_text(encoding="utf-8").split("## Clients")[1].split("\n## ")[0]
ROWS = [row.strip("|").split("|") for row in TABLE.splitlines() if row.startswith("| ")][1:]
PINS = [*TESTS.glob("clients/*.lock"), ROOT / "requirements-dev.lock", TESTS / "test_meltano.py"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_each_row_is_true(row: list[str]) -> None:
    _, versions, _, test = row
    pinned = {pin for path in PINS for pin in re.findall(r"[\w-]+==[\w.]+", path.read_text(encoding="utf-8"))}
    assert {version.strip().replace(" ", "==") for version in versions.split(",")} <= pinned
    path, _, function = test.strip(" `").partition("::")
    assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")
