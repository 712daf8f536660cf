"""The console script `source-retently`: prepares the interpreter, then runs one command.

The CDK is two seconds and 75 MB of modules. The collector looks through all of it again and again while it is imported, and
then at every collection of a sync, and never finds anything: so it rests during the import, what was imported is set aside,
and afterwards it looks less often, at what a sync really makes (pages of rows, which go by themselves).
"""

import ctypes
import gc
from collections.abc import Sequence
from contextlib import suppress

COLLECT_EVERY = 200_000
"""Objects made between two collections; a page of a thousand rows makes about 30,000."""

M_ARENA_MAX = (-8, 1)
"""One heap, in glibc's numbers; one for each thread that fetches pages would cost 5 MB each."""
M_MMAP_THRESHOLD = (-3, 256 * 1024)
"""Bytes from which memory goes back when it is freed: bodies of pages. Left alone, glibc raises it and keeps 3 MB of them."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs one command: spec, check, discover or read."""
    with suppress(AttributeError, OSError):  # other C libraries have no such knob, nor the need
        for option in (M_ARENA_MAX, M_MMAP_THRESHOLD):
            ctypes.CDLL(None).mallopt(*option)
    gc.disable()
    from source_retently.entrypoint import launch

    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    gc.enable()
    launch(arguments)
