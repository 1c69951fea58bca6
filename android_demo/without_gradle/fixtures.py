"""Writes queries for the tests of the app, with results from Python: `python android_demo/without_gradle/fixtures.py FOLDER`.

sample.tflite     a searcher over drawn scenes; its encoders are written, not trained
relevance.tflite  the same with relevance curves for which two in three results are weak
found.tflite      the same with a curve that also looks at the query
gate.tflite       the same with a curve whose gate rejects some sentences although their first results are above the cut
newer.tflite      the same with a newer format version
leaves.tflite     random vectors in leaves, for queries by text and by vector
four_bits.tflite  random vectors in 4-bit rows, for queries by vector only
split.tflite      the same in split rows: 8 of 30 dimensions are scanned, the rest has 4 bits
tokenized/        searchers whose pretrained text towers have their tokenizers in the graph, one of each type
codes.tflite      random vectors as product codes, for queries by vector only, with squared distance
asked/            the searcher and the queries of `tests/asked`
overlays/         searchers and overlays of `tests/overlays`
checkpoint.tflite the encoders of a drawn checkpoint, about as large as TinyCLIP, with int8 weights
assets/           the assets of the app in the tests
pictures/         queries, as PNG and as big-endian int32 ARGB
expected.json     results
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maker import cli, searcher
from maker.preview.thumbnails import make_thumbnails
from maker.workspace import atomic
from task.core import BaseOptions
from task.format import archive, item_table, manifest
from task.format.preparation import Preparation
from task.processor import SearchOptions
from task.processor.options import AUTO
from task.search import GraphEngine
from task.text import Query, TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage
from task.vision.resize import prepare, resize

sys.path.append(str(Path(__file__).parents[2]))
from tests.asked.cases import write as write_asked  # noqa: E402 - a script is not run from the root
from tests.found_file import JUDGED, judged, with_found  # noqa: E402
from tests.overlays.cases import write as write_overlays  # noqa: E402
from tests.portable.files import write_of_checkpoint  # noqa: E402
from tests.tokenizer_files import answers_alike, tokenizing_searchers  # noqa: E402
from tests.written_searcher import write_sample  # noqa: E402

SCENES, HELD_OUT, ANSWERS, MAX_BYTES = 240, 40, 10, 256
AMONG = range(0, SCENES, 3)  # the items that may be found
TEXTS = (
    "a red ball on the grass",
    "Two ORANGE birds",
    "",
    "一只黑猫 \U0001f431 blå",
    "word " * MAX_BYTES,
    "é" * MAX_BYTES,
    "x" + "\U0001f431" * MAX_BYTES,
    "half a pair: \ud83d!",
)
COMPOSED = ('a red ball -"blue car"', "-tree a house  -cat", "a boat -boats -ship", "a cat on grass -dog -dog")
SIZES = {"large": (977, 641), "small": (61, 47), "tall": (40, 700), "clear": (300, 200)}
ORIENTATION = 0x0112  # of EXIF
CAMERA = (4608, 3456)  # larger than what the app decodes whole
RESIZED = ((12, 12), (96, 64), (641, 977))
PREPARED = (60, 48)
PREPARATIONS = (
    Preparation("pillow_bicubic", "center", 60),
    Preparation("pillow_bicubic", "center_half_to_even", 71),
    Preparation("pillow_bilinear"),
    Preparation("triangle", "center", 64),
)


def make(folder: Path) -> None:
    """Writes all files again, except for the scenes and their searcher."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes, sample = folder / "scenes", folder / "sample.tflite"
    if not sample.exists():
        write_sample(scenes, sample, folder / "encoder.tflite", SCENES, HELD_OUT)
    changed(sample, folder / "newer.tflite", lambda values: values.update(format_version=manifest.VERSION + 1))
    with_relevance(sample, folder / "relevance.tflite")
    with_gate(sample, folder / "gate.tflite")
    with_found(sample, folder / "found.tflite", JUDGED)
    make_leaves(sample, folder / "leaves.tflite")
    make_vectors(folder / "four_bits.tflite", "--bits", 4)
    make_vectors(folder / "split.tflite", "--scan-dimension", 8, "--rescore", "rest4")
    make_codes(folder / "codes.tflite")
    write_asked(folder / "asked")
    write_overlays(folder / "overlays")
    checkpoint = write_of_checkpoint(folder)
    tokenized = tokenizing_searchers(folder / "tokenized")
    make_assets(sample, scenes, folder / "assets")
    pictures = make_pictures(next(scenes.rglob("*.png")), folder / "pictures")
    expected = {
        "texts": [{"query": text, "answer": ask_text(sample, text)} for text in TEXTS],
        "composed": {text: ask_text(sample, Query.parse(text)) for text in COMPOSED},
        "tokenized": {path.parent.name: by_sentence(path, texts) for path, texts in tokenized.items()},
        "pictures": {name: ask_picture(sample, pixels) for name, pixels in pictures.items()},
        "relevance": relevance(folder / "relevance.tflite", TEXTS[0]),
        "gated": [
            {"query": text, "matches": len(ask_text(folder / "gate.tflite", text, AUTO))}
            for text in TEXTS
            if ask_text(sample, text)  # a text without a word finds nothing, gate or not
        ],
        "checkpoint": [{"query": text, "embedding": embedded(checkpoint, text)} for text in TEXTS],
        "among": {name: among(folder / f"{name}.tflite") for name in ("sample", "leaves", "four_bits", "split", "codes")},
        "judged_among": [judged(folder / "found.tflite", text, ANSWERS, AMONG) for text in JUDGED],
        "judged": [judged(folder / "found.tflite", text, ANSWERS) for text in JUDGED],
        "resized": write_resized(pictures, folder / "pictures"),
        "prepared": write_prepared(pictures, folder / "pictures"),
        "photos": write_photos(pictures["large"], folder / "pictures", (sample, checkpoint)),
    }
    # ASCII, because an unpaired surrogate is not UTF-8.
    (folder / "expected.json").write_text(json.dumps(expected, indent=1), encoding="ascii")


def by_sentence(path: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Answers of a searcher whose pretrained text tower has its tokenizer in the graph."""
    count = answers_alike(path, ANSWERS)
    asked = [*texts, *(TEXTS if count == ANSWERS else ())]
    return [{"query": text, "answer": ask_text(path, text)[:count]} for text in asked]


def run(*arguments: object) -> None:
    """Runs the command line."""
    if status := cli.main([str(a) for a in arguments]):
        raise SystemExit(status)


def changed(source: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Copies a searcher with another manifest."""
    content = source.read_bytes()
    entries = {name: content[start : start + size] for name, (start, size) in archive.locate(content).items()}
    values = json.loads(entries[manifest.FILE])
    change(values)
    with atomic(target) as temporary:
        temporary.write_bytes(content[: archive.model_size(content)])
        for name in (item_table.OFFSETS, item_table.BYTES):
            archive.append(temporary, name, entries[name])
        archive.append(temporary, manifest.FILE, json.dumps(values).encode())


def with_relevance(source: Path, target: Path) -> None:
    """Adds a curve that is 1/2, its cut, at the fourth result of the first text. No result of a picture is relevant."""
    fourth = ask_text(source, TEXTS[0])[3][1]
    curves = {
        "search_text": {"slope": 20.0, "intercept": -20.0 * fourth, "cut": 0.5},
        "search_image": {"slope": 1.0, "intercept": 100.0, "cut": 0.5},
    }
    changed(source, target, lambda values: values.update(relevance=curves))


def with_gate(source: Path, target: Path) -> None:
    """Adds a curve with a gate in the middle of the first results of all texts, and a cut below all first results."""
    first = sorted({answer[0][1] for answer in (ask_text(source, text) for text in TEXTS) if answer})  # an empty text has none
    widest = max(range(1, len(first)), key=lambda i: first[i] - first[i - 1])
    gate, cut = (first[widest - 1] + first[widest]) / 2, first[-1] + 1e-3
    slope, intercept = 20.0, -20.0 * gate
    curves = {"search_text": {"slope": slope, "intercept": intercept, "gate": 0.5, "cut": 1 / (1 + float(np.exp(slope * cut + intercept)))}}
    changed(source, target, lambda values: values.update(relevance=curves))


def make_leaves(embedder: Path, path: Path) -> None:
    """2,000 items in 40 leaves, of which a query searches a quarter."""
    vectors = unit_vectors(2000, GraphEngine(BaseOptions(str(embedder), num_threads=1)).dimension)
    data = searcher.DataLoader(str(embedder), vectors, [f"item {i}" for i in range(len(vectors))])
    options = searcher.ScaNNOptions("dot_product", tree=searcher.Tree(num_leaves=40, num_leaves_to_search=10), score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=path)


def make_vectors(path: Path, *rows: object) -> None:
    """2,000 items of 30 dimensions in 20 leaves, with rows by these options."""
    vectors, embeddings, metadata = unit_vectors(2000, 30), path.with_suffix(".npy"), path.with_suffix(".txt")
    np.save(embeddings, vectors)
    metadata.write_text("".join(f"item {i}\n" for i in range(len(vectors))))
    given = ["--embeddings", embeddings, "--metadata", metadata, "--leaves", 20, *rows, "--recall", 0.5]
    run("index", *given, "--output", path, "--overwrite")


def make_codes(path: Path) -> None:
    """500 items of 30 dimensions, with one code per four dimensions."""
    vectors = unit_vectors(500, 30)
    data = searcher.DataLoader(None, vectors, [f"item {i}" for i in range(len(vectors))])
    options = searcher.ScaNNOptions("squared_l2", score_ah=searcher.ScoreAH(4))
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=path)


def unit_vectors(count: int, dimension: int) -> np.ndarray:
    """Random directions."""
    values = np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def make_assets(sample: Path, scenes: Path, assets: Path) -> None:
    """Writes the assets, as `maker export-android` does."""
    engine = GraphEngine(BaseOptions(str(sample), num_threads=1))
    make_thumbnails([engine.item(i) for i in range(engine.items)], scenes, assets)
    engine.close()
    shutil.copyfile(sample, assets / "searcher.tflite")
    (assets / "compressed.bin").write_bytes(bytes(100_000))


def make_pictures(scene: Path, folder: Path) -> dict[str, np.ndarray]:
    """Writes query pictures of several shapes, and returns them as RGB over white."""
    folder.mkdir(exist_ok=True)
    pictures = {}
    with Image.open(scene) as image:
        for name, size in SIZES.items():
            rgba = image.convert("RGBA").resize(size)
            if name == "clear":
                alpha = (np.indices(size[::-1]).sum(0) // 40 % 3 * 255 // 2).astype(np.uint8)
                rgba.putalpha(Image.fromarray(alpha))
            rgba.save(folder / f"{name}.png")
            values = np.asarray(rgba)
            values[:, :, [3, 0, 1, 2]].tofile(folder / f"{name}.argb")
            pictures[name] = TensorImage.create_from_file(str(folder / f"{name}.png")).buffer
    return pictures


def write_resized(pictures: dict[str, np.ndarray], folder: Path) -> list[dict[str, Any]]:
    """Writes the pictures in several sizes, RGB row by row. Returns a description of each."""
    found = []
    for name, pixels in pictures.items():
        for height, width in RESIZED:
            file = f"{name}-{height}x{width}.rgb"
            resize(pixels, height, width).tofile(folder / file)
            source = {"picture": name, "height": len(pixels), "width": pixels.shape[1]}
            found.append({**source, "resized": file, "to_height": height, "to_width": width})
    return found


def write_prepared(pictures: dict[str, np.ndarray], folder: Path) -> list[dict[str, Any]]:
    """Writes the pictures as several towers want them, RGB row by row. Returns a description of each."""
    found = []
    for name, pixels in pictures.items():
        for number, preparation in enumerate(PREPARATIONS):
            file = f"{name}-prepared-{number}.rgb"
            prepare(pixels, *PREPARED, preparation).tofile(folder / file)
            source = {"picture": name, "picture_height": len(pixels), "picture_width": pixels.shape[1]}
            found.append({**source, **preparation.describe(*PREPARED), "prepared": file})
    return found


def write_photos(pixels: np.ndarray, folder: Path, searchers: Sequence[Path]) -> list[dict[str, Any]]:
    """Writes photos as cameras do: in all EXIF orientations, large, and grey. Returns their embeddings in Python."""
    write_turned(pixels, folder)
    photo = Image.fromarray(pixels)
    photo.resize(CAMERA).save(folder / "camera.jpg", quality=90)
    photo.convert("L").save(folder / "grey.jpg", quality=90)
    found = []
    for path in searchers:
        engine = GraphEngine(BaseOptions(str(path), num_threads=1))
        for name in (*(f"turned-{orientation}" for orientation in range(1, 9)), "camera", "grey"):
            picture = TensorImage.create_from_file(str(folder / f"{name}.jpg")).buffer
            vector = engine.embed_image(prepare(picture, *engine.image_size(), engine.preparation))
            found.append({"searcher": path.name, "photo": f"{name}.jpg", "embedding": vector.tolist()})
        engine.close()
    return found


def write_turned(pixels: np.ndarray, folder: Path) -> None:
    """Writes a photo in all EXIF orientations, and its upright pixels, RGB row by row."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        path = folder / f"turned-{orientation}.jpg"
        Image.fromarray(pixels).save(path, quality=95, exif=exif)
        TensorImage.create_from_file(str(path)).buffer.tofile(path.with_suffix(".rgb"))


def ask_text(path: Path, text: str | Query, least: str | None = None) -> list[tuple[str, float]]:
    """The results in Python."""
    search_options = SearchOptions(max_results=ANSWERS, min_relevance=least)
    options = TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=search_options)
    with TextSearcher.create_from_options(options) as searcher:
        return [(n.metadata.decode(), n.distance) for n in searcher.search(text).nearest_neighbors]


def embedded(path: Path, text: str) -> list[float]:
    """The embedding of a sentence in Python."""
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    vector: list[float] = engine.embed_text(text).tolist()
    engine.close()
    return vector


def among(path: Path) -> list[dict[str, Any]]:
    """Queries by vector among few and among many items, and for more results than the graph gives."""
    options = TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=SearchOptions(max_results=ANSWERS))
    rng, found = np.random.default_rng(5), []
    with TextSearcher.create_from_options(options) as searcher:
        for share in (0.02, 0.5, 1.0):
            vector = rng.standard_normal(searcher.engine.dimension).astype(np.float32)
            allowed = np.flatnonzero(rng.random(searcher.items) < share)
            options.search_options.max_results = ANSWERS if share < 1 else min(2 * ANSWERS + 100, searcher.items)
            answer = searcher.search_embedding(vector, allowed=allowed if share < 1 else None).nearest_neighbors
            asked = {"vector": vector.tolist(), "allowed": allowed.tolist() if share < 1 else None}
            found.append({**asked, "ids": [n.id for n in answer], "distances": [n.distance for n in answer]})
    return found


def ask_picture(path: Path, pixels: np.ndarray) -> list[tuple[str, float]]:
    """The results in Python."""
    options = ImageSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=SearchOptions(max_results=ANSWERS))
    with ImageSearcher.create_from_options(options) as searcher:
        return [(n.metadata.decode(), n.distance) for n in searcher.search(TensorImage.create_from_array(pixels)).nearest_neighbors]


def relevance(path: Path, text: str) -> list[float]:
    """The relevance of the results in Python."""
    curve = json.loads(read_entry(path, manifest.FILE))["relevance"]["search_text"]
    return [1 / (1 + float(np.exp(curve["slope"] * distance + curve["intercept"]))) for _, distance in ask_text(path, text)]


def read_entry(path: Path, name: str) -> bytes:
    """An associated file."""
    content = path.read_bytes()
    start, size = archive.locate(content)[name]
    return content[start : start + size]


if __name__ == "__main__":
    make(Path(sys.argv[1]))
