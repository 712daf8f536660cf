"""The console script `source-retently`: prepares the interpreter, then runs one command.

The CDK is two seconds and 75 MB of modules. The collector looks through all of it again and again while it is imported, and
then at every collection of a sync, and never finds anything: so it rests during the import, what was imported is set aside,
and afterwards it looks less often, at what a sync really makes (pages of rows, which go by themselves).
"""

import ctypes
import gc
import os
from collections.abc import Sequence
from contextlib import suppress

COLLECT_EVERY = 200_000
"""Objects made between two collections; a page of a thousand rows makes about 30,000."""

M_ARENA_MAX = -8
"""glibc's name for how many heaps it keeps; one for each thread that fetches pages would cost 5 MB each."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs one command: spec, check, discover or read."""
    # requests would send the host's entry in ~/.netrc in place of the connector's credentials. Unlike `trust_env = False` this
    # leaves the proxies and certificates of the environment in use.
    os.environ["NETRC"] = os.devnull
    with suppress(AttributeError, OSError):  # other C libraries have no such knob, nor the need
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    gc.disable()
    from source_retently.entrypoint import launch

    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    gc.enable()
    launch(arguments)
