"""Where paging numbers and rows are in the body of a response."""

from probe.finding import Finding, Question
from probe.samples import Samples
from source_retently.streams.envelope import value_at


def paging_in(samples: Samples) -> Finding:
    """Where the paging numbers are."""
    question = Question("paging_in", "docs/api.md#paging-place", "Where are total and pages?")
    response = samples.responses["customers"]
    if response.status != 200:
        return question.undecided("an account whose customers can be read")
    for place, value in (("data", response.data), ("top", response.body)):
        if isinstance(value, dict) and type(value.get("total")) is int:
            return question.answered(place)
    return question.answered("none")


def templates_in(samples: Samples) -> Finding:
    """Where the list of templates is."""
    question = Question("templates_in", "docs/api.md#templates-array", "Where are the templates?")
    return _path_of_list(samples, "templates", question)


def campaigns_in(samples: Samples) -> Finding:
    """Where the list of campaigns is."""
    question = Question("campaigns_in", "docs/api.md#campaigns-array", "Where are the campaigns?")
    return _path_of_list(samples, "campaigns", question)


def _path_of_list(samples: Samples, stream: str, question: Question) -> Finding:
    for path in (stream, f"data.{stream}", "data"):
        if isinstance(value_at(samples.responses[stream].body, path), list):
            return question.answered(path)
    return question.undecided(f"a response of /{stream} with a list in it")


def reports_as(samples: Samples) -> Finding:
    """Whether reports are a list."""
    question = Question("reports_as", "docs/api.md#reports-shape", "Are reports a list or a single object?")
    data = samples.responses["reports"].data
    if isinstance(data, (list, dict)):
        return question.answered("list" if isinstance(data, list) else "object")
    return question.undecided("a campaign with a report")
