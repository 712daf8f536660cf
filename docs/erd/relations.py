"""Which field of which stream leads where: the one list that the table, the picture and the test are made from."""

from pathlib import Path

from matplotlib.figure import Figure

RELATIONS: tuple[tuple[str, str, str], ...] = (
    ("customers.companyId", "companies.id", "the customer's company"),
    ("feedback.customerId", "customers.id", "who answered"),
    ("feedback.companyId", "companies.id", "the company of who answered"),
    ("feedback.campaignId", "campaigns.id", "the campaign that asked"),
    ("feedback.surveyId", "outbox.surveyId", "the sent survey that was answered"),
    ("outbox.responseId", "feedback.id", "the answer to the sent survey"),
    ("outbox.customerId", "customers.id", "who was asked"),
    ("outbox.companyId", "companies.id", "the company of who was asked"),
    ("outbox.campaignId", "campaigns.id", "the campaign that asked"),
    ("outbox.surveyTemplateId", "templates.id", "the template of the survey"),
    ("campaigns.templateId", "templates.id", "the template of the campaign"),
    ("reports.campaignId", "campaigns.id", "the campaign reported on"),
    ("template_details.id", "templates.id", "the same template, with its questions"),
    ("trends.groupId", "trend_groups.id", "the group that the trend is in"),
)

PLACES = {
    "companies": (0, 2),
    "customers": (1, 2),
    "trend_groups": (4, 2.4),
    "outbox": (1.6, 1),
    "feedback": (0.4, 1),
    "trends": (4, 1.6),
    "templates": (3, 1),
    "template_details": (4, 0.6),
    "campaigns": (1.6, 0),
    "reports": (3, 0),
}
"""Where a stream stands in the picture, in units of its own."""


def relation_table() -> str:
    rows = ["| From | To | What it is |", "|---|---|---|"]
    return "\n".join(rows + [f"| `{child}` | `{parent}` | {meaning} |" for child, parent, meaning in RELATIONS])


def draw(path: Path) -> None:
    """Draws the streams as boxes, and an arrow with the field's name for each relation, as PNG."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.4, 4.5)
    axes.set_ylim(-0.25, 2.6)
    box = {"boxstyle": "round,pad=0.5", "facecolor": "#1f3a5f", "edgecolor": "none"}
    frames = {
        stream: axes.text(x, y, stream, ha="center", va="center", color="white", fontweight="bold", bbox=box).get_bbox_patch()
        for stream, (x, y) in PLACES.items()
    }
    for child, parent, _ in RELATIONS:
        (start, field), end = child.split("."), parent.split(".")[0]
        bend = 0.18
        arrow = {
            "arrowstyle": "-|>",
            "color": "#5b7f9f",
            "patchA": frames[start],
            "patchB": frames[end],
            "shrinkB": 3,
            "connectionstyle": f"arc3,rad={bend}",
        }
        axes.annotate("", PLACES[end], PLACES[start], arrowprops=arrow)
        (x0, y0), (x1, y1) = PLACES[start], PLACES[end]
        # Where the bent line is: off the middle, at right angles to it.
        x, y = (x0 + x1) / 2 + (y1 - y0) * bend / 2, (y0 + y1) / 2 - (x1 - x0) * bend / 2
        label = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(x, y, field, ha="center", va="center", fontsize=8.5, bbox=label)
    figure.savefig(path, dpi=110)
