"""`make probe`: asks a real account, and writes what it found to out/probe.md and out/probe.json, without personal data."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from probe.api import MOST_REQUESTS, Api, TooManyRequests
from probe.questions import UNDECIDED, Finding, Probe
from probe.shapes import Shape, shapes
from source_retently.config import Config, ConfigError, TokenCredentials
from source_retently.files import read_config


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m probe", description="Finds out how a real account's API behaves.")
    parser.add_argument("--config", default="secrets/config.json")
    parser.add_argument("--out", type=Path, default=Path("out"))
    chosen = parser.parse_args()
    os.environ["NETRC"] = os.devnull  # else requests sends the host's entry in it along (source_retently.run)
    try:
        report = examine(read_config(chosen.config))
    except ConfigError as error:
        sys.exit(str(error.message))
    except requests.RequestException as error:
        sys.exit(f"The API could not be asked ({type(error).__name__}): check the network, and try again.")
    except TooManyRequests:
        sys.exit(f"The probe wanted more than {MOST_REQUESTS} requests, which is a defect of it: please report it.")
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "probe.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (chosen.out / "probe.md").write_text(markdown(report), encoding="utf-8")
    undecided = sum(finding["answer"] == UNDECIDED for finding in report["findings"])
    print(f"{len(report['findings'])} questions, {undecided} of them {UNDECIDED}, {report['requests']} requests.")
    print(f"The report is in {chosen.out / 'probe.md'} and {chosen.out / 'probe.json'}.")


def examine(config: dict[str, Any]) -> dict[str, Any]:
    """The whole report, ready for JSON.

    :raises ConfigError: when the configuration has no API key, or Retently does not accept it
    """
    credentials = Config.parse(config).credentials
    if not isinstance(credentials, TokenCredentials):
        raise ConfigError("The probe takes an API key, not an OAuth application: put api_key into the configuration.")
    api = Api(credentials.api_key)
    api.find_paths()
    if api.get(api.streams["customers"].path(), limit=1).status in (401, 403):
        raise ConfigError("Retently does not accept the API key: correct it.")
    probe = Probe(api)
    findings = [asdict(finding) for finding in probe.findings()]
    streams = {
        name: {"rows": rows, "fields": [asdict(shape) for shape in found]} for name, (rows, found) in shapes(probe).items()
    }
    return {"requests": api.made, "findings": findings, "streams": streams}


def markdown(report: dict[str, Any]) -> str:
    lines = [
        "# What the account's API does",
        "",
        f"Found with {report['requests']} requests. Types, counts and shapes only.",
        "",
    ]
    lines += ["| Described in | Question | Answer | What it would take |", "|---|---|---|---|"]
    for finding in (Finding(**held) for held in report["findings"]):
        lines.append(f"| {finding.anchor} | {finding.question} | **{finding.answer}** | {finding.needs} |")
    lines += ["", "## Fields", "", "Only what the schemas do not know, or know otherwise.", ""]
    lines += ["| Stream | Rows looked at | Field | Types | |", "|---|---|---|---|---|"]
    for name, stream in report["streams"].items():
        odd = [shape for shape in (Shape(**held) for held in stream["fields"]) if not (shape.known and shape.fits)]
        for shape in odd:
            types = ", ".join(f"{kind} {count}" for kind, count in shape.types.items())
            what = "another type than the schema's" if shape.known else "not in the schema"
            lines.append(f"| {name} | {stream['rows']} | `{shape.path}` | {types} | {what} |")
        if not odd:
            lines.append(f"| {name} | {stream['rows']} | | | as the schema says |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
