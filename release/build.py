"""sdist and wheel: complete, the same bytes for the same commit, and in the form that a package index takes."""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from release.version import ROOT

WITH_INDEX = ROOT / ".ci/with-index"
"""Runs uv with the index of pip's settings."""


def run(*words: str | Path, **variables: str) -> str:
    """
    :returns: stdout
    :raises SystemExit: with the output of a command that fails
    """
    environment = {**os.environ, **variables}
    ended = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, umask=0o022)
    if ended.returncode:
        sys.exit(f"{ended.stdout}{ended.stderr}FAILED: {' '.join(map(str, words))}")
    return ended.stdout


def tool(name: str) -> Path:
    """A program of the same environment."""
    return Path(sys.executable).with_name(name)


def tracked() -> list[str]:
    """The files that git has. Others may contain a key."""
    names = run("git", "ls-files", "-z").split("\0")
    return [name for name in names if name and os.path.lexists(ROOT / name)]


def commit_time() -> int:
    """When the last commit was made, in seconds since 1970; the time of each file that is built."""
    return int(run("git", "log", "-1", "--format=%ct"))


def build(folder: Path) -> tuple[Path, Path]:
    """Builds the sdist of the files that git has, and the wheel of the sdist.

    :returns: sdist and wheel
    """
    epoch = commit_time()
    options = ("--build-constraints", "requirements-dev.lock", "--require-hashes", "--quiet", "--out-dir", folder)
    with TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        for name in tracked():
            copy = tree / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy, follow_symlinks=False)
            if not copy.is_symlink():
                copy.chmod(0o755 if os.access(ROOT / name, os.X_OK) else 0o644)  # whatever the umask of the checkout
        run(WITH_INDEX, tool("uv"), "build", "--sdist", *options, tree, SOURCE_DATE_EPOCH=str(epoch))
    (sdist,) = folder.glob("*.tar.gz")
    _remove_traces(sdist, epoch)
    run(WITH_INDEX, tool("uv"), "build", "--wheel", *options, sdist, SOURCE_DATE_EPOCH=str(epoch))
    (wheel,) = folder.glob("*.whl")
    (folder / ".gitignore").unlink(missing_ok=True)  # uv's
    run(tool("twine"), "check", "--strict", sdist, wheel)
    run(tool("check-wheel-contents"), wheel)
    return sdist, wheel


def _remove_traces(sdist: Path, epoch: int) -> None:
    """Writes the archive again without users and times, which setuptools leaves out of wheels only."""
    written = sdist.with_suffix(".new")
    with (
        tarfile.open(sdist) as old,
        written.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname, member.pax_headers = epoch, 0, 0, "", "", {}
            new.addfile(member, old.extractfile(member))
    written.replace(sdist)
