"""Where the data lies that is not in the repository, and what to say where it is absent. docs/data.md says how to get it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
VARIABLE = "POCKET_SEARCHER_DATA"
DATA = ROOT / os.environ.get(VARIABLE, "../shared/data")  # a relative path counts from the checkout, as in the Makefile
FLICKR = DATA / "flickr8k"
WEIGHTS = DATA / "weights"
LEGACY = DATA / "legacy"
MINILM = DATA / "minilm"
OPENWAKEWORD = ROOT / "build" / "sound" / "openwakeword"  # where `make bench-sound` downloads it to


def absent(path: Path) -> str:
    """One line for whoever wants `path` and does not have it."""
    return f"{path} is not here; docs/data.md says how to get it"
