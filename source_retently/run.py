"""The console script `source-retently`, `main.py` and `python -m source_retently`: prepares the process, then runs one command.

Importing the CDK creates so many objects that garbage collection, which never finds anything among them, takes a quarter of the
start-up and again time in each sync. So it is off during the import, what was imported is excluded from it (`gc.freeze`), and
afterwards it runs less often.
"""

import gc
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from source_retently.light_cdk import use_light_cdk

COLLECT_EVERY = 200_000
"""Objects created between two collections; a page of a thousand rows creates about 30,000."""

M_ARENA_MAX = -8
"""glibc's option for the number of heaps; one for each thread that fetches pages would cost 5 MB each."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs one command: spec, check, discover or read."""
    _prepare_process()
    gc.disable()
    use_light_cdk()
    from source_retently.entrypoint import launch

    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    gc.enable()
    launch(arguments)


def _prepare_process() -> None:
    """Makes the process behave the same on every machine."""
    with suppress(ValueError):  # not in the main thread: then the process belongs to another program
        # Rows that were not written yet have no state and will be read again. Nothing runs before the process dies: a flush
        # here could interrupt another one and write rows twice. Clients treat death by the signal as success and exit code 143
        # as a failure, but process 1 of a container does not die of signals without a handler.
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL if os.getpid() != 1 else lambda number, _: os._exit(128 + number))
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, io.TextIOWrapper):
            # Independent of locale and PYTHONIOENCODING. In JSON the escape of a lone surrogate is valid, too.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    # They come from the CDK and its libraries: with PYTHONWARNINGS=error they would end each command. pytest calls `launch`
    # instead, and still sees them.
    warnings.simplefilter("ignore")
    logging.raiseExceptions = False  # on an error it would print the record on stderr
    # requests would send the host's entry in ~/.netrc in place of the connector's credentials. Unlike `trust_env = False` this
    # keeps the proxies and certificates of the environment.
    os.environ["NETRC"] = os.devnull
    with suppress(ImportError, AttributeError, OSError, TypeError):  # only glibc has it; Windows raises TypeError
        import ctypes

        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


if __name__ == "__main__":
    if not __package__:  # run as a file: its folder would hide the standard library's `http`
        sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    run()
