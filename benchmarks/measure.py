"""Runs a command as a child process, and writes its CPU time, wall time and peak memory to stderr, as one line of JSON.

It imports little, because the kernel counts the memory of the parent process in the child's peak.
"""

import json
import os
import sys
import time


def main() -> None:
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606
    _, status, usage = os.wait4(process, 0)
    used = {"cpu": usage.ru_utime + usage.ru_stime, "wall": time.monotonic() - started, "peak_mb": usage.ru_maxrss / 1024}
    sys.stderr.write(json.dumps(used))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
