"""`python -m benchmarks`: measures speed, memory and requests of the connector and of other programs, each as a process.

The other programs are a bare loop (the floor), the low-code manifest of the tutorial, and the `rest_api` source of dlt. All run on
one machine, so the ratios can be compared. The results and the machine are written to benchmarks/RESULTS.md, a picture of how cost
grows to benchmarks/RESULTS.png.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from sandbox.process import SandboxProcess
from sandbox.sign_in import API_KEY

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
DLT = HERE.parent / ".venv-clients/dlt/bin/python"
LITTLE = {"customers": 10, "companies": 1, "outbox": 10}


LATENCIES = (0, 100, 500)
"""Milliseconds that the API needs for a response."""
WORKERS = (1, 2, 4, 10)
FAT_ROWS = {50: {4: 180}, 200: {1: 250, 4: 300, 10: 400}}
"""Peak memory in MB to stay under, by the custom properties of a customer and the pages that are fetched at the same time."""
QUIET = {"NO_LIVE_PROGRESS": "1", "RUNTIME__DLTHUB_TELEMETRY": "false"}


@dataclass
class Figures:
    """What one run of one program used."""

    cpu: float
    wall: float
    peak_mb: float
    requests: int
    refused: int
    lines: int

    @classmethod
    def median(cls, runs: Sequence["Figures"]) -> "Figures":
        return cls(*(median(getattr(run, name) for run in runs) for name in cls.__dataclass_fields__))


class Bench:
    """A sandbox of one size, and the commands of the programs that read it."""

    def __init__(self, work: Path, rows: int, *, stream: str = "feedback", **switches: int) -> None:
        options: dict[str, Any] = {"feedback": 10, **LITTLE, stream: rows, "rate_limit": 0, **switches}
        self.sandbox = SandboxProcess(**options)
        self._work = work
        catalog = json.loads((HERE.parent / "integration_tests/configured_catalog.json").read_text(encoding="utf-8"))
        catalog["streams"] = [entry for entry in catalog["streams"] if entry["stream"]["name"] == stream]
        self._catalog = self._file("catalog", catalog)

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: Any) -> None:
        self.sandbox.__exit__(None, None, None)

    def _file(self, name: str, content: Any) -> str:
        path = self._work / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def connector(self, workers: int = 4, per_minute: int = 10_000) -> list[str]:
        config = self._file("config", {"api_key": API_KEY, "num_workers": workers, "requests_per_minute": per_minute})
        return [str(BIN / "source-retently"), "read", "--config", config, "--catalog", self._catalog]

    def floor(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.floor", self.sandbox.url, API_KEY]

    def low_code(self, limit: int) -> list[str]:
        config = self._file("low-code", {"ApiKey": API_KEY, "base_url": self.sandbox.url, "limit": limit})
        manifest = ["--manifest-path", str(HERE / "manifest.yaml")]
        return [str(BIN / "source-declarative-manifest"), "read", "--config", config, "--catalog", self._catalog, *manifest]

    def sync(self) -> list[str]:
        """The connector and PyAirbyte into a new DuckDB file, with all streams; the others are little."""
        config = self._file("sync", {"api_key": API_KEY, "requests_per_minute": 10_000})
        folder = tempfile.mkdtemp(dir=self._work)
        return [sys.executable, str(HERE.parent / "examples/to_duckdb.py"), "--config", config, "--out", f"{folder}/a.duckdb"]

    def dlt(self, step: str) -> list[str]:
        folder = tempfile.mkdtemp(dir=self._work)
        return [str(DLT), str(HERE / "dlt_rest_api.py"), self.sandbox.url, API_KEY, folder, step]

    def run(self, command: list[str]) -> Figures:
        self.sandbox.do({"reset": True})
        with tempfile.TemporaryFile() as out:
            ended = subprocess.run(
                [sys.executable, "-IS", str(HERE / "measure.py"), *command],
                stdout=out,
                stderr=subprocess.PIPE,
                env={**os.environ, **self.sandbox.environment, "PYTHONPATH": str(HERE.parent), **QUIET},
                check=False,
                text=True,
            )
            if ended.returncode:
                out.seek(0)
                sys.exit(f"{command[0]} failed:\n{ended.stderr}{out.read()[-3000:].decode()}")
            used = json.loads(ended.stderr.splitlines()[-1])
            out.seek(0)
            lines = sum(1 for line in out if b'"RECORD"' in line[:40])
        stats = self.sandbox.stats()
        refused = stats["statuses"].get("429", 0)
        requests = sum(stats["requests"].values())
        return Figures(**used, requests=requests, refused=refused, lines=lines)


def start_up(times: int = 5) -> tuple[float, float]:
    """Wall seconds of `spec` and of a bare import of the CDK, run alternately."""
    commands = [[str(BIN / "source-retently"), "spec"], [sys.executable, "-c", "import airbyte_cdk"]]
    walls: list[list[float]] = [[], []]
    for _ in range(times + 1):
        for index, command in enumerate(commands):
            started = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            walls[index].append(time.monotonic() - started)
    return median(walls[0][1:]), median(walls[1][1:])


def main() -> None:
    rows: list[tuple[str, str, str, str]] = []
    details: list[tuple[str, Figures]] = []

    def note(title: str, figures: Figures) -> Figures:
        details.append((title, figures))
        print(
            f"{title:<58} {figures.cpu:8.1f} s CPU {figures.wall:8.1f} s wall {figures.peak_mb:6.0f} MB "
            f"{figures.requests:6.0f} requests {figures.lines:9,.0f} records",
            flush=True,
        )
        return figures

    def ratio(title: str, ours: float, theirs: float, unit: str, target: str) -> None:
        digits = 2 if unit == " s" and theirs < 10 else 0
        rows.append((title, f"{ours:.{digits}f}{unit} / {theirs:.{digits}f}{unit}", f"{ours / theirs:.2f}", target))

    def three(bench: Bench, size: str) -> tuple[Figures, Figures, Figures]:
        """The connector, the floor and low-code, run alternately, so that changes of the machine's speed affect all of them."""
        commands = (bench.connector(), bench.floor(), bench.low_code(1000))
        runs = [[bench.run(command) for command in commands] for _ in range(3)]
        names = ("connector", "floor", "low-code, limit=1000")
        ours, floor, low = (
            note(f"{size} rows, {name}", Figures.median(of_one))
            for name, of_one in zip(names, zip(*runs, strict=True), strict=True)
        )
        return ours, floor, low

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        ratio("Start-up: `spec` against `import airbyte_cdk`, wall time", *start_up(), " s", "≤ 0.90")
        with Bench(work, 10_000) as bench:
            small = three(bench, "10,000")
            default = note("10,000 rows, low-code, its default page of 10", bench.run(bench.low_code(10)))
        with Bench(work, 200_000) as bench:
            large = three(bench, "200,000")
        # Without the start-up: the difference between 200,000 and 10,000 rows.
        ours, floor, low = ((of_large.cpu - of_small.cpu) / 0.19 for of_small, of_large in zip(small, large, strict=True))
        ratio("CPU per record against the floor", ours, floor, " µs", "≤ 1.35")
        ratio("CPU per record against low-code, limit=1000", ours, low, " µs", "≤ 0.32")
        ratio("CPU of the whole process, 200,000 rows, against the floor", large[0].cpu, large[1].cpu, " s", "")
        ratio("CPU of the whole process, 200,000 rows, against low-code", large[0].cpu, large[2].cpu, " s", "")
        ratio("Requests for 200,000 rows against ceil(N/1000)", large[0].requests, 200, "", "at most 1 more")
        ratio("Requests for 10,000 rows against low-code's default", small[0].requests, default.requests, "", "")
        with Bench(work, 50_000) as bench:
            alone = note("50,000 rows, connector", bench.run(bench.connector()))
            extracted = note("50,000 rows, dlt's rest_api, extracting", bench.run(bench.dlt("extract")))
            synced = note("50,000 rows, connector and PyAirbyte into DuckDB", bench.run(bench.sync()))
            loaded = note("50,000 rows, dlt's rest_api into DuckDB", bench.run(bench.dlt("load")))
        ratio("CPU to extract 50,000 rows, against dlt's rest_api", alone.cpu, extracted.cpu, " s", "")
        ratio("CPU of 50,000 rows into DuckDB, against dlt's rest_api", synced.cpu, loaded.cpu, " s", "")
        ratio("Peak memory of 50,000 rows into DuckDB, against dlt's rest_api", synced.peak_mb, loaded.peak_mb, " MB", "")
        with Bench(work, 100_000) as bench:
            hundred = note("100,000 rows, connector", bench.run(bench.connector()))
        with Bench(work, 1_000_000) as bench:
            million = note("1,000,000 rows, connector", bench.run(bench.connector()))
        for properties, targets in FAT_ROWS.items():
            with Bench(work, 10_000, stream="customers", properties=properties) as bench:
                for workers, target in targets.items():
                    title = f"Peak memory of 10,000 customers of {properties // 10} kB, {workers} pages at a time"
                    fat = note(title.removeprefix("Peak memory of "), bench.run(bench.connector(workers)))
                    rows.append((title, f"{fat.peak_mb:.0f} MB", "", f"≤ {target} MB"))
        waits: dict[int, list[float]] = {}
        for latency in LATENCIES:
            with Bench(work, 20_000, latency_ms=latency) as bench:
                waits[latency] = [
                    note(f"20 pages at {latency} ms, connector, {workers} at a time", bench.run(bench.connector(workers))).wall
                    for workers in WORKERS
                ]
        draw({10_000: small[0], 100_000: hundred, 200_000: large[0], 1_000_000: million}, waits)
        ratio(
            "Peak memory at 1,000,000 rows against 10,000",
            million.peak_mb,
            small[0].peak_mb,
            " MB",
            "≤ 1.15, ≤ 105 MB at 100,000",
        )
        with Bench(work, 200_000, latency_ms=500) as bench:
            prefetched = note("200 pages at 500 ms, connector, 4 pages at a time", bench.run(bench.connector(4)))
            eight = note("200 pages at 500 ms, connector, 8 pages at a time", bench.run(bench.connector(8)))
            single = note("200 pages at 500 ms, connector, page by page", bench.run(bench.connector(1)))
            note("200 pages at 500 ms, floor", bench.run(bench.floor()))
            note("200 pages at 500 ms, low-code, limit=1000", bench.run(bench.low_code(1000)))
        ratio("Wall time of 200 pages at 500 ms against page by page", prefetched.wall, single.wall, " s", "≤ 0.30")
        ratio("the same with 8 pages at a time", eight.wall, single.wall, " s", "")
        with Bench(work, 400_000, rate_limit=150) as bench:
            limited = note("400 requests under the limit, connector", bench.run(bench.connector(4, 150)))
        # What the limit allows: 150 requests at once, 150 a minute later, 100 two minutes later.
        ratio("Wall time of 400 requests under the limit against the ideal", limited.wall, 120, " s", "≤ 1.10")
        rows.append(("429 responses", f"{limited.refused:.0f}", "", "0"))
    _write(rows, details)


def draw(sizes: dict[int, Figures], waits: dict[int, list[float]]) -> None:
    """Draws how CPU and memory grow with the rows, and how pages that are fetched at the same time hide the API's latency."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    cpu, memory, wall = figure.subplots(1, 3)
    cpu.loglog(list(sizes), [size.cpu for size in sizes.values()], marker="o")
    cpu.set(title="CPU of a sync, s", xlabel="rows", ylim=(0.5, 100))
    memory.semilogx(list(sizes), [size.peak_mb for size in sizes.values()], marker="o")
    memory.set(title="peak memory, MB", xlabel="rows", ylim=(0, None))
    for latency, seconds in waits.items():
        wall.plot(WORKERS, seconds, marker="o", label=f"{latency} ms")
    wall.set(title="20,000 rows, s, by the API's latency", xlabel="pages at a time", xticks=WORKERS, ylim=(0, None))
    wall.legend()
    figure.savefig(HERE / "RESULTS.png", dpi=100)


def _write(rows: list[tuple[str, str, str, str]], details: list[tuple[str, Figures]]) -> None:
    versions = ", ".join(f"{name} {version(name)}" for name in ("airbyte-source-retently", "airbyte-cdk", "requests", "orjson"))
    lines = [
        "# Results",
        "",
        "Written by `make bench`. Each run is a whole process on one machine. Compare the ratios; the figures depend on the machine.",
        "",
        "![How CPU, memory and time grow](RESULTS.png)",
        "",
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}.",
        "",
        "| What | Figures | Ratio | Target |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        "| Run | CPU s | Wall s | Peak MB | Requests | Records |",
        "|---|---|---|---|---|---|",
        *(
            f"| {title} | {f.cpu:.1f} | {f.wall:.1f} | {f.peak_mb:.0f} | {f.requests:.0f} | {f.lines:,.0f} |"
            for title, f in details
        ),
        "",
    ]
    text = "\n".join(lines)
    (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
