"""A worker process: one library, one thread."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[3]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


class PeerError(Exception):
    """A library is not installed, or a request failed."""


class Process:
    """Runs `worker.py` in another environment."""

    def __init__(self, python: Path, engine: str, log: Path) -> None:
        """Starts the process.

        Args:
            python: The environment's interpreter.
            engine: A module of `engines`.
            log: Its stderr is appended to this file.

        Raises:
            PeerError: The interpreter does not exist, or the library is not installed in its environment.
        """
        if not (ROOT / python).exists():
            raise PeerError(f"{python} is missing")
        self._log = open(log, "ab")  # noqa: SIM115 - closed in close()
        command = [str(ROOT / python), "-m", "tests.benchmarks.peers.worker", engine]
        environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=ROOT, env=environment
        )
        try:
            self.version = self.request("version")["version"]
        except PeerError:
            self.close()
            raise

    def request(self, do: str, limit: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Sends a request and waits for the response.

        Args:
            do: What to do.
            limit: After so many seconds the process is ended; None to wait as long as it takes.
            **arguments: The rest of the request.

        Raises:
            PeerError: The request failed or took too long, or the process died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Event()
        timer = threading.Timer(limit or 0, lambda: (late.set(), self._process.kill()))
        if limit is not None:
            timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line and late.is_set():
            raise PeerError(f"took longer than {limit:g} s")
        if not line:
            raise PeerError(f"the process died with status {self._process.wait()}; see {self._log.name}")
        response: dict[str, Any] = json.loads(line)
        if "error" in response:
            raise PeerError(response["error"])
        return response

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Process:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the process."""
        self.close()
