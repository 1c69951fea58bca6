"""Questions to what `maker` writes for the Task Library: both libraries open the same exported files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import conftest
import numpy as np

from maker import searcher
from maker.encoders.spellings import spellings
from maker.export.encoder_file import write_encoder
from maker.task_library.searcher_file import open_any_embedder
from tests.outside_data import LEGACY, WEIGHTS

TEXTS = [
    "a red kite above a green hill",
    "A RED Kite!",
    "two white dogs, play: in the snow",
    "",
    "unheard-of words",
    "Dogs…dogs—the\u00a0beach",
    "猫",
    "the " * 60,
    "Café cafe\u0301 CAFÉ on_the $hill",
    "boat\tblue\nsea\x0bold",
    "“Sea”, said «the» man¿",
]
CAPTIONS = [*conftest.TEXTS, "a café on the beach"]
SCORERS = {
    "float": {"score_brute_force": searcher.ScoreBruteForce()},
    "AH 1": {"score_ah": searcher.ScoreAH(1)},
    "AH 2": {"score_ah": searcher.ScoreAH(2)},
    "AH 3": {"score_ah": searcher.ScoreAH(3)},
}
MODELS = ("mobilenet_v1_0.25_224_float", "mobilenet_v1_1.0_224_quant_embedding_extractor", "mobilenet_v2_035_96_embedder_with_metadata")


def exported_jobs(folder: Path, items: int, images: list[str]) -> list[dict[str, Any]]:
    """Exported searchers and indexes with the questions to them."""
    encoder = _encoder(folder / "encoder.tflite")
    rows = np.random.default_rng(23).standard_normal((items, conftest.DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    metadata = [f"item {i}" for i in range(items)]
    jobs: list[dict[str, Any]] = []
    trees = (None, searcher.Tree(13, 7))
    choices = itertools.product(trees, SCORERS, ("dot_product", "squared_l2"), (False, True))
    for number, (tree, scorer, distance, packed) in enumerate(choices):
        options = searcher.ScaNNOptions(distance, tree=tree, **SCORERS[scorer])
        data = searcher.DataLoader(str(encoder), rows, metadata)
        made = searcher.Searcher.create_from_data(data, options, trainer="own")
        name = f"exported {'tree' if tree else 'flat'} {scorer} {distance} {'snappy' if packed else 'raw'}"
        text, image, index = (folder / f"exported_{number}_{kind}" for kind in ("text.tflite", "image.tflite", "index.ldb"))
        for kind, path in (("text", text), ("image", image)):
            made.export(searcher.ExportFormat.TASK_LIBRARY, path, "info 猫", packed, query=kind)
        made.export(searcher.ExportFormat.SCANN_INDEX_FILE, index, "other info", packed)
        tolerance = 1e-5 if scorer == "float" else 1e-4
        shared = {"kind": "TextSearcher", "model": str(text), "tolerance": tolerance, "max_results": 10, "queries": TEXTS}
        jobs.append({**shared, "name": f"text {name}"})
        jobs.append({**shared, "name": f"index file {name}", "index": str(index), "queries": TEXTS[:3]})
        jobs.append({**shared, "name": f"image {name}", "kind": "ImageSearcher", "model": str(image), "queries": images[:3]})
    text = folder / "exported_0_text.tflite"
    jobs.append({"kind": "TextEmbedder", "name": "exported words", "model": str(text), "queries": TEXTS, "tolerance": 1e-6})
    return jobs + _copied_jobs(folder, text, images)


def _copied_jobs(folder: Path, exported: Path, images: list[str]) -> list[dict[str, Any]]:
    """Models made by others, and exported ones that get a new index."""
    jobs: list[dict[str, Any]] = []
    sources = {path.stem: path for name in MODELS if (path := WEIGHTS / f"{name}.tflite").exists()}
    published = LEGACY / "regex_searcher.tflite"
    for name, path in {**sources, "exported": exported, **({published.stem: published} if published.exists() else {})}.items():
        dimension = open_any_embedder(str(path)).dimension
        rows = np.abs(np.random.default_rng(5).standard_normal((600, dimension))).astype(np.float32)
        data = searcher.DataLoader(str(path), rows, [str(i) for i in range(600)])
        options = searcher.ScaNNOptions("squared_l2", score_brute_force=searcher.ScoreBruteForce())
        target = folder / f"copied_{path.stem}.tflite"
        searcher.Searcher.create_from_data(data, options).export(searcher.ExportFormat.TASK_LIBRARY, target, "new")
        asked: dict[str, Any] = {"kind": "TextSearcher", "queries": TEXTS[:3]}
        if name in sources:
            asked = {"kind": "ImageSearcher", "queries": images[1:2]}
        # The runtimes' kernels differ between releases; what is compared is that the file is opened and that its index is searched.
        jobs.append({**asked, "name": f"copied {name}", "model": str(target), "tolerance": 2e-2 if name in sources else 1e-5})
    return jobs


def _encoder(path: Path) -> Path:
    tower = conftest.words_tower(word_pairs=2)
    shapes = {"text": (1, tower.size.max_bytes), "image": (1, conftest.SIDE, conftest.SIDE, 3)}
    words = spellings(CAPTIONS, tower.hashes)
    write_encoder(path, {"text": tower, "image": conftest.PooledColours()}, shapes, dimension=conftest.DIMENSION, words=words)
    return path
