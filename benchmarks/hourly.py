"""`python -m benchmarks.hourly`: the requests that an hourly sync of customers costs, by the number of customers.

The API is the sandbox; three hours with 91 changed customers each, and one without a change. Writes HOURLY.md and HOURLY.png.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from integration_tests.conftest import command_line, keys_in, run_program
from sandbox.process import SandboxProcess
from unit_tests.run import ROOT, Run, catalog_of

HERE = Path(__file__).parent
SIZES = (500, 2_000, 5_000, 12_000)
CHANGES = 91
POSITIONS = ("honoured", "ignored")


def requests_of(size: int, position: str, folder: Path) -> tuple[int, int, int]:
    """Requests of the first sync, the most of three hours with changes, and those of an hour without."""
    switches: dict[str, Any] = {"rate_limit": 0, "customers_sort": position}
    with SandboxProcess(customers=size, companies=0, feedback=0, outbox=0, **switches) as own:
        files: dict[str, Any] = {
            "config": {**own.config, "requests_per_minute": 10_000},
            "catalog": catalog_of("customers", sync_mode="incremental"),
        }
        counts = []
        for hour in range(5):
            places = range(hour, size, size // CHANGES)[:CHANGES] if 0 < hour < 4 else range(0)
            changes = [{"kind": "customers", "change": place, "values": {"jobTitle": f"{hour}"}} for place in places]
            own.do({"reset": True}, *changes)
            words = ("-m", "source_retently", *command_line(folder, "read", **files))
            ended = run_program(sys.executable, *words, cwd=ROOT, environment=own.environment)
            run = Run(ended.returncode, ended.stdout)
            keys = keys_in(own, "customers")
            if not {keys[place] for place in places} <= set(run.keys("customers")):
                sys.exit("a change is missing")
            files["state"] = run.states
            counts.append(own.stats()["requests"]["customers"])
    return counts[0], max(counts[1:4]), counts[4]


def main() -> None:
    lines = [
        "# Requests of an hourly sync of customers",
        "",
        f"Made by `python -m benchmarks.hourly` on the sandbox: pages of 1,000; an hour with {CHANGES} changes (the most of three), and",
        "one without. Where the API does not sort by change, all customers are read, after one request for changes.",
        "",
        "| Customers | First sync | With changes, sort honoured | Without | With changes, sort ignored |",
        "|---|---|---|---|---|",
    ]
    found: dict[str, list[int]] = {position: [] for position in POSITIONS}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            first, honoured, quiet = requests_of(size, "honoured", Path(folder))
            _, ignored, _ = requests_of(size, "ignored", Path(folder))
            found["honoured"].append(honoured)
            found["ignored"].append(ignored)
            lines.append(f"| {size:,} | {first} | {honoured} | {quiet} | {ignored} |")
            print(lines[-1], flush=True)
    lines += ["", "![Requests by the number of customers](HOURLY.png)", ""]
    (HERE / "HOURLY.md").write_text("\n".join(lines), encoding="utf-8")
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(SIZES, found["ignored"], marker="o", label="all customers (where the sort is ignored)")
    axes.plot(SIZES, found["honoured"], marker="o", label=f"changes first, {CHANGES} changes an hour")
    axes.set(xlabel="customers", ylabel="requests an hour", title="Requests of an hourly sync of customers", ylim=0)
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(HERE / "HOURLY.png", dpi=110)


if __name__ == "__main__":
    main()
