"""Runs many cases in processes of their own, so that a crash, a hang or a peak of memory is seen and belongs to one case.

A part of the suite is a class with `__init__(folder)`, which finds or makes what all cases start from, `case(random)`, which returns the
name and the bytes of an input, and `check(path)`, which reads that input and returns in a word how it ended. Whatever `check` raises is a
failure. After each long step it calls `alive()`, so that only a step of more than `HANG` seconds counts as a hang.

A case is known by seed and number alone: `python -m tests.faults.cases PART FOLDER SEED NUMBER` runs it again.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "faults"  # inputs of failed cases
PROCESSES = 2
HANG = 10  # seconds of processor time: machines may be busy
START = 120  # seconds, imports included
MEMORY = 1 << 30  # bytes
ALIVE = "alive"
MOST_FAILURES = 20  # more would not tell more


@dataclass
class Outcome:
    """How the cases of a part ended.

    Attributes:
        counts: Cases by the word that `check` returned.
        failures: What is wrong, with the file of the input.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return ", ".join(f"{count} {word}" for word, count in self.counts.most_common())


def run(part: str, folder: Path, count: int, seed: int) -> Outcome:
    """Runs the cases 0 to `count` of a part, such as `tests.faults.images:Images`, in processes that each take their share."""
    outcome = Outcome()
    shares = [range(first, count, PROCESSES) for first in range(PROCESSES)]
    threads = [threading.Thread(target=_run_share, args=(part, folder, share, seed, outcome)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def _run_share(part: str, folder: Path, share: range, seed: int, outcome: Outcome) -> None:
    """Runs cases one after another; a process that dies or hangs is replaced from the next case on."""
    while share and len(outcome.failures) < MOST_FAILURES:
        with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
            done, reason = _run_process(part, folder, share, seed, Path(scratch), outcome)
            if reason:
                number = share[done]
                kept = _keep(Path(scratch), part, seed, number)
                outcome.failures.append(f"case {number} of seed {seed}: {reason}; input {kept}")
                done += 1
            share = share[done:]


def _run_process(part: str, folder: Path, share: range, seed: int, scratch: Path, outcome: Outcome) -> tuple[int, str]:
    """Runs cases until one fails: how many ended well, and what is wrong with the next one, if anything."""
    numbers = ",".join(map(str, (share.start, share.stop, share.step)))
    command = [sys.executable, "-m", "tests.faults.cases", part, str(folder), str(seed), numbers, str(scratch)]
    said = scratch / "stderr"
    with open(said, "wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = _Lines(process.stdout.fileno())
        try:
            if lines.next(START) != "ready":
                raise RuntimeError(f"{part} cannot start: {said.read_text(errors='replace')[-2000:]}")
            for done in range(len(share)):
                line = _answer(lines, process.pid)
                if line is None:
                    return done, f"hangs for more than {HANG} s"
                if not line:
                    return done, f"ends the process with status {process.wait()}: {said.read_text(errors='replace')[-300:]}"
                word, _, detail = line.partition("\t")
                if word == "failed":
                    return done, detail
                outcome.counts[word] += 1
            return len(share), ""
        finally:
            process.kill()


def _answer(lines: _Lines, pid: int) -> str | None:
    """The line that ends a case; None if it hangs: for `HANG` seconds of processor time, or six times that by the clock."""
    line: str | None = ALIVE
    while line == ALIVE:
        begin, used = time.monotonic(), _processor_seconds(pid)
        while (line := lines.next(1)) is None:
            if _processor_seconds(pid) - used > HANG or time.monotonic() - begin > 6 * HANG:
                return None
    return line


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Lines:
    """Reads lines of a pipe with a time limit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._held = descriptor, b""

    def next(self, seconds: float) -> str | None:
        """The next line without its end; empty where the pipe is closed, None where none came in time."""
        while b"\n" not in self._held:
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return None
            read = os.read(self._descriptor, 1 << 16)
            if not read:
                return ""
            self._held += read
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace")


def _keep(scratch: Path, part: str, seed: int, number: int) -> str:
    """Moves the input of a failed case where people find it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for path in (scratch / "input").glob("*"):
        target = KEPT / f"{part.rpartition(':')[2].lower()}-{seed}-{number}-{path.name}"
        shutil.copyfile(path, target)
        return str(target.relative_to(ROOT))
    return "was not written"


def alive() -> None:
    """Says that a step of a case has ended."""
    _say(ALIVE)


def _child(part: str, folder: str, seed: str, numbers: str, scratch: str | None = None) -> None:
    """Runs cases and prints a line for each."""
    module, _, name = part.partition(":")
    suite: Any = getattr(importlib.import_module(module), name)(Path(folder))
    with tempfile.TemporaryDirectory(prefix="faults-") as made:
        inputs = Path(scratch or made) / "input"
        _say("ready")
        for number in range(*map(int, numbers.split(","))) if "," in numbers else [int(numbers)]:
            shutil.rmtree(inputs, ignore_errors=True)
            inputs.mkdir()
            file_name, content = suite.case(random.Random(f"{seed}-{number}"))
            (inputs / file_name).write_bytes(content)
            line = _checked(suite, inputs / file_name)
            _say(line)
            if line.startswith("failed"):
                return  # the input stays


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _checked(suite: Any, path: Path) -> str:
    _forget_peak()
    try:
        word = suite.check(path)
    except Exception:
        return "failed\t" + " | ".join(traceback.format_exc().strip().splitlines()[-7:])
    peak = _peak()
    return f"failed\ttakes {peak >> 20} MiB of memory ({word})" if peak > MEMORY else word


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory that this process held since `_forget_peak`, in bytes; 0 where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0


if __name__ == "__main__":
    _child(*sys.argv[1:])
