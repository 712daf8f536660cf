"""`summary`: what a sync did, as the last lines of its log."""

from collections.abc import Collection

from source_retently import __version__
from source_retently.http.rate_limit import RateBudget
from source_retently.run_context import Outcome


def summary(streams: Collection[str], failed: Collection[str], outcome: Outcome, budget: RateBudget, seconds: float) -> str:
    """One line on the whole sync, and one on each stream.

    :param streams: the streams of the catalog
    :param failed: those of them that failed
    :param seconds: how long the sync took
    """
    read, emitted = (sum(counts[name] for name in streams) for counts in (outcome.read, outcome.emitted))
    head = (
        f"source-retently {__version__}: {len(streams)} streams in {seconds:,.0f} s, {read:,} records read, "
        f"{emitted:,} emitted; {budget.requests:,} requests, {budget.waited:,.0f} s of waiting for the rate limit."
    )
    return "\n".join([head, *(f"  {name}: {_stream(name, name in failed, outcome)}" for name in streams)])


def _stream(name: str, has_failed: bool, outcome: Outcome) -> str:
    if name in outcome.skipped:
        return "skipped, see the warning above"
    read, emitted, counted = outcome.read[name], outcome.emitted[name], outcome.counted.get(name)
    count = f" (the API counts {counted:,})" if counted is not None else ""
    parts = [f"{read:,} read{count}, {emitted:,} emitted"]
    if has_failed:
        parts.append("FAILED, see the error above")
    elif read > emitted:
        parts.append(f"{read - emitted:,} unchanged or outside the dates")
    if name in outcome.may_lack_rows:
        parts.append("some may be missing")
    if fields := outcome.nulled.get(name):
        parts.append(f"values that do not match the schema became null in {', '.join(sorted(fields))}")
    return ", ".join(parts)
