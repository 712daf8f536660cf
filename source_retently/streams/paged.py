"""`PagedStream`: a list that comes in pages. The paginator decides what to ask for; this class asks, and logs what happened."""

from abc import ABC
from collections.abc import MutableMapping
from functools import partial
from itertools import islice
from types import MappingProxyType

import requests
from airbyte_cdk.models import FailureType

from source_retently.http.body import parsed_body
from source_retently.http.handler import PageRefused
from source_retently.http.responses import failure
from source_retently.streams.base import Fetched, PageToken, Records, RetentlyStream, Slice, State, response_without_body
from source_retently.streams.envelope import paging_number, stable_hash
from source_retently.streams.full_refresh import SYNC_ID
from source_retently.streams.page_sizes import LARGEST_PAGE
from source_retently.streams.pages import GENERATED_KEY_PREFIX, End, Page, PageReader, Request, Step
from source_retently.streams.paging import Paginator
from source_retently.streams.paging_moves import MOST_READINGS
from source_retently.streams.prefetch import Prefetch
from source_retently.streams.progress import Progress

PREFETCHED_BYTES = 12_000_000
"""Bytes of the pages that are prefetched, estimated from the size of the last page."""


class PagedStream(RetentlyStream, ABC):
    """A list endpoint with `page` and `limit`.

    The token of the next page is the paginator's `saved`, from which a killed sync can be resumed. Where a page is not what was
    expected (the list changed, the API refused it), its step has no rows, and the paginator asks for an earlier page.
    """

    page_size = LARGEST_PAGE
    first_row: PageToken = MappingProxyType({"page": 1, "limit": 1})

    _paginator: PageReader | None = None
    _step: Step
    _prefetch: Prefetch[Request, Fetched] | None = None
    _progress: Progress

    # ------------------------------------------------------------------------------------------------- the request

    def request_params(
        self, stream_state: State, stream_slice: Slice = None, next_page_token: PageToken = None
    ) -> MutableMapping[str, object]:
        page = next_page_token or {"page": 1, "limit": self.page_size}
        sort = page.get("sort") or self.sort
        return {"page": page["page"], "limit": page["limit"], **({"sort": sort} if sort else {})}

    def fetch(self, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        if next_page_token is self.first_row:  # of `check`, which does not begin to read
            return super().fetch(stream_slice, next_page_token)
        paginator, prefetch = self._paginator, self._prefetch
        saved = {name: value for name, value in (next_page_token or {}).items() if name != SYNC_ID} or None
        if paginator is None or prefetch is None or saved is None or saved != paginator.saved:
            paginator = self.begin(saved)
            prefetch = self._prefetch = Prefetch(partial(self._fetch_request, stream_slice))
        return prefetch.get(paginator.request)

    def _fetch_request(self, stream_slice: Slice, request: Request) -> Fetched:
        """Fetches one page; several threads may do it at once."""
        return super().fetch(stream_slice, {"page": request.number, "limit": request.limit, "sort": request.sort})

    def replace_refused(self, refusal: PageRefused, stream_slice: Slice, next_page_token: PageToken) -> Fetched:
        paginator = self._paginator
        if paginator and paginator.can_take(refusal.status):
            return response_without_body(refusal.status)
        if refusal.status != 404 or not self._has_other_path:
            raise refusal
        not_found = self.path()
        self._path_is_known = self.uses_old_path  # neither was found: where that is temporary, the present one will be
        self.uses_old_path = not self.uses_old_path
        self.logger.info(f"{self.name}: {not_found} was not found (HTTP 404), asking for {self.path()}.")
        return self._fetch_next_page(stream_slice, None, next_page_token)

    def begin(self, saved: PageToken) -> PageReader:
        """Begins to read the list, or goes on where `saved` says."""
        self._paginator = Paginator(self.page_size, saved, date_field=self.date_field, most_readings=self.most_readings)
        self._progress = Progress(self.name, self.logger, self._outcome.messages)
        return self._paginator

    @property
    def date_field(self) -> str:
        """The field by which the list is sorted, or one close to it."""
        return self.sort or ""

    @property
    def most_readings(self) -> int:
        """How often a list whose order changes is read, at the most."""
        return MOST_READINGS

    # ------------------------------------------------------------------------------------------------ the response

    def records(self, response: requests.Response, stream_slice: Slice = None) -> Records:
        """The rows of a page that were not read before.

        :raises AirbyteTracedException: when the list can't be read to its end
        """
        paginator = self._paginator or self.begin(None)
        page = self._page(response)
        self._step = step = paginator.take(page)
        self._prefetch_after(page)
        if step.event:
            self.logger.info(f"{self.name}: {step.event}.")
        if step.failure:
            self._paginator = None
            raise failure(
                f"Retently's list of {self.name} can't be read to its end, because {step.failure}: "
                "try again later, and report it if it stays so.",
                FailureType.transient_error,
            )
        self._outcome.read[self.name] += len(step.rows)
        if page.status == 200:
            self._path_is_known = True
            self._progress.page(paginator.position, paginator.size, page.total)
        yield from self.emit(step, response)
        if step.end:
            self._finish(step.end)

    def next_page(self, response: requests.Response) -> PageToken:
        """The token of the page after this one; None after the last."""
        if self._step.end or self._paginator is None:
            return None
        return {**self._paginator.saved, **({SYNC_ID: self._sync_id} if self._sync_id else {})}

    def emit(self, step: Step, response: requests.Response) -> Records:
        """What to emit of a step."""
        return step.rows

    def _page(self, response: requests.Response) -> Page:
        if response.status_code != 200:
            return Page(status=response.status_code)
        body = self.body_of(response)
        keys, rows = [], []
        for item in self.rows_in(body) or []:
            prefix = "" if isinstance(item, dict) and self.has_own_key(item) else GENERATED_KEY_PREFIX
            row = self.prepare(item, {})
            keys.append(prefix + (stable_hash(item) if row is None else str(row[self.primary_key])))
            rows.append(row)
        return Page(keys, rows, paging_number(body, "total"), paging_number(body, "limit"), parsed_body(response).size)

    def _prefetch_after(self, page: Page) -> None:
        if self._paginator and self._prefetch and self._settings.workers > 1:
            # Nothing is foreseen after a page that was not as expected: what was prefetched shows the list as it was before.
            most = min(self._settings.workers, max(1, PREFETCHED_BYTES // max(1, page.size)))
            self._prefetch.expect(islice(self._paginator.foreseen(page.total), most))

    def _finish(self, end: End) -> None:
        """Logs how the reading ended."""
        if end.total is not None:
            self._outcome.counted[self.name] = end.total
        if end.may_lack_rows:
            self._outcome.may_lack_rows.add(self.name)
            listed = max(end.position, end.total or 0)
            count = f"{end.seen:,} of {listed:,}" if end.seen < listed else f"{end.seen:,}"
            self.logger.warning(
                f"{self.name}: {count} records were read and some may be missing, because the API "
                f"{'changed the order of rows' if end.order_changed else 'moved rows or left some out'} while they were read; "
                "later syncs read the list again."
            )
        elif end.total_is_wrong:
            self.warn_wrong_total(end)
        self._progress.end(end)

    def warn_wrong_total(self, end: End) -> None:
        """Logs that the API counts other rows than its list has."""
        self.logger.warning(
            f"{self.name}: the API counts {end.total:,} records, but its list has {end.position:,}; all of the list was read."
        )
