"""`make dist` and `make release`: what is shipped is built once, from the files that git knows, checked, and tried.

Whatever fails ends it with one message and leaves `dist/` as it was. Nothing outside of `dist/` is changed.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
WITH_INDEX = ROOT / ".ci/with-index"
IMAGE = "airbyte/source-retently"

COPIES = {
    "source_retently/__init__.py": r'^__version__ = "(.+)"$',
    "metadata.yaml": r"^  dockerImageTag: (\S+)$",
    "Dockerfile": rf"^LABEL io\.airbyte\.version=(\S+) io\.airbyte\.name={IMAGE}$",
    "CHANGELOG.md": r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$",
    "docs/integrations/sources/retently.md": r"^\| (\d\S*) +\| \d{4}-\d\d-\d\d +\|",
}
"""Where else the version is: the first match in each file."""

IN_THE_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux", "platform_system": "Linux"}
"""Which lines of requirements.lock the image installs."""


def text(path: str) -> str:
    """A file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def found(pattern: str, path: str) -> str | None:
    """The first match in a file."""
    match = re.search(pattern, text(path), re.MULTILINE)
    return match and match[1]


VERSION = found(r'^version = "(.+?)"', "pyproject.toml")


def copies() -> dict[str, str | None]:
    """The version as each other file has it."""
    return {path: found(pattern, path) for path, pattern in COPIES.items()}


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
    """The files that git has, or would add."""
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [name for name in names if name and os.path.lexists(ROOT / name)]


def check_release() -> None:
    """
    :raises SystemExit: where this commit can't be released, with the reason
    """
    if run("git", "status", "--porcelain"):
        sys.exit("Some files are not committed: commit or remove them.")
    for path, copy in copies().items():
        if copy is None:
            sys.exit(f"{path} has no version in the form that is expected there: see COPIES in release.py.")
        if copy != VERSION:
            sys.exit(f"{path} is about version {copy}, but pyproject.toml about {VERSION}: add or correct it there.")
    if run("git", "tag", "--list", f"v{VERSION}"):
        sys.exit(f"The tag v{VERSION} is there already: choose a new version.")


def commit_time() -> int:
    """When the commit was made, in seconds since 1970; the time of each file that is built."""
    return int(run("git", "log", "-1", "--format=%ct"))


def build(folder: Path) -> tuple[Path, Path]:
    """Builds the sdist of the files that git knows, and the wheel of the sdist: the same bytes each time.

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
    _set_times(sdist, epoch)
    run(WITH_INDEX, tool("uv"), "build", "--wheel", *options, sdist, SOURCE_DATE_EPOCH=str(epoch))
    (wheel,) = folder.glob("*.whl")
    (folder / ".gitignore").unlink(missing_ok=True)  # uv's
    run(tool("twine"), "check", "--strict", sdist, wheel)
    run(tool("check-wheel-contents"), wheel)
    return sdist, wheel


def _set_times(sdist: Path, epoch: int) -> None:
    """Writes the archive again without what depends on the machine; setuptools does so for wheels only."""
    with tarfile.open(sdist) as old:
        members = [(member, old.extractfile(member)) for member in old.getmembers()]
        with (
            open(sdist.with_suffix(".new"), "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member, content in sorted(members, key=lambda each: each[0].name):
                member.mtime, member.uid, member.gid, member.uname, member.gname, member.pax_headers = epoch, 0, 0, "", "", {}
                new.addfile(member, content)
    sdist.with_suffix(".new").replace(sdist)


def components() -> list[Component]:
    """What the image holds beside its base: the connector, and the lines of requirements.lock that apply there."""
    parts = [Component(name="airbyte-source-retently", version=VERSION, type=ComponentType.APPLICATION)]
    for block in re.split(r"^(?=\S+==)", text("requirements.lock"), flags=re.MULTILINE)[1:]:
        requirement = Requirement(block.split(" \\\n")[0])
        if requirement.marker is None or requirement.marker.evaluate(IN_THE_IMAGE):
            (version,) = (each.version for each in requirement.specifier)
            url = PackageURL("pypi", name=requirement.name, version=version)
            parts.append(Component(name=requirement.name, version=version, purl=url, bom_ref=str(url)))
    return parts


def bill_of_materials() -> str:
    """The list of the image's components as CycloneDX; the packages of its base are named by the base's digest only."""
    base, digest = re.findall(r"^ARG BASE_IMAGE=(.+)@sha256:(.+)$", text("Dockerfile"), re.MULTILINE)[0]
    name, tag = base.rsplit(":", 1)
    connector, *packages = components()
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"{IMAGE}:{VERSION} {run('git', 'rev-parse', 'HEAD')}"))
    bom.metadata.component = connector
    bom.metadata.timestamp = datetime.fromtimestamp(commit_time(), timezone.utc)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
    bom.components.update(packages, [Component(name=name, version=tag, type=ComponentType.CONTAINER, hashes=hashes)])
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def dist() -> None:
    """Builds sdist and wheel of the files as they are."""
    with TemporaryDirectory() as temporary:
        _publish(build(Path(temporary)))


def release() -> None:
    """Builds everything that a release has, checks and tries it, and shows what is left to do."""
    check_release()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build(folder)
        print(
            "sdist and wheel are built. Next: unit tests from the sdist, and the wheel reads the sandbox on each Python here."
        )
        run(sys.executable, "-m", "pytest", "integration_tests/test_package.py", "-p", "no:cacheprovider", DIST=temporary)
        print("Next: the image.")
        image = folder / f"source-retently-{VERSION}-image.tar.gz"
        ended = subprocess.run([ROOT / "integration_tests/container.sh", image], cwd=ROOT, check=False)
        if ended.returncode not in (0, 3):
            sys.exit("FAILED: integration_tests/container.sh")
        materials = folder / f"source-retently-{VERSION}-image.cdx.json"
        materials.write_text(bill_of_materials(), encoding="utf-8")
        files = sorted(folder.iterdir())
        sums = folder / "SHA256SUMS"
        lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
        sums.write_text("".join(lines), encoding="utf-8")
        _publish([*files, sums])
    print(f"To release them:\n\n  git tag --annotate v{VERSION} --message 'Version {VERSION}'\n  git push origin v{VERSION}")


def _publish(files: Iterable[Path]) -> None:
    """Replaces what was in `dist/`."""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for file in files:
        shutil.copy(file, DIST)
        print(f"dist/{file.name}")


if __name__ == "__main__":
    {"dist": dist, "release": release}[sys.argv[1]]()
