"""`python -m benchmarks.hourly`: the requests that an hourly sync of customers costs, by the number of customers.

The API is the sandbox; three hours with 91 changed customers each, and one without a change. Writes HOURLY.md and HOURLY.png.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from sandbox.process import SandboxProcess

HERE = Path(__file__).parent
SIZES = (500, 2_000, 5_000, 12_000)
CHANGES = 91
POSITIONS = ("honoured", "ignored")


def requests_of(size: int, position: str, folder: Path) -> tuple[int, int, int]:
    """Requests of the first sync, the most of three hours with changes, and those of an hour without."""
    catalog = json.loads((HERE.parent / "integration_tests/configured_catalog.json").read_text(encoding="utf-8"))
    catalog["streams"] = [
        {**stream, "sync_mode": "incremental"} for stream in catalog["streams"] if stream["stream"]["name"] == "customers"
    ]
    with SandboxProcess(customers=size, companies=0, feedback=0, outbox=0, rate_limit=0, customers_sort=position) as own:
        files: dict[str, Any] = {"config": {**own.config, "requests_per_minute": 10_000}, "catalog": catalog}
        counts = []
        for hour in range(5):
            places = range(hour, size, size // CHANGES) if 0 < hour < 4 else ()
            changes = [{"kind": "customers", "change": place, "values": {"jobTitle": f"{hour}"}} for place in places][:CHANGES]
            own.do({"reset": True}, *changes)
            words = ["read"]
            for name, content in files.items():
                (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
                words += [f"--{name}", str(folder / f"{name}.json")]
            ended = subprocess.run(
                [sys.executable, "-m", "source_retently", *words],
                env={**own.environment, "PATH": ""},
                cwd=HERE.parent,
                check=True,
                capture_output=True,
                text=True,
            )
            messages = [json.loads(line) for line in ended.stdout.splitlines()]
            keys = {message["record"]["data"]["id"] for message in messages if message["type"] == "RECORD"}
            rows = own.rows("customers")
            if not {rows[place]["id"] for place in places[:CHANGES]} <= keys:
                sys.exit("a change is missing")
            files["state"] = [message["state"] for message in messages if message["type"] == "STATE"][-1:]
            counts.append(sum(own.stats()["requests"].values()))
    return counts[0], max(counts[1:4]), counts[4]


def main() -> None:
    lines = [
        "# Requests of an hourly sync of customers",
        "",
        f"Made by `python -m benchmarks.hourly` on the sandbox: pages of 1,000; an hour with {CHANGES} changes (the most of three), and",
        "one without. Where the API does not sort by change, all customers are read, as before.",
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
    axes.plot(SIZES, found["ignored"], marker="o", label="all customers (before; or where the sort is ignored)")
    axes.plot(SIZES, found["honoured"], marker="o", label=f"changes first, {CHANGES} changes an hour")
    axes.set(xlabel="customers", ylabel="requests an hour", title="Requests of an hourly sync of customers", ylim=0)
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(HERE / "HOURLY.png", dpi=110)


if __name__ == "__main__":
    main()
