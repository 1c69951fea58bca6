"""What became of a command: pip's, or a product's program in an environment where pip has installed the product."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.install.products import Product

SMOKE_SECONDS = 300
ERROR = re.compile(r"^\s*((?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|NotFound)\b.*)$", re.M)
# What a user's settings and this repository's would bring into an environment that is to be a plain one.
NOT_PLAIN = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Done:
    """What a command did; `status` is None where it was killed for its time."""

    status: int | None
    out: str
    errors: str
    seconds: float


def tried(row: Product, python: Path, folder: Path, log: Path) -> dict[str, str]:
    """What an interpreter makes of the product's program, in a folder made afresh; its errors go to a log."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    program = folder / "smoke.py"
    program.write_text(row.smoke, encoding="utf-8")
    done = run([str(python), "-I", str(program), *row.arguments], folder, SMOKE_SECONDS)
    log.write_text(done.errors, encoding="utf-8")
    if done.status == 0:
        return {"verdict": "works", "said": (done.out.strip().splitlines() or [""])[-1]}
    if done.status is None:
        return {"verdict": f"installs, but does not answer in {SMOKE_SECONDS} s"}
    at = re.search(r'smoke\.py", line (\d+)', done.errors)
    importing = at is not None and row.smoke.splitlines()[int(at[1]) - 1].lstrip().startswith(("import ", "from "))
    kind = "installs, import fails" if importing else "installs, but fails" if done.status > 0 else "installs, but crashes"
    return {"verdict": kind, "detail": last_error(done.errors) if done.status > 0 else signal.Signals(-done.status).name}


def pip_verdict(row: Product, done: Done, timeout: float) -> dict[str, str]:
    """Why pip did not install."""
    said = done.out + done.errors
    if done.status is None:
        doing = "installing" if "Building wheels for collected" in done.out or "Installing collected" in done.out else "resolving"
        return {"verdict": f"pip does not finish {doing} in {timeout:.0f} s", "detail": (done.out.strip().splitlines() or [""])[-1].strip()}
    if other := re.search(r"requires a different Python: \S+ not in '(.+)'", said):
        return {"verdict": f"needs Python {other[1]}"}
    if missing := re.search(r"No matching distribution found for (\S+)", said):
        if missing[1] in row.requirements:
            return {"verdict": "no wheel for this Python"}
        return {"verdict": "a dependency has no wheel for this Python", "detail": missing[1].rstrip(";")}
    if "ResolutionImpossible" in said:
        return {"verdict": "pip finds no versions that go together", "detail": last_error(said)}
    if broken := re.search(r"subprocess-exited-with-error|Failed building wheel|metadata-generation-failed|BackendUnavailable", said):
        name = re.findall(r"(?:Collecting|Failed building wheel for) ([\w.-]+)", said[: broken.end()])
        inner = [line for line in ERROR.findall(said) if not line.startswith("ERROR")]
        detail = f"{name[-1] if name else '?'}: {inner[-1] if inner else last_error(said)}"
        return {"verdict": "a dependency does not build" if row.name not in detail.split(":")[0] else "does not build", "detail": detail}
    return {"verdict": "pip fails", "detail": last_error(said)}


def last_error(said: str) -> str:
    """The last line that names an error; the last line where none does."""
    lines = ERROR.findall(said) or said.strip().splitlines() or ["no message"]
    return lines[-1].strip()


def run(command: Sequence[str], folder: Path, timeout: float) -> Done:
    """Runs a command in a session of its own, so that all that it started is killed with it.

    Time in which this process was suspended is not counted: whoever measures on the same machine may stop it for a while.
    """
    plain = {name: value for name, value in os.environ.items() if name not in NOT_PLAIN}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    seconds = 0.0
    with subprocess.Popen(command, cwd=folder, env=plain, **pipes, encoding="utf-8", errors="replace", start_new_session=True) as started:
        while True:
            begin = time.monotonic()
            try:
                out, errors = started.communicate(timeout=min(1.0, max(0.0, timeout - seconds)))
                return Done(started.returncode, out, errors, seconds + min(time.monotonic() - begin, 2.0))
            except subprocess.TimeoutExpired:
                seconds += min(time.monotonic() - begin, 2.0)
                if seconds < timeout:
                    continue
                os.killpg(started.pid, signal.SIGKILL)
                out, errors = started.communicate()
                return Done(None, out, errors, seconds)
            except BaseException:
                os.killpg(started.pid, signal.SIGKILL)
                raise
