"""The package as it is shipped: the sdist has every file, and the wheel alone, in an environment of its own, reads the sandbox.

`make release` names the folder of what it has built as DIST. Then all unit tests run from the sdist, and the wheel is tried on
each Python that is here.
"""

import os
import re
import shutil
import sys
import tarfile
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

import pytest

from integration_tests.conftest import command_line, run_program
from release.build import WITH_INDEX, build, tool, tracked
from release.version import VERSION
from sandbox.process import SandboxProcess
from unit_tests.run import CATALOG, ROOT, Run

DIST = os.environ.get("DIST")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = [HERE]
UNIT_TESTS = ["unit_tests/test_agreement.py", "unit_tests/test_checkout.py", "unit_tests/test_schemas.py"]
if DIST:
    from noxfile import PYTHONS  # it puts pyenv's on the path, too

    UNIT_TESTS = ["unit_tests", "-n", "2"]

if not (ROOT / ".git").exists():
    pytest.skip("not a checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """sdist and wheel"""
    if not DIST:
        return build(tmp_path_factory.mktemp("dist"))
    return next(Path(DIST).glob("*.tar.gz")), next(Path(DIST).glob("*.whl"))


@pytest.fixture(scope="module", params=PYTHONS)
def environment(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Where nothing but the wheel and what it requires is installed, in the versions of the lock."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = (str(WITH_INDEX), str(tool("uv")))
    python = sys.executable if request.param == HERE else str(request.param)
    if run_program(*uv, "venv", "--quiet", "--python", python, str(folder / "venv")).returncode:
        pytest.skip(f"Python {python} is not here")
    ended = run_program(
        *uv, "pip", "install", "--python", str(folder / "venv"), "--constraints", "requirements-dev.lock", str(built[1])
    )
    assert ended.returncode == 0, ended.stderr
    return folder / "venv/bin"


def test_the_sdist_has_every_file(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        packed = {member.name.split("/", 1)[1] for member in sdist.getmembers() if member.isfile()}
    files = {name for name in tracked() if not (ROOT / name).is_symlink()}
    assert files <= packed
    added = {name for name in packed - files if not re.match(r"airbyte_source_retently\.egg-info/|schemas/", name)}
    assert added == {"PKG-INFO", "setup.cfg"}


def test_the_description_has_no_link_to_a_file(built: tuple[Path, Path]) -> None:
    with ZipFile(built[1]) as wheel:
        description = wheel.read(f"airbyte_source_retently-{VERSION}.dist-info/METADATA").decode()
    links = re.findall(r"\]\(([^)]+)\)", description)
    assert links
    assert all(link.startswith("https://") for link in links)


def test_the_unit_tests_pass_from_the_sdist(built: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.unpack_archive(built[0], tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    ended = run_program(sys.executable, "-m", "pytest", *UNIT_TESTS, cwd=folder)
    assert ended.returncode == 0, ended.stdout


def test_the_wheel_alone_reads_the_sandbox(environment: Path, sandbox: SandboxProcess, tmp_path: Path) -> None:
    connector = str(environment / "source-retently")
    assert run_program(connector, "--version", cwd=tmp_path).stdout == f"source-retently {VERSION}\n"
    words = command_line(tmp_path, "read", config=sandbox.config, catalog=CATALOG)
    ended = run_program(connector, *words, environment=sandbox.environment, cwd=tmp_path)
    run = Run(ended.returncode, ended.stdout, ended.stderr)
    assert (run.code, run.stderr) == (0, ""), run.error_message
    assert Counter(record["stream"] for record in run.of("RECORD")) == sandbox.stats()["rows"]


def test_the_package_is_typed(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from source_retently import SourceRetently\nreveal_type(SourceRetently)\nfrom source_retently import anything\n"
    )
    options = ("--strict", "--python-executable", str(environment / "python"), "--cache-dir", str(tmp_path / "cache"))
    ended = run_program(sys.executable, "-m", "mypy", *options, "program.py", cwd=tmp_path)
    assert 'Revealed type is "def () -> source_retently.source.SourceRetently"' in ended.stdout
    assert 'Module "source_retently" has no attribute "anything"' in ended.stdout
