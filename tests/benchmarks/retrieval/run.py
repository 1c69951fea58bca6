"""What is found on Flickr8k, as a table: before, target and measured; `make bench-retrieval` runs it.

Each part is a module with a function `rows(flickr, seeds)`. Figures are of photos that nothing was trained on or chosen by.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.retrieval import absent, frozen, text
from tests.benchmarks.retrieval.corpus import Flickr
from tests.benchmarks.retrieval.rows import Row
from tests.outside_data import FLICKR
from tests.outside_data import absent as missing

PARTS: dict[str, Callable[[Flickr, int], list[Row]]] = {"frozen": frozen.rows, "text": text.rows, "absent": absent.rows}


def main(argv: list[str] | None = None) -> int:
    """Runs the parts and prints their lines."""
    parser = argparse.ArgumentParser(description="Measures what is found on Flickr8k.")
    parser.add_argument("--parts", default=",".join(PARTS), help="parts to run (default: %(default)s)")
    parser.add_argument("--flickr", type=Path, default=FLICKR)
    parser.add_argument("--work", type=Path, default=Path("build/retrieval"))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(argv)
    if not given.flickr.is_dir():
        parser.error(missing(given.flickr))
    if unknown := [name for name in given.parts.split(",") if name not in PARTS]:
        parser.error(f"--parts {unknown[0]}: expected some of {', '.join(PARTS)}")
    begin = time.perf_counter()
    sys.stdout.write("| what | before | target | measured |\n|---|---|---|---|\n")
    for name in given.parts.split(","):
        for row in PARTS[name](Flickr(given.flickr, given.work), given.seeds):
            sys.stdout.write(f"| {row.what} | {row.before} | {row.target} | {row.measured} |\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{given.seeds} seeds, {time.perf_counter() - begin:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
