"""Runs `maker` until a fault: `python -m tests.faults.doomed '{"before": 3, "signal": 9}' embed …`.

The fault is JSON: `signal` is sent to this process `before` its n-th change of the file system (a file opened for writing, renamed or
removed, a folder made or removed), `memory` and `file_size` limit its bytes. Without a fault the changes are counted, and they and the
peak of addresses are written to the file `count`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")


def main(fault: dict[str, Any], arguments: list[str]) -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, limit in (("memory", resource.RLIMIT_AS), ("file_size", resource.RLIMIT_FSIZE)):
        if name in fault:
            resource.setrlimit(limit, (fault[name], fault[name]))
    changes = 0

    def count(event: str, given: tuple[Any, ...]) -> None:
        nonlocal changes
        if event in CHANGES or (event == "open" and isinstance(given[2], int) and given[2] & WRITES and given[0] != os.devnull):
            changes += 1
            if changes == fault.get("before"):
                os.kill(os.getpid(), fault["signal"])

    sys.addaudithook(count)
    from maker.cli import main as maker

    status = maker(arguments)
    if "count" in fault:
        found = changes
        peak = re.search(r"VmPeak:\s+(\d+) kB", Path("/proc/self/status").read_text())
        Path(fault["count"]).write_text(json.dumps({"changes": found, "memory": int(peak[1]) << 10 if peak else 0}))
    return status


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
