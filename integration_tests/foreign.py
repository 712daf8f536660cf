"""What programs made by others need to run the image, or the tests, of a connector in the way of Airbyte's repositories."""

import os
import shutil
from pathlib import Path

from sandbox.process import SandboxProcess
from unit_tests.run import ROOT


def docker_for(sandbox: SandboxProcess, folder: Path) -> dict[str, str]:
    """Variables with a `docker` on the path that may be podman, and whose containers can reach the sandbox.

    :param folder: for the script
    """
    engine = shutil.which(os.environ.get("ENGINE", "docker"))
    variables = " ".join(f"--env {name}={value}" for name, value in sandbox.environment.items())
    script = folder / "docker"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = run ] && shift && set -- run --network=host {variables} "$@"\nexec {engine} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return {**sandbox.environment, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def pyairbyte_in(folder: Path) -> dict[str, str]:
    """Variables with which PyAirbyte keeps its files in a folder, needs no registry, and prints plain lines."""
    return {
        "AIRBYTE_OFFLINE_MODE": "1",
        "AIRBYTE_PROJECT_DIR": str(folder),
        "AIRBYTE_CACHE_ROOT": str(folder),
        "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
        "DO_NOT_TRACK": "1",
        "NO_LIVE_PROGRESS": "1",
    }


def with_connector() -> dict[str, str]:
    """Variables with which another environment's Python finds the checkout's programs and the console script."""
    return {"PYTHONPATH": str(ROOT), "PATH": f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}"}


def copy_of_checkout(folder: Path) -> Path:
    """A copy of the checkout without hidden files, secrets and build folders.

    Airbyte's tools take the connector's name from the folder's.
    """
    ignored = shutil.ignore_patterns(".*", "build", "dist", "out", "secrets", "__pycache__", "*.egg-info")
    return Path(shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True))
