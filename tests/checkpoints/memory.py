"""Opens an encoder file in a process of its own, embeds, and prints what it took in memory: `python -m tests.checkpoints.memory FILE`.

A bare process is one that has imported NumPy, the runtime and the interpreter, and has opened nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

SENTENCES = ("a photo of a cat", "a photo of a cat " * 5, "a photo of a cat " * 20)


def grown(path: Path) -> dict[str, float]:
    """Megabytes: `bare`, the process without a file, and `peak`, what it grew by at most."""
    done = subprocess.run([sys.executable, "-m", "tests.checkpoints.memory", str(path)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(path: str) -> None:
    """Embeds sentences of several lengths, and a picture where there is a tower for it."""
    from ai_edge_litert.interpreter import Interpreter

    from task.core import BaseOptions
    from task.search import GraphEmbedder

    assert Interpreter  # imported before the measurement
    bare = _status("VmRSS")
    embedder = GraphEmbedder(BaseOptions(path, num_threads=1))
    for sentence in SENTENCES:
        embedder.embed_text(sentence)
    if "embed_image" in embedder.signatures:
        embedder.embed_image(np.zeros((*embedder.image_size(), 3), np.uint8))
    sys.stdout.write(json.dumps({"bare": bare, "peak": _status("VmHWM") - bare}))


def _status(key: str) -> float:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)]
    return float(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(sys.argv[1])
