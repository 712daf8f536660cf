"""`make probe`: finds out how the API of an account behaves, and writes a report without personal data.

The report is in out/probe.md and out/probe.json.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from probe.api import MOST_REQUESTS, Api, TooManyRequests
from probe.finding import UNDECIDED, Finding
from probe.questions import Probe
from probe.shapes import Shape, shapes
from source_retently.config import Config, ConfigError, TokenCredentials
from source_retently.files import read_config


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m probe", description="Finds out how a real account's API behaves.")
    parser.add_argument("--config", default="secrets/config.json")
    parser.add_argument("--out", type=Path, default=Path("out"))
    chosen = parser.parse_args()
    os.environ["NETRC"] = os.devnull  # else requests would send the credentials in ~/.netrc (source_retently.run)
    try:
        report = examine(read_config(chosen.config))
    except ConfigError as error:
        sys.exit(str(error.message))
    except requests.RequestException as error:
        sys.exit(f"No response of the API ({type(error).__name__}): check the network, and try again.")
    except TooManyRequests:
        sys.exit(f"The probe needs more than {MOST_REQUESTS} requests, which is a bug: please report it.")
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
        name: {"rows": rows, "fields": [asdict(shape) for shape in found]}
        for name, (rows, found) in shapes(probe.samples).items()
    }
    return {"requests": api.made, "findings": findings, "streams": streams}


def markdown(report: dict[str, Any]) -> str:
    lines = [
        "# How the account's API behaves",
        "",
        f"Found with {report['requests']} requests. Only types, counts and shapes.",
        "",
    ]
    lines += ["| Described in | Question | Answer | Data that an answer needs |", "|---|---|---|---|"]
    for finding in (Finding(**values) for values in report["findings"]):
        lines.append(f"| {finding.anchor} | {finding.question} | **{finding.answer}** | {finding.needs} |")
    lines += ["", "## Fields", "", "Only fields that the schemas do not have, or have with another type.", ""]
    lines += ["| Stream | Rows in the sample | Field | Types | |", "|---|---|---|---|---|"]
    for name, stream in report["streams"].items():
        unexpected = [shape for shape in (Shape(**values) for values in stream["fields"]) if not (shape.known and shape.fits)]
        for shape in unexpected:
            types = ", ".join(f"{json_type} {count}" for json_type, count in shape.types.items())
            difference = "another type than the schema's" if shape.known else "not in the schema"
            lines.append(f"| {name} | {stream['rows']} | `{shape.path}` | {types} | {difference} |")
        if not unexpected:
            lines.append(f"| {name} | {stream['rows']} | | | as in the schema |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
