"""`make release`: what stops it, and then nothing is written; the same bytes for the same commit; what the image has."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from integration_tests.conftest import run_program
from release.build import tracked
from release.materials import bill_of_materials, packages
from release.version import COPIES, VERSION
from unit_tests.run import ROOT

if not (ROOT / ".git").exists():
    pytest.skip("not a checkout", allow_module_level=True)

GIT = ("git", "-c", "user.name=tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")
LATER = "2026-01-01T00:00:00Z"

Checkout = Callable[..., Path]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A repository with one commit, of the files as they are here and these changes."""

    def make(name: str = "checkout", umask: int = 0o022, **changes: tuple[str, str]) -> Path:
        folder = tmp_path / name
        before = os.umask(umask)
        for path in tracked():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path, follow_symlinks=False)
        os.umask(before)
        for path, (old, new) in changes.items():
            text = (folder / path).read_text(encoding="utf-8")
            assert old in text
            (folder / path).write_text(text.replace(old, new), encoding="utf-8")
        for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "all")):
            environment = {**os.environ, "GIT_COMMITTER_DATE": LATER}
            subprocess.run([*GIT, *words], cwd=folder, check=True, env=environment)
        return folder

    return make


def assert_refused(folder: Path, message: str) -> None:
    before = sorted(folder.rglob("*"))
    ended = run_program(sys.executable, "-m", "release", "release", cwd=folder, environment={"PYTHONDONTWRITEBYTECODE": "1"})
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert re.fullmatch(rf"{message}\n", ended.stderr), ended.stderr
    assert sorted(folder.rglob("*")) == before


def test_files_that_are_not_committed(checkout: Checkout) -> None:
    folder = checkout()
    (folder / "new").touch()
    assert_refused(folder, "Some files are not committed: commit or remove them.")


@pytest.mark.parametrize("path", COPIES)
def test_another_version(checkout: Checkout, path: str) -> None:
    folder = checkout(**{path: (VERSION, "0.9.9")})
    assert_refused(folder, rf"{path} is about version 0\.9\.9, but pyproject\.toml about {re.escape(VERSION)}: .*")


def test_a_version_without_an_entry_in_the_changelog(checkout: Checkout) -> None:
    files = ["pyproject.toml", *(path for path in COPIES if path != "CHANGELOG.md")]
    folder = checkout(**dict.fromkeys(files, (VERSION, "9.9.9")))
    assert_refused(folder, rf"CHANGELOG\.md is about version {re.escape(VERSION)}, but pyproject\.toml about 9\.9\.9: .*")


def test_an_entry_without_a_date(checkout: Checkout) -> None:
    folder = checkout(**{"CHANGELOG.md": (f"## [{VERSION}] - ", f"## [{VERSION}] ")})
    assert_refused(
        folder, r"CHANGELOG\.md has no version in the form that is expected there: see COPIES in release/version\.py\."
    )


def test_a_version_that_is_released(checkout: Checkout) -> None:
    folder = checkout()
    for words in (("tag", f"v{VERSION}"), ("commit", "--quiet", "--allow-empty", "--message", "later")):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    assert_refused(folder, f"The tag v{re.escape(VERSION)} belongs to another commit: choose a new version.")


def test_the_same_commit_gives_the_same_bytes(checkout: Checkout) -> None:
    sums = []
    for name, umask in (("one", 0o022), ("two", 0o077)):
        folder = checkout(name, umask)
        ended = run_program(sys.executable, "-m", "release", "dist", cwd=folder)
        assert ended.returncode == 0, ended.stderr
        files = sorted((folder / "dist").iterdir())
        assert [file.suffix for file in files] == [".whl", ".gz"]
        sums.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert sums[0] == sums[1]


def test_the_list_of_what_the_image_holds() -> None:
    listed = bill_of_materials()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(listed) is None
    assert listed == bill_of_materials()
    assert {"airbyte-cdk", "requests"} <= set(packages())
    assert "tzdata" not in packages()  # for Windows only
