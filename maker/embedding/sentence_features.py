"""Features of a frozen text tower on disk: computed once per sentence and tower, in blocks, by worker processes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from maker.collection.engines import Engine
from maker.embedding.blocks import Job, embedded_blocks, remove_needless_blocks
from maker.embedding.texts import TextTower
from maker.workspace import Workspace, atomic, content_digest, digest

FEATURES, SENTENCES = "features.npy", "sentences.json"


@dataclass(frozen=True)
class SentenceFeatures:
    """The features of sentences.

    Attributes:
        rows: The row in `values` of each sentence.
        values: `(sentences, d)` float32.
    """

    rows: dict[str, int]
    values: np.ndarray


def sentence_features(texts: Iterable[str], encoder: Path, work: Workspace) -> SentenceFeatures:
    """The features of sentences. Those that the work folder already has from the same tower are not computed again.

    Args:
        texts: The sentences; repeated ones are embedded once.
        encoder: A file with `embed_tokens`, or `embed_text`.
        work: Keeps the features.
    """
    unique = sorted(set(texts))
    tower = f"texts-{digest(content_digest(encoder))}"
    remove_needless_blocks(work.features, FEATURES)
    known: dict[str, np.ndarray] = {}
    for done in sorted(work.features.glob(f"{tower}-*/{FEATURES}")):
        known |= _read(done.parent)
    missing = [text for text in unique if text not in known]
    if missing:
        folder = work.features / f"{tower}-{digest(missing)}"
        _compute(missing, encoder, folder, work.engine)
        known |= _read(folder)
    return SentenceFeatures({text: row for row, text in enumerate(unique)}, np.stack([known[text] for text in unique]))


def _read(folder: Path) -> dict[str, np.ndarray]:
    return dict(zip(json.loads((folder / SENTENCES).read_text()), np.load(folder / FEATURES, mmap_mode="r"), strict=True))


def _compute(texts: Sequence[str], encoder: Path, folder: Path, engine: Engine | None) -> None:
    """Computes features and writes them to a folder. Blocks of an interrupted run are reused."""
    with embedded_blocks(texts, folder, "embed captions", partial(_embed_block, TextTower(encoder)), engine) as files:
        values = []
        for file in files:
            with np.load(file) as block:
                values.append(block["values"])
        with atomic(folder / SENTENCES) as temporary:
            temporary.write_text(json.dumps(texts))
        with atomic(folder / FEATURES) as temporary, open(temporary, "wb") as out:
            np.save(out, np.concatenate(values))


def _embed_block(tower: TextTower, job: Job) -> None:
    texts, target = job
    with atomic(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, values=tower.embed(texts))
