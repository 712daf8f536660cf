"""Which paths exist, which headers responses have, and which headers the API accepts the key in."""

from probe.finding import Finding, Question
from probe.samples import Samples

OTHER_PATHS = ("outbox", "nps/outbox", "nps/campaigns", "nps/templates", "nps/customers/response")


def ping(samples: Samples) -> Finding:
    """Whether the endpoint of the account exists."""
    question = Question("ping", "docs/api.md#account", "Does /ping exist?")
    return question.answered("present" if samples.responses["account"].status == 200 else "absent")


def list_paths(samples: Samples) -> Finding:
    """Which of the two paths of customers exist."""
    question = Question("list_paths", "docs/api.md#old-paths", "Which of /customers and /nps/customers exist?")
    statuses = [samples.api.get(path, limit=1).status for path in ("customers", "nps/customers")]
    position = {(200, 200): "both", (200, 404): "new", (404, 200): "old"}.get((statuses[0], statuses[1]))
    return question.answered(position or f"HTTP {statuses}")


def paths(samples: Samples) -> list[Finding]:
    """Which of the other paths exist."""
    return [
        Question(f"path {path}", "docs/api.md#old-paths", f"Does /{path} exist?").answered(
            "yes" if samples.api.get(path, limit=1).status == 200 else "no"
        )
        for path in OTHER_PATHS
    ]


def headers(samples: Samples) -> list[Finding]:
    """Which headers are about the rate limit, and which headers the API accepts the key in."""
    names = {name.lower() for response in samples.responses.values() for name in response.headers}
    limits = sorted(name for name in names if name.startswith("x-ratelimit") or name == "retry-after")
    limit_headers = Question("limit_headers", "docs/api.md#rate-limit-headers", "Which headers are about the rate limit?")
    rate_headers = Question("rate_headers", "docs/api.md#rate-limit-headers", "Does a 429 have the time to wait?")
    refresh_token = Question("refresh_token", "docs/api.md#refresh-token", "Does a refresh replace the refresh token?")
    found = [
        limit_headers.answered(", ".join(limits) or "none on responses with 200"),
        rate_headers.undecided("a 429, which the probe does not provoke"),
        refresh_token.undecided("an OAuth application instead of a key"),
    ]
    for header in ("X-Api-Key", "api_key"):
        question = Question(
            f"header {header}", "docs/api.md#key-header", f"Does the API accept the key in the header {header}?"
        )
        found.append(question.answered("yes" if samples.api.get_signed(header).status == 200 else "no"))
    return found
