"""Breaks runs of `maker` at seeded moments, runs them again, and compares with a run that nothing broke."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from task.format import archive, manifest

ROOT = Path(__file__).parents[2]
LONGEST = 300  # seconds that a run may take
LEAVING = 20  # seconds that workers may take to see that their parent is gone
KINDS = ("SIGKILL at a change", "SIGKILL at a time", "SIGTERM at a change", "SIGTERM at a time", "no disk", "no memory")
LEAST_MEMORY = 60 << 20  # bytes of addresses with which Python itself starts
MEASURED = ("_ms", "seconds", "bytes_per_second")  # ends of the manifest's keys that hold times


@dataclass(frozen=True)
class Unbroken:
    """A run that nothing broke.

    Attributes:
        files: What it left, by relative path; measured times are taken out.
        seconds: How long it took.
        changes: Changes of the file system by its main process.
        memory: Its peak of addresses in bytes.
        disk: The bytes of what it left.
    """

    files: dict[str, str]
    seconds: float
    changes: int
    memory: int
    disk: int


class Command:
    """A `maker` command whose outputs all lie in one folder.

    Args:
        arguments: The command line; `OUT` stands for the folder of the outputs.
        inputs: What no run may change.
    """

    def __init__(self, arguments: list[str], inputs: Path) -> None:
        self.arguments, self.inputs = arguments, inputs
        self.before = contents(inputs)

    def unbroken(self, folder: Path) -> Unbroken:
        """Runs the command twice, since the first run fills the caches of the disk, and says what the second one took."""
        for name in ("first", "second"):
            out = folder / name
            out.mkdir(parents=True)
            begin = time.monotonic()
            status, said = self._run(out, {"count": str(folder / "count")})
            seconds = time.monotonic() - begin
            assert status == 0, said
        counted = json.loads((folder / "count").read_text())
        files = contents(folder / "second")
        assert contents(folder / "first") == files, "two unbroken runs differ"
        disk = sum(path.stat().st_size for path in (folder / "second").rglob("*") if path.is_file())
        return Unbroken(files, seconds, counted["changes"], counted["memory"], disk)

    def broken(self, folder: Path, kind: str, source: random.Random, unbroken: Unbroken) -> str:
        """Breaks a run, runs it again and checks what is left; returns how the broken run ended."""
        fault, at = _fault(kind, source, unbroken)
        with _disk(folder / "out", fault.pop("disk", None)) as out:
            status, said = self._run(out, fault, at)
            where = f"{kind}, {fault}, at {at}: status {status}, said {said[-1500:]!r}"
            if kind.startswith("SIGTERM"):
                assert status in (0, 130, -signal.SIGTERM), where
                assert "Traceback" not in said, where
            if kind == "no disk":
                assert status in (0, 1), where
                assert "Traceback" not in said, where
            if not kind.startswith("SIGKILL") and kind != "no memory":
                assert not list(out.rglob("*.partial")), where
                assert not list((folder / "tmp").iterdir()), where
            half = {name: content for name, content in contents(out).items() if not _is_work(name)}
            assert half.items() <= unbroken.files.items(), f"{where}: left a half-written {half.keys()}"
            if out.is_mount():
                subprocess.run(["mount", "-o", "remount,size=1g", str(out)], check=True)
            again, said = self._run(out, {})
            assert again == 0, f"{where}; the next run: status {again}, said {said[-1500:]!r}"
            found = contents(out)
            names = found.keys() ^ unbroken.files.keys()
            assert not names, f"{where}; files more or less: {sorted(names)}"
            assert found == unbroken.files, f"{where}; files that differ: {[n for n, c in found.items() if c != unbroken.files[n]]}"
            assert contents(self.inputs) == self.before, f"{where}: inputs changed"
        return "finished first" if status == 0 else f"ended with {status}"

    def _run(self, out: Path, fault: dict[str, Any], seconds: float | None = None) -> tuple[int, str]:
        """Runs the command; after `seconds` it gets the fault's signal. Returns its status and what it wrote to stderr."""
        arguments = [argument.replace("OUT", str(out)) for argument in self.arguments]
        temporary, said = out.parent / "tmp", out.parent / f"{out.name}.said"
        temporary.mkdir(exist_ok=True)
        mark = f"FAULTS_RUN={out}"
        environment = {**os.environ, "TMPDIR": str(temporary), "FAULTS_RUN": str(out), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tests.faults.doomed", json.dumps(fault), *arguments]
        with open(said, "wb") as errors:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=errors, stderr=errors)
            try:
                if seconds is not None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(seconds)
                    process.send_signal(fault["signal"])
                status = process.wait(LONGEST)
            finally:
                process.kill()
                process.wait()
        end = time.monotonic() + LEAVING
        while left := processes_with(mark):
            assert time.monotonic() < end, f"processes are left: {left}"
            time.sleep(0.02)
        return status, said.read_text(errors="replace")


def _fault(kind: str, source: random.Random, unbroken: Unbroken) -> tuple[dict[str, Any], float | None]:
    """The fault, as `doomed` takes it, and the second at which to send its signal."""
    if kind.startswith("SIG"):
        sent = int(signal.SIGKILL if kind.startswith("SIGKILL") else signal.SIGTERM)
        if kind.endswith("time"):
            return {"signal": sent}, source.uniform(0, unbroken.seconds)
        return {"signal": sent, "before": source.randint(1, unbroken.changes)}, None
    if kind == "no disk":
        size = source.randint(1, max(1, unbroken.disk >> 10))  # KiB
        return {"disk": size} if can_mount() else {"file_size": size << 10}, None
    return {"memory": source.randint(LEAST_MEMORY, unbroken.memory)}, None


def can_mount() -> bool:
    """Whether small disks can be mounted; without, the size of each file is limited."""
    return sys.platform.startswith("linux") and os.geteuid() == 0 and _mounts()


def _mounts() -> bool:
    probe = Path("/tmp") / f"faults-{os.getpid()}"
    probe.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(probe)], capture_output=True, check=False)
    if done.returncode == 0:
        subprocess.run(["umount", str(probe)], check=True)
    probe.rmdir()
    return done.returncode == 0


@contextlib.contextmanager
def _disk(folder: Path, size: int | None) -> Iterator[Path]:
    """A folder, on a disk of its own of that many KiB if a size is given."""
    folder.mkdir(parents=True)
    if size is not None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        if size is not None:
            subprocess.run(["umount", str(folder)], check=True)


def processes_with(mark: str) -> list[str]:
    """The command lines of the processes that have a variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file; what was measured in a searcher is left out, and TensorBoard's events, which hold the time of day."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "tensorboard" not in name:
            content = path.read_bytes()
            if content[4:8] == b"TFL3" and path.suffix == ".tflite":
                content = _without_times(content)
            elif name.endswith(".card.md"):
                content = b"\n".join(line for line in content.splitlines() if b" ms" not in line)
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def _without_times(content: bytes) -> bytes:
    parts = {name: content[start : start + size] for name, (start, size) in archive.locate(content).items()}
    if manifest.FILE in parts:
        parts[manifest.FILE] = json.dumps(_timeless(json.loads(parts[manifest.FILE]))).encode()
    if "card.md" in parts:
        parts["card.md"] = b"\n".join(line for line in parts["card.md"].splitlines() if b" ms" not in line)
    return content[: archive.model_size(content)] + repr(sorted(parts.items())).encode()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if not key.endswith(MEASURED)}
    return value


def _is_work(name: str) -> bool:
    return ".work/" in name or name.endswith(".partial")
