"""`Probe`: asks all questions. An answer never has a value from the account's rows: only switch positions, counts, and names of
fields and types."""

from collections.abc import Callable, Iterator

from probe import dates, envelopes, paging, paths, rows, scores
from probe.api import Api
from probe.finding import Finding
from probe.samples import Samples

QUESTIONS: tuple[Callable[[Samples], Finding | list[Finding]], ...] = (
    paging.companies_limit,
    envelopes.paging_in,
    envelopes.templates_in,
    envelopes.campaigns_in,
    rows.property_types,
    envelopes.reports_as,
    rows.survey_id,
    rows.outbox_order,
    paging.default_limit,
    paging.limits,
    paging.totals,
    paging.echoed_page,
    rows.row_dates,
    rows.recipient_types,
    scores.score_field,
    dates.dates,
    dates.customers_date,
    dates.customers_sort,
    dates.bounds,
    dates.unix_dates,
    paths.headers,
    dates.sort,
    paging.over_limit,
    paging.past_end,
    rows.trend_ids,
    scores.unsurveyed,
    scores.scores,
    rows.updated_date,
    paths.ping,
    paths.list_paths,
    paths.paths,
)


class Probe:
    """All questions, asked of one account."""

    def __init__(self, api: Api) -> None:
        self.samples = Samples(api)

    def findings(self) -> Iterator[Finding]:
        """All findings, in the order of `QUESTIONS`."""
        for question in QUESTIONS:
            found = question(self.samples)
            yield from found if isinstance(found, list) else [found]
