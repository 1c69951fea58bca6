"""Linear probes of embeddings: does a picture show what a word names? They are fitted to training captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maker.data.captions import Caption
from maker.encoders.evidence import WordEvidence
from maker.encoders.phrases import Phrases, mine_phrases
from maker.evaluation.typed_queries import AGREEMENT, SHARE

MOST_PICTURES, MOST_WORDS = 20_000, 2000
RIDGE = 0.05  # of the number of pictures; the embeddings are standardised
FEWEST = 3  # pictures that show a word
BEST = 3  # items whose mean is the evidence of a word
BLOCK = 1 << 14


@dataclass(frozen=True)
class WordProbes:
    """Probes of words. A score of 0 is that of a typical picture of the word; 1 less is one standard deviation of the other pictures.

    Attributes:
        rows: `(v,)` int64: the word's row in the embedding table of the text tower.
        directions, offsets: `(v, d)` and `(v,)` float32; a score is `direction · embedding - offset`.
    """

    rows: np.ndarray
    directions: np.ndarray
    offsets: np.ndarray

    def evidence(self, items: np.ndarray, words: np.ndarray | None = None) -> np.ndarray:
        """How surely items, `(n, d)` float32, show words: `(v,)`, or of some words by number. It is the mean of their three best scores."""
        chosen = slice(None) if words is None else words
        directions = self.directions[chosen]
        best = np.empty((len(directions), 0), np.float32)
        for start in range(0, len(items), BLOCK):
            scores = directions @ np.asarray(items[start : start + BLOCK]).T
            best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -BEST:]
        return best.mean(axis=1) - self.offsets[chosen]

    def table(self, items: np.ndarray, size: int) -> WordEvidence:
        """The evidence of all words as a table of `size` rows."""
        table = np.zeros((size, 2), np.float32)
        table[self.rows, 0], table[self.rows, 1] = self.evidence(items), 1
        return WordEvidence(table)


def fit_probes(
    captions: Sequence[Caption], images: Mapping[str, int], embeddings: np.ndarray, rows: Mapping[str, int]
) -> WordProbes | None:
    """Fits probes by ridge regression to which words the captions of a picture hold, for words that people agree on.

    Args:
        captions: Training captions.
        images: Row of each picture in `embeddings`; captions of other pictures are left out.
        embeddings: `(n, d)` float32.
        rows: Row in the embedding table of the text tower by spelling.

    Returns:
        The probes; None if there are no such words.
    """
    names = sorted({c.image for c in captions if c.image in images})
    names = [names[i] for i in np.linspace(0, len(names) - 1, min(MOST_PICTURES, len(names))).astype(int)]
    number = {name: place for place, name in enumerate(names)}
    known = [c for c in captions if c.image in number]
    pictures = np.array([number[c.image] for c in known], np.int64)
    phrases = mine_phrases([c.text for c in known], pictures, longest=1)
    captioned = np.bincount(pictures, minlength=len(names))
    wanted = _wanted(phrases, captioned, rows)
    if not len(wanted):
        return None
    labels = np.zeros((len(names), len(wanted)), np.float32)
    for column, phrase in enumerate(wanted):
        part = slice(phrases.starts[phrase], phrases.starts[phrase + 1])
        showing = phrases.pictures[part]
        labels[showing, column] = np.minimum(1, phrases.counts[part] / np.maximum(1, SHARE * captioned[showing]))
    inputs = np.asarray(embeddings[[images[name] for name in names]], np.float32)
    centre, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    inputs = (inputs - centre) / scale
    gram = inputs.T @ inputs + RIDGE * len(inputs) * np.eye(inputs.shape[1], dtype=np.float32)
    weights = np.linalg.solve(gram, inputs.T @ (labels - labels.mean(axis=0)))
    scores, shows = inputs @ weights, labels >= 1
    typical = np.array([np.median(scores[shows[:, i], i]) if shows[:, i].sum() >= FEWEST else np.nan for i in range(len(wanted))])
    deviation = np.array([scores[~shows[:, i], i].std() for i in range(len(wanted))])
    kept = np.isfinite(typical) & (deviation > 0)
    directions = (weights / scale[:, None] / deviation).T[kept]
    offsets = directions @ centre + (typical / deviation)[kept]
    table_rows = np.array([rows[phrases.texts[phrase]] for phrase in wanted], np.int64)[kept]
    return WordProbes(table_rows, directions.astype(np.float32), offsets.astype(np.float32)) if kept.any() else None


def _wanted(phrases: Phrases, captioned: np.ndarray, rows: Mapping[str, int]) -> np.ndarray:
    """The words in the table that people agree on, if pictures have several captions: at most 2,000, the most frequent."""
    phrase = np.repeat(np.arange(len(phrases.texts)), np.diff(phrases.starts))
    others, counts = captioned[phrases.pictures] - 1, phrases.counts
    several = others > 0
    wanted = np.array([text in rows for text in phrases.texts], bool)
    if 2 * (captioned > 1).sum() > len(captioned):
        holding = np.bincount(phrase[several], counts[several], len(phrases.texts))
        again = np.bincount(phrase[several], (counts * (counts - 1) / np.maximum(others, 1))[several], len(phrases.texts))
        chance = phrases.captions / captioned.sum()
        wanted &= (again / np.maximum(holding, 1) - chance) / np.maximum(1 - chance, 1e-9) >= AGREEMENT
    chosen = np.flatnonzero(wanted)
    return chosen[np.argsort(-phrases.captions[chosen], kind="stable")][:MOST_WORDS]
