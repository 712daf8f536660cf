"""The console script `source-retently`, `main.py` and `python -m source_retently`: prepares the process, then runs one command.

The CDK is two seconds and 75 MB of modules. The collector looks through all of it again and again while it is imported, and
then at every collection of a sync, and never finds anything: so it rests during the import, what was imported is set aside,
and afterwards it looks less often, at what a sync really makes (pages of rows, which go by themselves).
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

COLLECT_EVERY = 200_000
"""Objects made between two collections; a page of a thousand rows makes about 30,000."""

M_ARENA_MAX = -8
"""glibc's name for how many heaps it keeps; one for each thread that fetches pages would cost 5 MB each."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs one command: spec, check, discover or read."""
    _prepare_process()
    gc.disable()
    from source_retently.entrypoint import launch

    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    gc.enable()
    launch(arguments)


def _prepare_process() -> None:
    """Makes the process behave the same on every machine."""
    with suppress(ValueError):  # not in the main thread: then the process is somebody else's
        # What was not written yet has no state and comes again. Nothing runs before the process dies: a flush from here could
        # come in the middle of another one and write rows twice. Clients take death by the signal for well, and 143 for a
        # failure, but process 1 of a container does not die of signals that it has no handler for.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if os.getpid() != 1 else lambda *_: os._exit(128 + signal.SIGTERM))
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, io.TextIOWrapper):
            # Whatever the locale, and PYTHONIOENCODING; in a JSON text the escape of a lone surrogate is valid, too.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    # They come from the CDK and its libraries: PYTHONWARNINGS=error would end every command. pytest calls `launch` instead, and
    # still sees them.
    warnings.simplefilter("ignore")
    logging.raiseExceptions = False  # it would print on stderr what it could not write
    # requests would send the host's entry in ~/.netrc in place of the connector's credentials. Unlike `trust_env = False` this
    # leaves the proxies and certificates of the environment in use.
    os.environ["NETRC"] = os.devnull
    with suppress(ImportError, AttributeError, OSError, TypeError):  # only glibc has it; TypeError is what Windows raises
        import ctypes

        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


if __name__ == "__main__":
    if not __package__:  # run as a file: its folder would hide the standard library's `http`
        sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    run()
