"""Runs a command as a child of this small process and tells what it took, as one line of JSON on stderr.

Small, because the kernel counts the memory of the process that starts another among the other's peak.
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
    taken = {"cpu": usage.ru_utime + usage.ru_stime, "wall": time.monotonic() - started, "peak_mb": usage.ru_maxrss / 1024}
    sys.stderr.write(json.dumps(taken))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
