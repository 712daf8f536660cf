"""A checkout on Windows: without .gitattributes, git turns line ends into "\\r\\n" there, and symlinks into files."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def git(*words: str) -> list[str]:
    ended = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    if ended.returncode:
        pytest.skip("not a checkout")
    return ended.stdout.splitlines()


def test_every_file_keeps_its_line_ends() -> None:
    # "i/lf w/lf attr/text=auto eol=lf<tab>path"; a symlink and an empty file have no line ends
    ends = [line.split("\t")[0].split(maxsplit=2) for line in git("ls-files", "--eol")]
    assert {index for index, _, _ in ends} <= {"i/lf", "i/none", "i/", "i/-text"}
    assert all("eol=lf" in attributes for index, _, attributes in ends if index == "i/lf")


def test_the_schemas_link_is_a_directory_link() -> None:
    assert git("check-attr", "symlink", "schemas") == ["schemas: symlink: dir"]
