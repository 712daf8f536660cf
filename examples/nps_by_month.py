"""The Net Promoter Score of each month, from the DuckDB file that examples/to_duckdb.py writes: a table and a picture.

python examples/nps_by_month.py --database out/retently.duckdb --out out/nps_by_month.png
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import duckdb
from matplotlib.figure import Figure

QUERY = """
    select strftime(date_trunc('month', "createdDate"), '%Y-%m') as month,
           count(*) as responses,
           count(*) filter (score >= 9) as promoters,
           count(*) filter (score <= 6) as detractors,
           round(100.0 * (promoters - detractors) / responses) as nps
    from feedback
    where "metricsType" = 'NPS' and score is not null and not coalesce("isBogus", false)
    group by month
    order by month
"""


Month = tuple[str, int, int, int, float]
"""Month, number of responses, of promoters (9 and 10), of detractors (0 to 6), and the score (-100 to 100)."""


def nps_by_month(database: Path) -> list[Month]:
    """The months that have responses, oldest first."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("set timezone = 'UTC'")
        months: list[Month] = connection.sql(QUERY).fetchall()
        return months


def draw(months: list[Month], path: Path) -> None:
    """Draws the score as a line over the number of responses as bars, and writes it as PNG."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    counts = figure.subplots()
    positions = range(len(months))
    counts.bar(positions, [row[1] for row in months], color="#d7e3ee", label="responses")
    counts.set_ylim(0, 3 * max(row[1] for row in months))  # the bars fill the lower third, so that the line is easy to see
    counts.set_ylabel("responses")
    counts.set_xticks(positions, [row[0] for row in months], rotation=60)
    scores = counts.twinx()
    scores.plot(positions, [row[4] for row in months], color="#1f3a5f", marker="o", label="NPS")
    scores.axhline(0, color="#999999", linewidth=0.8)
    scores.set_ylim(-100, 100)
    scores.set_ylabel("Net Promoter Score")
    for axes in (counts, scores):
        axes.spines["top"].set_visible(False)
    counts.set_title("Net Promoter Score by month", loc="left", fontweight="bold")
    handles: list[Any] = [*counts.get_legend_handles_labels()[0], *scores.get_legend_handles_labels()[0]]
    counts.legend(handles, ["responses", "NPS"], loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
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
    draw(months, chosen.out)
    print(f"The picture is in {chosen.out}.")


def show(months: list[Month]) -> None:
    print(f"{'month':<9}{'responses':>10}{'promoters':>11}{'detractors':>12}{'NPS':>6}")
    for month, responses, promoters, detractors, score in months:
        print(f"{month:<9}{responses:>10,}{promoters:>11,}{detractors:>12,}{score:>6.0f}")


if __name__ == "__main__":
    main()
