"""Where the sources on the API contradict each other or say nothing, a switch chooses what the sandbox does."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Switches:
    """The first value of each switch is the default; numbers refer to the reference's table of contradictions."""

    paging_in: Literal["data", "top", "none"] = "data"
    """2: where page, pages, limit and total stand."""
    templates_in: Literal["templates", "data", "data.templates"] = "templates"
    """3: where the templates stand."""
    campaigns_in: Literal["campaigns", "data.campaigns"] = "campaigns"
    """4: where the campaigns stand."""
    reports_as: Literal["list", "object"] = "list"
    """7: whether a single report comes without its list."""
    list_paths: Literal["both", "new", "old"] = "both"
    """31: whether customers and outbox are at these paths, or below nps/."""
    survey_id: Literal["sometimes", "always", "never"] = "sometimes"
    """8: whether rows of the outbox have a surveyId."""
    score_field: Literal["score", "nps"] = "score"
    """13: what the score is called."""
    sort: Literal["honoured", "ignored"] = "honoured"
    """26: ignored means newest first, the default order."""
    dates: Literal["honoured", "ignored"] = "honoured"
    """14, 17: whether startDate and endDate filter."""
    bounds: Literal["inclusive", "exclusive"] = "inclusive"
    """15: whether a row on the bound itself is in."""
    over_limit: Literal["clamp", "refuse"] = "clamp"
    """27: what a limit above the maximum gets: as many rows as allowed, or a 400."""
    past_end: Literal["empty", "refuse", "last", "first"] = "empty"
    """27: what a page past the end gets."""
    unsurveyed: Literal["refuse", "null", "empty", "nulls"] = "refuse"
    """What the score of a metric answers that was never surveyed (2.13): 404, `data: null`, `{}`, or nulls."""
    metrics: Literal["all", "nps"] = "all"
    """Which metrics the account has surveyed."""
    trend_ids: Literal["absent", "present"] = "absent"
    """28: whether a trend has an `_id` of its own."""
    ping: Literal["present", "absent"] = "present"
    """2.1: whether the endpoint exists, which not every source knows."""
    updated_date: Literal["present", "absent"] = "present"
    """Whether customers have an updatedDate (2.2)."""
    rate_headers: Literal["present", "absent"] = "present"
    """18: whether a 429 says when to come back."""
    refresh_token: Literal["kept", "rotated"] = "kept"
    """20: whether each refresh replaces the refresh token and ends the old one."""
    total: Literal["exact", "more", "fewer", "zero", "capped", "swinging"] = "exact"
    """What `total` and `pages` count: the rows, `total_off` more or fewer, none, at most `total_off`, one less in turn."""
    total_off: int = 1500
    ties: Literal["stable", "changing"] = "stable"
    """Whether rows of the same date come in the same order in each response."""
    limits: Literal["any", "round"] = "any"
    """Whether a limit is refused that is none of 1, 10, 20, 50, 100, 200, 500, 1,000 and 2,000."""
    echoed_page: Literal["right", "one", "from_zero"] = "right"
    """What the response says which page it is."""
    row_dates: Literal["always", "sometimes"] = "always"
    """Whether each 50th row of feedback and outbox has no date, and is left out where dates are asked for."""
    heavy_rows: int = 0
    """Pages of so many rows get a 504; 0 for none."""
    clock_minutes: int = 0
    """How far the API's clock is ahead of this machine's."""
    companies_limit: int = 1000
    """1: most companies a page; other streams give 1,000."""
    rate_limit: int = 150
    """Requests in a minute; 0 for no limit."""
    latency_ms: int = 0
    """How long each answer of the API takes at least."""
    token_seconds: int = 21600
    """How long an OAuth access token lives."""

    def changed(self, **values: Any) -> "Switches":
        """
        :raises ValueError: when there is no such switch or position; the message names it
        """
        types = get_type_hints(Switches)
        for name, value in values.items():
            if name not in types:
                raise ValueError(f"there is no switch {name}; there are {', '.join(field.name for field in fields(self))}")
            positions = get_args(types[name])
            if (positions and value not in positions) or (not positions and not isinstance(value, int)):
                raise ValueError(f"switch {name} can be {' or '.join(positions) or 'a number'}, not {value!r}")
        return replace(self, **values)
