"""The Net Promoter Score of each month, from the DuckDB file that examples/to_duckdb.py writes: a table and a picture.

python examples/nps_by_month.py --database out/retently.duckdb --out out/nps_by_month.png
"""

import argparse
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from typing import NamedTuple

import duckdb
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch

QUERY = """
    select date_trunc('month', "createdDate")::date as month,
           count(*) as responses,
           count(*) filter (score >= 9) as promoters,
           count(*) filter (score <= 6) as detractors,
           round(100.0 * (promoters - detractors) / responses) as nps
    from feedback
    where "metricsType" = 'NPS' and score is not null and not coalesce("isBogus", false)
    group by month
    order by month
"""

LINE, BARS, UNFINISHED = "#1f3a5f", "#d7e3ee", "#f2d9b8"


class Month(NamedTuple):
    """The answers of one month, in UTC."""

    first_day: date
    responses: int
    promoters: int
    """Answers of 9 and 10."""
    detractors: int
    """Answers of 0 to 6."""
    nps: float
    """The score, from -100 to 100."""


def nps_by_month(database: Path) -> list[Month]:
    """The months that have responses, oldest first."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("set timezone = 'UTC'")
        return [Month(*row) for row in connection.sql(QUERY).fetchall()]


def with_gaps(months: list[Month]) -> list[Month]:
    """All months from the first to the last; those without responses have no score, which interrupts the line."""
    found = {month.first_day: month for month in months}
    days = [months[0].first_day]
    while days[-1] < months[-1].first_day:
        days.append(next_month(days[-1]))
    return [found.get(day, Month(day, 0, 0, 0, float("nan"))) for day in days]


def next_month(first_day: date) -> date:
    return date(first_day.year + first_day.month // 12, first_day.month % 12 + 1, 1)


def middle(first_day: date) -> float:
    """The x position of a month on the date axis: the middle of its bar, which fills four fifths of it."""
    return float(date2num(first_day)) + 0.4 * (next_month(first_day) - first_day).days


def draw(months: list[Month], source: str, path: Path, today: date) -> None:
    """Draws the score as a line over the number of responses as bars, and writes it as PNG.

    :param source: what the responses are from, for the title
    :param today: the month of this day is not finished, and drawn in another colour
    """
    months = with_gaps(months)
    days = [month.first_day for month in months]
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    counts = figure.subplots()
    is_unfinished = [month.first_day == today.replace(day=1) for month in months]
    widths = [(next_month(day) - day).days * 0.8 for day in days]
    colours = [UNFINISHED if now else BARS for now in is_unfinished]
    counts.bar(days, [month.responses for month in months], widths, align="edge", color=colours)  # type: ignore[arg-type]
    counts.set_ylim(0, 3 * max(month.responses for month in months))  # the lower third, so that the line is easy to see
    counts.set_ylabel("responses")
    every = next(step for step in (1, 2, 3, 6, 12, 24, 60) if len(days) <= 14 * step or step == 60)
    labelled = [day for day in days if (day.year * 12 + day.month - 1) % every == 0]
    counts.set_xticks([middle(day) for day in labelled], [f"{day:%b}\n{day:%Y}" for day in labelled])
    scores = counts.twinx()
    size = 5 if len(days) < 40 else 3
    scores.plot([middle(day) for day in days], [month.nps for month in months], color=LINE, marker="o", markersize=size)
    known = [month.nps for month in months if month.responses]
    low, high = max(-105, min(known) - 15), min(105, max(known) + 15)
    scores.set_ylim(low, high)
    if low < 0 < high:
        scores.axhline(0, color="#999999", linewidth=0.8)
    scores.set_ylabel("Net Promoter Score")
    for axes in (counts, scores):
        axes.spines["top"].set_visible(False)
    counts.set_title("Net Promoter Score by month\n", loc="left", fontweight="bold")
    counts.text(0, 1.02, f"{source}, {days[0]:%Y-%m} to {days[-1]:%Y-%m}", transform=counts.transAxes, color="#555555")
    shown = [Patch(color=BARS, label="responses"), *scores.get_lines()[:1]]
    labels = ["responses", "NPS"]
    if any(is_unfinished):
        shown.append(Patch(color=UNFINISHED))
        labels.append("month is not finished")
    counts.legend(shown, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="The Net Promoter Score of each month.")
    parser.add_argument("--database", type=Path, default=Path("out/retently.duckdb"))
    parser.add_argument("--out", type=Path, default=Path("out/nps_by_month.png"))
    chosen = parser.parse_args()
    if not chosen.database.exists():
        sys.exit(f"{chosen.database} is missing: run make sync first, or make demo and give --database out/demo.duckdb.")
    months = nps_by_month(chosen.database)
    if not months:
        sys.exit("The file has no responses to NPS surveys yet.")
    show(months)
    draw(months, f"feedback in {chosen.database}", chosen.out, datetime.now(timezone.utc).date())
    print(f"The picture is in {chosen.out}.")


def show(months: list[Month]) -> None:
    print(f"{'month':<9}{'responses':>10}{'promoters':>11}{'detractors':>12}{'NPS':>6}")
    for day, responses, promoters, detractors, score in months:
        print(f"{day:%Y-%m}  {responses:>10,}{promoters:>11,}{detractors:>12,}{score:>6.0f}")


if __name__ == "__main__":
    main()
