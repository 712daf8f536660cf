"""Where the sources on the API contradict each other or say nothing, a switch chooses what the sandbox does."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Switches:
    """The first value of each switch is the default; see also docs/api.md#contradictions."""

    paging_in: Literal["data", "top", "none"] = "data"
    """Where page, pages, limit and total stand (docs/api.md#paging-place)."""
    templates_in: Literal["templates", "data", "data.templates"] = "templates"
    """Where the templates stand (docs/api.md#templates-array)."""
    campaigns_in: Literal["campaigns", "data.campaigns"] = "campaigns"
    """Where the campaigns stand (docs/api.md#campaigns-array)."""
    reports_as: Literal["list", "object"] = "list"
    """Whether a single report comes without its list (docs/api.md#reports-shape)."""
    list_paths: Literal["both", "new", "old"] = "both"
    """Whether customers and outbox are at these paths, or below nps/ (docs/api.md#old-paths)."""
    survey_id: Literal["sometimes", "always", "never"] = "sometimes"
    """Whether rows of the outbox have a surveyId (docs/api.md#outbox-key)."""
    score_field: Literal["score", "nps"] = "score"
    """What the score is called (docs/api.md#score-name)."""
    sort: Literal["honoured", "ignored"] = "honoured"
    """Ignored means newest first, the default order (docs/api.md#sort-order)."""
    dates: Literal["honoured", "ignored"] = "honoured"
    """Whether startDate and endDate filter (docs/api.md#date-filters)."""
    bounds: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether a row on the bound itself is in (docs/api.md#date-bounds)."""
    over_limit: Literal["clamp", "refuse"] = "clamp"
    """What a limit above the maximum gets: as many rows as allowed, or a 400 (docs/api.md#limit-above-maximum)."""
    past_end: Literal["empty", "refuse", "last", "first"] = "empty"
    """What a page past the end gets (docs/api.md#page-past-end)."""
    unsurveyed: Literal["refuse", "null", "empty", "nulls"] = "refuse"
    """What a metric that was never surveyed gets (docs/api.md#unsurveyed-metric): 404, `data: null`, `{}`, or nulls."""
    metrics: Literal["all", "nps"] = "all"
    """Which metrics the account has surveyed."""
    trend_ids: Literal["absent", "present"] = "absent"
    """Whether a trend has an `_id` of its own (docs/api.md#trend-key)."""
    ping: Literal["present", "absent"] = "present"
    """Whether the endpoint exists, which not every source knows (docs/api.md#account)."""
    updated_date: Literal["present", "absent"] = "present"
    """Whether customers have an updatedDate (docs/api.md#updated-date)."""
    rate_headers: Literal["present", "absent"] = "present"
    """Whether a 429 says when to come back (docs/api.md#rate-limit-headers)."""
    refresh_token: Literal["kept", "rotated"] = "kept"
    """Whether each refresh replaces the refresh token and ends the old one (docs/api.md#refresh-token)."""
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
    """Most companies a page; other streams give 1,000 (docs/api.md#companies-page-size)."""
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
