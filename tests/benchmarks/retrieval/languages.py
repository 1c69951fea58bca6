"""Retrieval on Flickr8k by language, recipe and seed, with fewer dimensions, and with misspelt queries.

Figures are measured on the `val` split (1,000 unseen photos), which also selects the best epoch, so they are slightly too high.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption, read_captions
from maker.embedding.texts import embed_texts
from maker.encoders.prefix import prefix
from maker.pipeline import BuildOptions, Corpus, TowerOptions, build
from maker.training.metrics import ranks, recall
from maker.workspace import Rejects
from task.core import BaseOptions
from task.search import GraphEngine
from tests.outside_data import FLICKR, absent

SHORTEST_WORD = 4  # letters of a word that may be misspelt
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PREFIXES = (64, 32)  # dimensions; measured on embeddings trained without and with matryoshka
RUNS: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
    ("default", "en", {}),
    ("default", "en", {"matryoshka": PREFIXES}),
    ("default", "zh", {}),
    ("default", None, {}),
    ("colab", "en", {}),
)


def misspell(text: str, rng: random.Random) -> str:
    """The text with one edit (delete, insert, replace or swap) in one word of at least four letters; unchanged if there is none."""
    words = text.split()
    candidates = [i for i, word in enumerate(words) if len(word) >= SHORTEST_WORD and word.isascii() and word.isalpha()]
    if not candidates:
        return text
    chosen = rng.choice(candidates)
    word = words[chosen]
    at = rng.randrange(len(word) - 1)
    edits = (
        word[:at] + word[at + 1 :],
        word[:at] + rng.choice(LETTERS) + word[at:],
        word[:at] + rng.choice(LETTERS.replace(word[at].lower(), "")) + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    words[chosen] = rng.choice([edit for edit in edits if edit != word])
    return " ".join(words)


def prefix_recalls(encoder: Path, captions: list[Caption], embeddings: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """R@1, R@5 and R@10 in percent with only the first dimensions."""
    items, targets = _items(captions, embeddings)
    queries = embed_texts([c.text for c in captions], encoder)
    return {f"first {length}": recall(ranks(prefix(queries, length), prefix(items, length), targets)) for length in PREFIXES}


def _items(captions: list[Caption], embeddings: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    images = sorted({c.image for c in captions})
    places = {image: place for place, image in enumerate(images)}
    return np.stack([embeddings[image] for image in images]), np.array([places[c.image] for c in captions])


def misspelt_loss(encoder: Path, captions: list[Caption], embeddings: dict[str, np.ndarray], seed: int) -> dict[str, float]:
    """R@10 of the unchanged captions and with one misspelt word in each, in percent, and the relative loss."""
    rng = random.Random(seed)
    items, targets = _items(captions, embeddings)
    texts = [c.text for c in captions]
    unchanged = recall(ranks(embed_texts(texts, encoder), items, targets))["R@10"]
    misspelt = recall(ranks(embed_texts([misspell(t, rng) for t in texts], encoder), items, targets))["R@10"]
    return {"unchanged": unchanged, "misspelt": misspelt, "lost": round(100 * (1 - misspelt / unchanged), 1)}


def main() -> None:
    """Runs all combinations; prints one line each, and the mean over the seeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flickr", type=Path, default=FLICKR)
    parser.add_argument("--image-encoder", required=True)
    parser.add_argument("--work", type=Path, default=Path("build/retrieval"))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if not given.flickr.is_dir():
        parser.error(absent(given.flickr))
    captions = [c for c in read_captions(given.flickr / "captions.tsv", Rejects()) if (c.split, c.language) == ("val", "en")]
    for recipe, language, more in RUNS:
        name = f"{recipe} {language or 'en + zh'}{' matryoshka' if more else ''}"
        rows: list[dict[str, Any]] = []
        for seed in range(given.seeds):
            begin = time.perf_counter()
            output = given.work / "searcher.tflite"
            corpus = Corpus(images=given.flickr, captions=given.flickr / "captions.tsv", language=language)
            options = BuildOptions(
                towers=TowerOptions(image_encoder=given.image_encoder),
                recipe=recipe,
                training={"seed": seed, **more},
                work_dir=given.work / "work",
                overwrite=True,
            )
            report = build(corpus, output, options)
            figures = report.figures["retrieval"]
            row = {"all": figures} | figures.get("languages", {})
            rows.append({name: {k: values[k] for k in ("R@1", "R@5", "R@10")} for name, values in row.items()})
            embeddings = _embeddings(output, given.flickr, captions) if (recipe, language) == ("default", "en") else {}
            rows[-1] |= prefix_recalls(output, captions, embeddings) if embeddings else {}
            text = report.figures["search_text"]["embed_p50_ms"]
            print_line(f"{name} seed {seed}", rows[-1], f"{time.perf_counter() - begin:.0f} s, embed_text {text} ms")
            if embeddings and not more and seed == 0:
                print_line("misspelt, en, seed 0", {"": misspelt_loss(output, captions, embeddings, 0)}, "")
        means = {part: {k: round(float(np.mean([row[part][k] for row in rows])), 2) for k in rows[0][part]} for part in rows[0]}
        print_line(f"{name} mean", means, "")


def _embeddings(searcher: Path, folder: Path, captions: list[Caption]) -> dict[str, np.ndarray]:
    from maker.data.images import load_image
    from task.vision.resize import resize

    engine = GraphEngine(BaseOptions(str(searcher)))
    size = engine.image_size()
    held = {engine.item(number) for number in range(engine.manifest.items)}
    images = sorted({c.image for c in captions if c.image.encode() in held})
    return {image: engine.embed_image(resize(load_image(folder / image), *size)) for image in images}


def print_line(name: str, figures: dict[str, dict[str, float]], more: str) -> None:
    """Prints a line of the table."""
    parts = [f"{part or ''} " + " ".join(f"{k} {v}" for k, v in values.items()) for part, values in figures.items()]
    sys.stdout.write(f"{name:28}{'   '.join(parts)}   {more}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
