"""The picture of the score by month, as examples/nps_by_month.py draws it for a real account."""

from datetime import date
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from examples.nps_by_month import Month, draw


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    return saved


def months(count: int, missing: tuple[int, ...] = ()) -> list[Month]:
    """The last months up to November 2026."""
    numbers = [2026 * 12 + 10 - back for back in range(count - 1, -1, -1)]
    return [Month(date(n // 12, n % 12 + 1, 1), 40, 20, 8, 30) for i, n in enumerate(numbers) if i not in missing]


@pytest.mark.parametrize("count", [1, 2, 12, 96, 300])
def test_labels_are_few_and_the_axis_fits_the_scores(figures: list[Figure], count: int) -> None:
    draw(months(count), "feedback in a.duckdb", Path("a.png"), date(2026, 11, 27))
    counts, scores = figures[0].axes
    assert 1 <= len(counts.get_xticks()) <= 14
    assert scores.get_ylim() == (15, 45)
    assert any(
        f"feedback in a.duckdb, {months(count)[0].first_day:%Y-%m} to 2026-11" in text.get_text() for text in counts.texts
    )


def test_months_without_answers_interrupt_the_line(figures: list[Figure]) -> None:
    draw(months(12, missing=(3, 4)), "", Path("a.png"), date(2026, 12, 1))
    counts, scores = figures[0].axes
    assert [score == score for score in scores.get_lines()[0].get_ydata()] == [place not in (3, 4) for place in range(12)]  # type: ignore[union-attr]
    assert len(counts.patches) == 12


@pytest.mark.parametrize(("today", "is_marked"), [(date(2026, 11, 30), True), (date(2026, 12, 1), False)])
def test_the_unfinished_month_is_marked(figures: list[Figure], today: date, is_marked: bool) -> None:
    draw(months(3), "", Path("a.png"), today)
    legend = figures[0].axes[0].get_legend()
    assert legend is not None
    assert ("month is not finished" in [text.get_text() for text in legend.get_texts()]) == is_marked
