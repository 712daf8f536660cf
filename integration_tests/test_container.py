"""The image, run as the platform runs it: `make docker` builds it and names the engine."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration_tests.conftest import run_program
from integration_tests.foreign import copy_of_checkout, docker_for, pyairbyte_in
from integration_tests.leaks import leaked
from sandbox.data import CAMPAIGNS
from sandbox.process import SandboxProcess
from sandbox.sign_in import CLIENT
from source_retently.streams.endpoints import STREAMS
from unit_tests.run import Run, catalog_of

pytestmark = pytest.mark.container

IMAGE = os.environ.get("IMAGE", "airbyte/source-retently:dev")
ENGINE = os.environ.get("ENGINE", "docker")
HARDENED = ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"]
if ENGINE == "podman":
    HARDENED.append("--read-only-tmpfs=false")  # else it makes /tmp writable all the same

PYAIRBYTE = """
import json, sys
import airbyte
from airbyte.caches import DuckDBCache

image, config = sys.argv[1:]
source = airbyte.get_source("source-retently", docker_image=image, config=json.loads(config), streams="*")
with DuckDBCache(db_path="retently.duckdb") as cache:
    result = source.read(cache=cache)
    print(json.dumps([{name: len(result[name]) for name in source.get_selected_streams()}, result.processed_records]))
"""


def engine(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ENGINE, *words], capture_output=True, text=True, check=check, timeout=600)


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(customers=1200, companies=30, feedback=2300, outbox=1100, rate_limit=0) as own:
        yield own


@pytest.fixture
def folder(tmp_path: Path, own: SandboxProcess) -> Path:
    """What the platform mounts: readable for the container's user, as its own files are."""
    for name, held in {"config": own.config, "oauth": {"credentials": CLIENT}, "catalog": catalog_of(), "state": []}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(held), encoding="utf-8")
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    return tmp_path


Container = Callable[..., Run]


@pytest.fixture
def container(own: SandboxProcess, folder: Path) -> Container:
    """`docker run --rm -v …:/secrets -v …:/data IMAGE command …`, against the sandbox of this machine."""

    def run(*words: str, options: tuple[str, ...] = (), entrypoint: bool = True) -> Run:
        variables = [word for name, value in own.environment.items() for word in ("--env", f"{name}={value}")]
        mounts = ["-v", f"{folder}:/secrets:ro", "-v", f"{folder}:/data:ro"]
        ended = engine("run", "--rm", "--network=host", *variables, *mounts, *options, IMAGE, *words, check=False)
        assert not leaked(ended.stdout + ended.stderr, [own.config["credentials"]["api_key"], *own.issued_tokens()])
        return Run(ended.returncode, ended.stdout, ended.stderr)

    return run


def test_the_image_has_what_the_platform_reads() -> None:
    (image,) = json.loads(engine("image", "inspect", IMAGE).stdout)
    config = image["Config"]
    environment = dict(variable.split("=", 1) for variable in config["Env"])
    assert config["User"] == "airbyte"
    assert config["Entrypoint"] == ["python", "/airbyte/integration_code/main.py"]
    assert environment["AIRBYTE_ENTRYPOINT"] == "python /airbyte/integration_code/main.py"
    assert environment["TZ"] == "UTC"
    assert config["Labels"]["io.airbyte.name"] == "airbyte/source-retently"


def test_the_image_contains_only_what_the_connector_needs() -> None:
    listing = engine("run", "--rm", "--entrypoint", "find", IMAGE, "/airbyte", "-name", "*.py").stdout.splitlines()
    ours = [path.removeprefix("/airbyte/integration_code/") for path in listing if "/integration_code/" in path]
    assert {path.split("/")[0] for path in ours} == {"main.py", "source_retently"}
    assert not [path for path in listing if any(f"/{name}/" in path for name in ("pip", "pandas", "sandbox", "pytest"))]
    everything = engine("run", "--rm", "--entrypoint", "ls", IMAGE, "/secrets", "/usr/bin", check=False).stdout.split()
    assert not {"gcc", "cc", "make", "git", "config.json"} & set(everything)
    who = engine("run", "--rm", "--entrypoint", "id", IMAGE).stdout
    assert who.startswith("uid=1000(airbyte)")


def test_spec_needs_no_network_and_may_write_nothing() -> None:
    ended = engine("run", "--rm", "--network=none", *HARDENED, IMAGE, "spec")
    (line,) = ended.stdout.splitlines()
    assert json.loads(line)["spec"]["documentationUrl"].endswith("/integrations/sources/retently")


@pytest.mark.parametrize("config", ["config", "oauth"])
def test_check_and_discover(container: Container, config: str) -> None:
    run = container("check", "--config", f"/secrets/{config}.json", options=tuple(HARDENED))
    assert run.check_status == "SUCCEEDED"
    (catalog,) = container("discover", "--config", f"/secrets/{config}.json", options=tuple(HARDENED)).of("CATALOG")
    assert [stream["name"] for stream in catalog["streams"]] == [stream().name for stream in STREAMS]


def test_read_and_read_again_with_its_state(container: Container, own: SandboxProcess, folder: Path) -> None:
    words = ("read", "--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json", "--state", "/data/state.json")
    own.do({"faults": {"rate": 0}}, {"fault": "503", "path": "feedback", "page": 2}, {"fault": "html", "path": "templates"})
    first = container(*words, options=tuple(HARDENED))
    assert first.code == 0, first.error_message
    assert first.stderr == ""
    for name, rows in own.stats()["rows"].items():
        assert len(first.records(name)) == rows
    (folder / "state.json").write_text(json.dumps(first.states), encoding="utf-8")
    second = container(*words)
    assert second.code == 0
    assert len(second.records("feedback")) < 200
    assert len(second.records("campaigns")) == len(CAMPAIGNS)


def test_a_failed_read_exits_with_1(container: Container, own: SandboxProcess) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": "401", "path": "templates"})
    run = container("read", "--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json")
    assert run.code == 1
    assert "does not accept the API key" in run.errors[0]["message"]


def test_the_form_that_kubernetes_uses(container: Container, folder: Path) -> None:
    mount = ("-v", f"{folder}:/config:ro", "-w", "/config", "--user", "1000:1000")
    command = 'eval "$AIRBYTE_ENTRYPOINT read --config config.json --catalog catalog.json"'
    run = container("-c", command, options=(*mount, *HARDENED, "--entrypoint", "sh"))
    assert run.code == 0
    assert len(run.records("feedback")) == 2300


@pytest.mark.parametrize("user", ["0:0", "12345:12345"])
def test_any_user_may_run_it(container: Container, user: str) -> None:
    words = ("read", "--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json")
    run = container(*words, options=(*HARDENED, "--user", user))
    assert run.code == 0, run.error_message
    assert len(run.records("feedback")) == 2300


def test_pyairbyte_reads_it_twice(own: SandboxProcess, tmp_path: Path) -> None:
    environment = {**docker_for(own, tmp_path), **pyairbyte_in(tmp_path)}
    read = []
    for _ in range(2):
        words = [sys.executable, "-c", PYAIRBYTE, IMAGE, json.dumps(own.config)]
        ended = run_program(*words, environment=environment, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr[-3000:]
        rows, count = json.loads(ended.stdout.splitlines()[-1])
        assert rows == own.stats()["rows"]
        read.append(count)
    assert read[1] < read[0] / 4


def test_the_image_tests_of_airbytes_cdk(own: SandboxProcess, tmp_path: Path) -> None:
    folder = copy_of_checkout(tmp_path / "source-retently")
    words = [str(Path(sys.executable).with_name("airbyte-cdk")), "image", "test", "--image", IMAGE, str(folder)]
    ended = run_program(*words, environment=docker_for(own, tmp_path), cwd=folder)
    assert ended.returncode == 0, ended.stdout[-3000:]
    (passed,) = re.findall(r"(\d+) passed", ended.stdout)
    assert int(passed) >= 10


def test_it_ends_when_it_is_stopped(own: SandboxProcess, folder: Path) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": "hang", "path": "feedback", "page": 2, "times": 99})
    variables = [word for name, value in own.environment.items() for word in ("--env", f"{name}={value}")]
    words = ["read", "--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json"]
    name = f"source-retently-{os.getpid()}"
    options = ["--rm", "--network=host", "--name", name, *variables, "-v", f"{folder}:/secrets:ro"]
    with (
        (folder / "stdout").open("w") as out,
        subprocess.Popen([ENGINE, "run", *options, IMAGE, *words], stdout=out) as running,
    ):
        until = time.monotonic() + 60
        while '"RECORD","record":{"stream":"feedback"' not in (folder / "stdout").read_text(encoding="utf-8"):
            assert time.monotonic() < until
            time.sleep(0.1)
        started = time.monotonic()
        engine("stop", "-t", "20", name)
        assert time.monotonic() - started < 8
        assert running.wait() == 128 + signal.SIGTERM
    own.do({"faults": {"rate": 0}})


def test_its_size_and_its_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints figures, and fails only where something has gone in that doesn't belong there."""
    sizes = {name: json.loads(engine("image", "inspect", name).stdout)[0]["Size"] / 1e6 for name in images()}
    layers = sizes[IMAGE] - min(sizes.values())
    starts = []
    for _ in range(5):
        started = time.monotonic()
        engine("run", "--rm", "--network=none", IMAGE, "spec")
        starts.append(time.monotonic() - started)
    empty = time.monotonic()
    engine("run", "--rm", "--network=none", "--entrypoint", "true", IMAGE)
    empty = time.monotonic() - empty
    of_base = f", of which {layers:.0f} MB are the connector's layers" if len(sizes) > 1 else ""
    print(f"image: {sizes[IMAGE]:.0f} MB{of_base}; spec: {sorted(starts)[2]:.2f} s, of which {empty:.2f} s are the engine's")
    assert layers < 120


def images() -> list[str]:
    base = os.environ.get("BASE_IMAGE")
    return [IMAGE, *([base] if base else [])]


def test_the_command_line_of_the_readme() -> None:
    words = shlex.split("run --rm airbyte/source-retently:dev spec")
    assert engine(*words).stdout.startswith('{"type":"SPEC"')
