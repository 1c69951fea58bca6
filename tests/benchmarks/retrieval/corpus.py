"""Flickr8k as all parts of the benchmark use it: photos to train on, photos to choose the best epoch, and photos to judge on.

5,000 photos train, the 1,000 of the split `val` choose the best epoch, and 1,000 photos of the split `train` that nothing else sees are
judged on. All are indexed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption, read_captions
from maker.data.images import load_image
from maker.embedding.texts import embed_texts
from maker.evaluation.identical_captions import lenient_ranks, repeated_captions
from maker.evaluation.retrieval import stored_rows
from maker.evaluation.shared_words import words_of
from maker.pipeline import BuildOptions, Corpus, TowerOptions, build
from maker.training.metrics import ranks, recall
from maker.workspace import Rejects
from task.core import BaseOptions
from task.search import GraphEngine
from task.vision.resize import resize

JUDGED, SEED = 1000, 7  # photos, and the seed that draws them
HELD_OUT = "test"  # a split that no build trains on or chooses by
# Things and surroundings that stand in the captions of at least ten of the judged photos.
WORDS = """
baby ball beach bench bicycle bike boat boy building camera car child crowd dogs field football fountain girl grass hat helmet jacket lake
mountain ocean park pool ramp rock sand skateboard slide snow soccer swing tennis tree wall water wave woman
"""
ONE_WORD = WORDS.split()
NAMED_TWICE = 2  # captions of a photo that have to name a thing, for the photo to be right
FIRST = 5  # results of a one-word query that count


@dataclass(frozen=True)
class Flickr:
    """The captions of one language, split for the benchmark.

    Attributes:
        folder: The folder with `captions.tsv` and `images/`.
        work: Where captions, features and searchers are kept.
        language: The language of the captions; None for all.
    """

    folder: Path
    work: Path
    language: str | None = "en"

    @cached_property
    def captions(self) -> list[Caption]:
        """All captions of the language; the photos to judge on have the split `test`."""
        every = read_captions(self.folder / "captions.tsv", Rejects())
        train = sorted({c.image for c in every if c.split == "train"})
        judged = {train[i] for i in np.random.default_rng(SEED).permutation(len(train))[:JUDGED]}
        chosen = [c for c in every if self.language in (None, c.language)]
        return [replace(c, split=HELD_OUT) if c.image in judged else c for c in chosen]

    @property
    def judged(self) -> list[Caption]:
        """The captions to judge on."""
        return [c for c in self.captions if c.split == HELD_OUT]

    def build(self, name: str, image_encoder: str, seed: int, training: dict[str, Any] | None = None, **towers: Any) -> Built:
        """Builds a searcher of all photos. The features of a tower are computed once for all builds."""
        listed = self.work / f"captions-{self.language}.tsv"
        self.work.mkdir(parents=True, exist_ok=True)
        used = [c for c in self.captions if c.split != HELD_OUT]
        lines = [f"{c.image}\t{c.split}\t{c.language}\t{c.text}\n" for c in used]
        listed.write_text("".join(["image\tsplit\tlang\tcaption\n", *lines]), encoding="utf-8")
        output = self.work / f"{name}-{seed}.tflite"
        options = BuildOptions(
            towers=TowerOptions(image_encoder=image_encoder, **towers),
            training={"seed": seed, **(training or {})},
            report=False,
            work_dir=self.work / "towers.work",
            overwrite=True,
        )
        begin = time.perf_counter()
        report = build(Corpus(images=self.folder, captions=listed, language=self.language), output, options)
        return Built(output, report.figures, time.perf_counter() - begin, self.judged, self.folder)


@dataclass(frozen=True)
class Built:
    """A searcher, and how it answers the queries to judge on.

    Attributes:
        file: The searcher.
        figures: The summary of the build.
        seconds: Its duration.
        judged: The captions to judge on.
        folder: The folder that their photos are relative to.
    """

    file: Path
    figures: dict[str, Any]
    seconds: float
    judged: list[Caption]
    folder: Path

    @cached_property
    def _items(self) -> tuple[np.ndarray, dict[str, int]]:
        """The stored rows of the judged photos, `(n, d)` float32, and the row of each."""
        engine = GraphEngine(BaseOptions(str(self.file)))
        try:
            rows = stored_rows(self.file, engine)
            assert rows is not None
            numbers = {engine.item(number).decode(): number for number in range(engine.manifest.items)}
        finally:
            engine.close()
        photos = sorted({c.image for c in self.judged})
        return rows[[numbers[photo] for photo in photos]], {photo: row for row, photo in enumerate(photos)}

    def one_view(self) -> np.ndarray:
        """The judged photos as the file embeds them itself, from one view: `(n, d)` float32, in the order of the stored rows."""
        engine = GraphEngine(BaseOptions(str(self.file)))
        try:
            size = engine.image_size()
            photos = sorted({c.image for c in self.judged})
            return np.stack([engine.embed_image(resize(load_image(self.folder / photo), *size)) for photo in photos])
        finally:
            engine.close()

    def recalls(self, items: np.ndarray | None = None) -> dict[str, float]:
        """R@1, R@5 and R@10 in percent of the judged captions among the judged photos, as stored in the file or as `items`."""
        rows, places = self._items
        targets = np.array([places[c.image] for c in self.judged])
        queries = embed_texts([c.text for c in self.judged], self.file)
        return recall(ranks(queries, rows if items is None else items, targets))

    def lenient_recalls(self) -> dict[str, float]:
        """The same, with each photo that has the same caption counted as right."""
        rows, places = self._items
        targets = np.array([places[c.image] for c in self.judged])
        queries, repeated = embed_texts([c.text for c in self.judged], self.file), repeated_captions([c.text for c in self.judged], targets)
        return recall(lenient_ranks(ranks(queries, rows, targets), repeated, queries, rows))

    def precision(self, captions: int = NAMED_TWICE) -> float:
        """Precision@5 of the one-word queries among the judged photos; a photo is right if so many of its captions name the thing."""
        rows, places = self._items
        named = np.zeros((len(ONE_WORD), len(rows)), np.int64)
        numbers = {word: number for number, word in enumerate(ONE_WORD)}
        for caption in self.judged:
            for word in words_of(caption.text) & numbers.keys():
                named[numbers[word], places[caption.image]] += 1
        scores = embed_texts(ONE_WORD, self.file) @ rows.T
        first = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
        return float((np.take_along_axis(named, first, axis=1) >= captions).mean())
