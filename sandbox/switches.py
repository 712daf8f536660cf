"""Where the sources on the API contradict each other or say nothing, a switch chooses what the sandbox does."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints


def _switch(default: Any, text: str) -> Any:
    """
    :param text: what it plays, for `python -m sandbox --help` and sandbox/README.md
    """
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True)
class Switches:
    """The first value of each switch is the default; see also docs/api.md#contradictions."""

    paging_in: Literal["data", "top", "none"] = _switch(
        "data", "Where page, pages, limit and total are (docs/api.md#paging-place)."
    )
    templates_in: Literal["templates", "data", "data.templates"] = _switch(
        "templates", "Where the templates are (docs/api.md#templates-array)."
    )
    campaigns_in: Literal["campaigns", "data.campaigns"] = _switch(
        "campaigns", "Where the campaigns are (docs/api.md#campaigns-array)."
    )
    reports_as: Literal["list", "object"] = _switch(
        "list", "Whether all reports are a list, or the only one is an object (docs/api.md#reports-shape)."
    )
    list_paths: Literal["both", "new", "old"] = _switch(
        "both", "Whether customers and outbox are at these paths, below nps/, or both (docs/api.md#old-paths)."
    )
    survey_id: Literal["sometimes", "always", "never"] = _switch(
        "sometimes", "Whether rows of the outbox have a surveyId (docs/api.md#outbox-key)."
    )
    score_field: Literal["score", "nps"] = _switch("score", "What the score is called (docs/api.md#score-name).")
    sort: Literal["honoured", "ignored"] = _switch(
        "honoured", "Whether `sort` is followed; ignored means newest first, the default order (docs/api.md#sort-order)."
    )
    customers_sort: Literal["ignored", "honoured", "refused", "disordered", "nulls_last"] = _switch(
        "ignored",
        "Whether customers are sorted by `-updatedDate`: not at all, yes, a 400, in no order from page 2 on, or yes with each "
        "50th one without that date, at the end (docs/api.md#sort-by-change).",
    )
    dates: Literal["honoured", "ignored"] = _switch(
        "honoured", "Whether startDate and endDate filter (docs/api.md#date-filters)."
    )
    bounds: Literal["inclusive", "exclusive"] = _switch(
        "inclusive", "Whether a row dated exactly startDate or endDate is included (docs/api.md#date-bounds)."
    )
    over_limit: Literal["clamp", "refuse"] = _switch(
        "clamp", "What a limit above the maximum gets: as many rows as allowed, or a 400 (docs/api.md#limit-above-maximum)."
    )
    past_end: Literal["empty", "refuse", "last", "first"] = _switch(
        "empty", "What a page past the end gets (docs/api.md#page-past-end)."
    )
    unsurveyed: Literal["refuse", "null", "empty", "nulls"] = _switch(
        "refuse",
        "What a metric that was never surveyed gets (docs/api.md#unsurveyed-metric): 404, `data: null`, `{}`, or nulls.",
    )
    metrics: Literal["all", "nps"] = _switch("all", "Which metrics the account has surveyed.")
    trend_ids: Literal["absent", "present"] = _switch(
        "absent", "Whether a trend has an `_id` of its own (docs/api.md#trend-key)."
    )
    ping: Literal["present", "absent"] = _switch(
        "present", "Whether the endpoint exists; not every source knows it (docs/api.md#account)."
    )
    updated_date: Literal["present", "absent"] = _switch(
        "present", "Whether customers have an updatedDate (docs/api.md#updated-date)."
    )
    rate_headers: Literal["present", "absent"] = _switch(
        "present", "Whether a 429 has the header Retry-After (docs/api.md#rate-limit-headers)."
    )
    refresh_token: Literal["kept", "rotated"] = _switch(
        "kept",
        "Whether each refresh replaces the refresh token, after which the old one is refused (docs/api.md#refresh-token).",
    )
    total: Literal["exact", "more", "fewer", "zero", "capped", "swinging"] = _switch(
        "exact",
        "What `total` and `pages` count: the rows, `total_off` more or fewer, none, at most `total_off`, or in every second response one row too few.",
    )
    total_off: int = _switch(1500, "The number that `total` is off by, or at most.")
    ties: Literal["stable", "changing"] = _switch(
        "stable", "Whether rows of the same date come in the same order in each response."
    )
    limits: Literal["any", "round"] = _switch(
        "any", "Whether only the limits 1, 10, 20, 50, 100, 200, 500, 1,000 and 2,000 are accepted; others get a 400."
    )
    echoed_page: Literal["right", "one", "from_zero"] = _switch(
        "right", "Which page number a response repeats: the right one, always 1, or one counted from 0."
    )
    row_dates: Literal["always", "sometimes"] = _switch(
        "always", "Whether each 50th row of feedback and outbox has no date, and is left out where dates are asked for."
    )
    heavy_rows: int = _switch(0, "Pages of this many rows or more get a 504; 0 for none.")
    clock_minutes: int = _switch(0, "How many minutes the API's clock is ahead of this machine's.")
    companies_limit: int = _switch(
        1000, "Most companies in a page; the other lists give 1,000 (docs/api.md#companies-page-size)."
    )
    rate_limit: int = _switch(150, "Most requests in a minute; 0 for no limit.")
    latency_ms: int = _switch(0, "How many milliseconds a response takes at least.")
    token_seconds: int = _switch(21600, "How many seconds an OAuth access token is valid.")

    def changed(self, **values: Any) -> "Switches":
        """
        :raises ValueError: when there is no such switch or position; the message names it
        """
        switches = {option.name: option for option in OPTIONS}
        for name, value in values.items():
            if name not in switches:
                raise ValueError(f"there is no switch {name}; there are {', '.join(switches)}")
            positions = switches[name].positions
            if (positions and value not in positions) or (not positions and not isinstance(value, int)):
                raise ValueError(f"switch {name} can be {' or '.join(positions) or 'a number'}, not {value!r}")
        return replace(self, **values)


@dataclass(frozen=True)
class Option:
    """An option of the command."""

    name: str
    default: Any
    text: str
    positions: tuple[str, ...] = ()
    """Its possible values; none where it takes any number."""


_TYPES = get_type_hints(Switches)
OPTIONS = tuple(
    Option(switch.name, switch.default, switch.metadata["text"], get_args(_TYPES[switch.name])) for switch in fields(Switches)
)
