"""`python -m release dist|release`: writes into `dist/` only, and only when nothing has failed."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from release.build import build, run
from release.materials import bill_of_materials
from release.version import ROOT, VERSION, copies

DIST = ROOT / "dist"
NO_ENGINE = 3
"""container.sh's exit code where no container engine is."""


def dist() -> None:
    """Builds sdist and wheel of the files as they are."""
    with TemporaryDirectory() as temporary:
        _publish(build(Path(temporary)))


def release() -> None:
    """Builds everything that a release has, checks and tries it, and shows what is left to do."""
    check()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build(folder)
        print(
            "sdist and wheel are built. Next: unit tests from the sdist, and the wheel reads the sandbox on each Python here."
        )
        print(
            run(sys.executable, "-m", "pytest", "integration_tests/test_package.py", "-p", "no:cacheprovider", DIST=temporary)
        )
        print("Next: the image.", flush=True)
        image = folder / f"source-retently-{VERSION}-image.tar.gz"
        ended = subprocess.run([ROOT / "integration_tests/container.sh", image], cwd=ROOT, check=False)
        if ended.returncode not in (0, NO_ENGINE):
            sys.exit("FAILED: integration_tests/container.sh")
        if ended.returncode == NO_ENGINE:
            print("NOT BUILT AND NOT TESTED: the image, because no container engine is here.", file=sys.stderr)
        (folder / f"source-retently-{VERSION}-image.cdx.json").write_text(bill_of_materials(), encoding="utf-8")
        files = sorted(folder.iterdir())
        sums = folder / "SHA256SUMS"
        lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
        sums.write_text("".join(lines), encoding="utf-8")
        _publish([*files, sums])
    print(f"To release them:\n\n  git tag --annotate v{VERSION} --message 'Version {VERSION}'\n  git push origin v{VERSION}")


def check() -> None:
    """
    :raises SystemExit: where this commit can't be released, with the reason
    """
    if run("git", "status", "--porcelain"):
        sys.exit("Some files are not committed: commit or remove them.")
    for path, copy in copies().items():
        if copy is None:
            sys.exit(f"{path} has no version in the form that is expected there: see COPIES in release/version.py.")
        if copy != VERSION:
            sys.exit(f"{path} is about version {copy}, but pyproject.toml about {VERSION}: correct it there.")
    if run("git", "tag", "--list", f"v{VERSION}", "--no-contains"):
        sys.exit(f"The tag v{VERSION} belongs to another commit: choose a new version.")


def _publish(files: Iterable[Path]) -> None:
    """Replaces what was in `dist/`."""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for file in files:
        shutil.copy(file, DIST)
        print(f"dist/{file.name}")


if __name__ == "__main__":
    {"dist": dist, "release": release}[sys.argv[1]]()
