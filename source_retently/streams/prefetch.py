"""`Prefetch`: pages are fetched while the ones before them are emitted, and handed out in order."""

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

Page = TypeVar("Page", bound=Hashable)
Result = TypeVar("Result")

DONE_AND_WAITING = 2


class Prefetch(Generic[Page, Result]):
    """A few fetches in flight or done, each waiting for its turn.

    The threads are daemons, which an executor's are not: those would keep a stopped process alive until the last request in
    flight has ended.
    """

    def __init__(self, fetch: Callable[[Page], Result]) -> None:
        """
        :param fetch: fetches a page; called with what `expect` or `get` were given, and from several threads
        """
        self._fetch = fetch
        self._pages: dict[Page, Future[Result]] = {}

    def expect(self, pages: Iterable[Page]) -> None:
        """Starts to fetch these pages, unless they are in flight already, and drops all others.

        Where two are done and wait for their turn, the network is not the bottleneck: more of them would only take memory, so
        no new one is started.
        """
        is_enough = sum(page.done() for page in self._pages.values()) >= DONE_AND_WAITING
        known = self._pages
        self._pages = {
            page: known[page] if page in known else self._start(page) for page in pages if page in known or not is_enough
        }

    def get(self, page: Page) -> Result:
        """A page, fetched earlier or now.

        :raises Exception: what its fetch raised
        """
        expected = self._pages.pop(page, None)
        return self._fetch(page) if expected is None else expected.result()

    def _start(self, page: Page) -> "Future[Result]":
        future: Future[Result] = Future()

        def work() -> None:
            try:
                future.set_result(self._fetch(page))
            except BaseException as error:
                future.set_exception(error)

        Thread(target=work, daemon=True, name="prefetch").start()
        return future
