"""What the ways of asking find and cost; `make bench-queries` runs it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from maker.data.captions import read_captions
from maker.workspace import Rejects
from task.text import TextSearcher
from tests.benchmarks.composed import Photos, exclusions, pictures_with_a_word
from tests.benchmarks.filters import filter_costs
from tests.benchmarks.words import word_cost, words_and_vectors
from tests.outside_data import FLICKR, absent


def main() -> None:
    """Prints one JSON object per line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flickr", type=Path, default=FLICKR)
    parser.add_argument("--searcher", type=Path, default=Path("build/flickr/searcher.tflite"))
    parser.add_argument("--items", type=int, default=1_000_000, help="items to filter (default %(default)s)")
    given = parser.parse_args()
    if not given.flickr.is_dir():
        parser.error(absent(given.flickr))
    captions = [c for c in read_captions(given.flickr / "captions.tsv", Rejects()) if (c.split, c.language) == ("val", "en")]
    with TextSearcher.create_from_file(str(given.searcher)) as searcher:
        photos = Photos(searcher, captions)
        measured = [*exclusions(photos), *pictures_with_a_word(photos), *words_and_vectors(searcher, captions), word_cost(captions)]
        for row in [*measured, *filter_costs(given.items)]:
            sys.stdout.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    main()
