"""`make pythons`: the unit tests on each Python that the package promises, and with the oldest and the newest CDK of its range.

A Python that this machine lacks is named and skipped. With TESTED=1, what `make test` has already run is skipped, too.
"""

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

import nox

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
CDK = next(line for line in PYPROJECT["project"]["dependencies"] if line.startswith("airbyte-cdk"))
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
TESTED = bool(os.environ.get("TESTED"))
# Property tests are about the connector's own rules, which no version of Python or the CDK changes; they take half the time.
TESTS = ("python", "-m", "pytest", "unit_tests", "-n", "2", "-p", "no:cacheprovider", "-m", "not property")

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"

# pyenv has a command for each of its Pythons on the path, but most of these only say that the Python is not selected.
pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
for python in PYTHONS:
    for found in sorted(pyenv.glob(f"versions/{python}.*/bin")):
        os.environ["PATH"] = f"{found}{os.pathsep}{os.environ['PATH']}"


@nox.session(python=PYTHONS)
def unit(session: nox.Session) -> None:
    """Run the unit tests with the versions of requirements-dev.lock."""
    if TESTED and session.python == HERE:
        session.skip(f"make test has run them on Python {HERE}")
    session.install("--constraints", "requirements-dev.lock", "--editable", ".[sandbox,unit]")
    session.run(*TESTS, *session.posargs)


@nox.session(python=HERE)
@nox.parametrize("which", ["oldest", "newest"])
def cdk(session: nox.Session, which: str) -> None:
    """Run the unit tests with the oldest or the newest CDK of the range, and with the newest of everything else."""
    bound = re.findall(r">=([\d.]+)", CDK)[0]
    session.install("--upgrade", f"airbyte-cdk=={bound}" if which == "oldest" else CDK, "--editable", ".[sandbox,unit]")
    command = ("python", "-c", "from importlib.metadata import version; print(version('airbyte-cdk'))")
    installed = str(session.run(*command, silent=True)).strip()
    if TESTED and installed == version("airbyte-cdk"):
        session.skip(f"make test has run them with CDK {installed}")
    session.log(f"airbyte-cdk {installed}")
    session.run(*TESTS, *session.posargs)
