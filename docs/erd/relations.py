"""Which field of which stream leads where: the one list that the table, the diagram and the test are made from."""

from source_retently.streams.endpoints import STREAMS

RELATIONS: tuple[tuple[str, str, str], ...] = (
    ("customers.companyId", "companies.id", "the customer's company"),
    ("feedback.customerId", "customers.id", "who responded"),
    ("feedback.companyId", "companies.id", "the company of who responded"),
    ("feedback.campaignId", "campaigns.id", "the campaign that asked"),
    ("feedback.surveyId", "outbox.surveyId", "the sent survey that it responds to"),
    ("outbox.responseId", "feedback.id", "the response to the sent survey"),
    ("outbox.customerId", "customers.id", "who was asked"),
    ("outbox.companyId", "companies.id", "the company of who was asked"),
    ("outbox.campaignId", "campaigns.id", "the campaign that asked"),
    ("outbox.surveyTemplateId", "templates.id", "the template of the survey"),
    ("campaigns.templateId", "templates.id", "the template of the campaign"),
    ("reports.campaignId", "campaigns.id", "the campaign reported on"),
    ("template_details.id", "templates.id", "the same template, with its questions"),
    ("trends.groupId", "trend_groups.id", "the group that the trend is in"),
)


def relation_table() -> str:
    rows = ["| From | To | What it is |", "|---|---|---|"]
    return "\n".join(rows + [f"| `{child}` | `{parent}` | {meaning} |" for child, parent, meaning in RELATIONS])


def diagram() -> str:
    """A Mermaid diagram: the streams that join, each with its key and with the fields that lead to others.

    A row of either side may be missing, so each side is "zero or one" or "zero or more".
    """
    streams = {stream.name: stream for stream in (make() for make in STREAMS)}
    ends = [end.split(".") for child, parent, _ in RELATIONS for end in (child, parent)]
    lines = ["```mermaid", "erDiagram"]
    for name, stream in streams.items():
        leads = {child.split(".")[1] for child, *_ in RELATIONS if child.startswith(f"{name}.")}
        fields = [field for owner, field in ends if owner == name]
        if not fields:
            continue
        lines.append(f"    {name} {{")
        for field in dict.fromkeys([str(stream.primary_key), *fields]):
            marks = [mark for mark, holds in (("PK", field == stream.primary_key), ("FK", field in leads)) if holds]
            lines.append(f"        string {field} {', '.join(marks)}".rstrip())
        lines.append("    }")
    for child, parent, _ in RELATIONS:
        (owner, field), target = child.split("."), parent.split(".")[0]
        many = "o|" if field == streams[owner].primary_key else "o{"
        lines.append(f"    {target} |o--{many} {owner} : {field}")
    return "\n".join([*lines, "```"])
