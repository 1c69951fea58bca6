"""What the searcher of `make demo` finds, by what the generator of its scenes knows; `make bench-demo` runs it.

Typed queries and the held-out captions are asked of the file, as people would, among all of its scenes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.data.captions import read_captions
from maker.sample.plan import Scene, plan_corpus
from maker.sample.truth import ABSENT, typed_queries
from maker.workspace import Rejects
from task.core import BaseOptions
from task.processor import SearchOptions
from task.processor.options import AUTO
from task.text import TextSearcher, TextSearcherOptions

DEEPEST = 10
SEED = 0  # of `maker sample`


def precisions(searcher: TextSearcher, names: Sequence[str], seed: int = SEED) -> dict[str, float]:
    """Mean precision@5 of each kind of query, over the drawn scenes with these names."""
    found: dict[str, list[float]] = {}
    for query in typed_queries(drawn_scenes(names, seed)):
        right = set(query.scenes)
        found.setdefault(query.kind, []).append(float(np.mean([name in right for name in answers(searcher, query.text)[:5]])))
    return {kind: round(float(np.mean(values)), 3) for kind, values in found.items()}


def judged_relevance(file: Path, names: Sequence[str], seed: int = SEED) -> dict[str, float]:
    """What gate and cut do: the share of the right results among the first ten that is shown, and of absent things' queries answered."""
    shown, right = 0, 0
    with opened(file) as every, opened(file, AUTO) as kept:
        for query in typed_queries(drawn_scenes(names, seed)):
            right += len(set(answers(every, query.text)) & set(query.scenes))
            shown += len(set(answers(kept, query.text)) & set(query.scenes))
        answered = float(np.mean([bool(answers(kept, query)) for query in ABSENT]))
    return {"right results shown": round(shown / right, 3), "queries about things never drawn, answered": round(answered, 3)}


def recalls(searcher: TextSearcher, captions: Sequence[tuple[str, str]]) -> dict[str, float]:
    """R@1 and R@10 in percent of captions, given as scene and text, among all scenes of the file."""
    found = [(scene, answers(searcher, text)) for scene, text in captions]
    places = np.array([names.index(scene) if scene in names else DEEPEST for scene, names in found])
    return {f"R@{k}": round(100 * float((places < k).mean()), 1) for k in (1, DEEPEST)}


def drawn_scenes(names: Sequence[str], seed: int) -> list[Scene]:
    """The plan of the scenes with these names, of those that were drawn with a seed."""
    held_out = [name for name in names if "_val_" in name]
    drawn = set(names)
    return [scene for scene in plan_corpus(len(names) - len(held_out), len(held_out), seed) if scene.name in drawn]


def opened(file: Path, min_relevance: str | None = None) -> TextSearcher:
    """A searcher that gives ten results, or those of them that are relevant enough."""
    options = SearchOptions(max_results=DEEPEST, min_relevance=min_relevance)
    return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(file)), search_options=options))


def answers(searcher: TextSearcher, query: str) -> list[str]:
    """The names of the ten nearest scenes."""
    return [neighbor.metadata.decode() for neighbor in searcher.search(query).nearest_neighbors]


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("demo", type=Path, help="the folder of `make demo`")
    given = parser.parse_args()
    captions = read_captions(given.demo / "scenes" / "captions.tsv", Rejects())
    file = given.demo / "searcher.tflite"
    with opened(file) as searcher:
        names = sorted({c.image for c in captions})
        for kind, value in precisions(searcher, names).items():
            print_row(f"precision@5 of {kind}, truth of the generator", value)
        for name, share in judged_relevance(file, names).items():
            print_row(f"gate and cut of the file: {name}", share)
        held_out = [(c.image, c.text) for c in captions if c.split == "val"]
        for name, percent in recalls(searcher, held_out).items():
            print_row(f"{len(held_out)} held-out captions among {len(names)} scenes, {name}", f"{percent} %")


def print_row(name: str, value: object) -> None:
    """Prints a line of the table."""
    sys.stdout.write(f"{name:64}{value}\n")


if __name__ == "__main__":
    main()
