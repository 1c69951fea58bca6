"""How pictures become queries: Pillow's filters bit by bit, the crop, and the manifest that says which."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import SIDE

from maker.cli import main
from maker.encoders.embedder import image_tower, open_embedder
from maker.encoders.image import ImageEncoder
from maker.errors import EncoderError
from maker.export.encoder_file import write_encoder
from maker.graph.model import Model
from maker.graph.source import Source
from task.errors import NewerFormatError
from task.format.preparation import Preparation, PreparationError, preparation_of
from task.vision import ImageEmbedder, TensorImage
from task.vision.pillow_filters import resize_region
from task.vision.resize import prepare

CROPPED = Preparation("pillow_bicubic", "center", SIDE)


SIZES = [((48, 64), (24, 24)), ((31, 97), (24, 24)), ((200, 301), (24, 36)), ((24, 61), (24, 24)), ((7, 9), (24, 30)), ((1, 1), (5, 8))]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def encoder(tmp_path):
    """A tower that takes the mean colour of each quarter."""
    model = Model("quarters")
    g = model.subgraph("main")
    query = g.tensor("query", (1, SIDE, SIDE, 3), np.float32)
    half = SIDE // 2
    rows = g.mean(g.reshape(query, (2, half, SIDE * 3)), axis=1)
    model.signature(g, {"query": query}, {"embedding": g.reshape(g.mean(g.reshape(rows, (4, half, 3)), axis=1), (1, 12))})
    model.write(tmp_path / "quarters.tflite")
    tower = image_tower(Source(tmp_path / "quarters.tflite"))
    given = {"image": ImageEncoder(tower, [])}, {"image": tower.input_shape}
    write_encoder(tmp_path / "encoder.tflite", *given, dimension=12, preparation=CROPPED)
    return tmp_path / "encoder.tflite"


@pytest.mark.parametrize("name", ["pillow_bilinear", "pillow_bicubic"])
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_filters_are_pillow_s_bit_by_bit(name, source, target):
    image = pytest.importorskip("PIL.Image")
    kind = {"pillow_bilinear": image.Resampling.BILINEAR, "pillow_bicubic": image.Resampling.BICUBIC}[name]
    for pixels in (noise(*source), (noise(*source) > 127).astype(np.uint8) * 255):  # the second has edges that the filter overshoots
        whole = np.asarray(image.fromarray(pixels).resize(target[::-1], kind))
        assert np.array_equal(resize_region(pixels, target, (0, 0), target, name), whole)
        assert np.array_equal(resize_region(pixels, target, (1, 3), (4, 5), name), whole[1:5, 3:8])


def test_the_shortest_side_is_resized_and_the_middle_kept():
    image = pytest.importorskip("PIL.Image")
    pixels = noise(40, 75)
    whole = np.asarray(image.fromarray(pixels).resize((45, 24), image.Resampling.BICUBIC))  # 24 * 75 // 40
    for crop, left in (("center", 10), ("center_half_to_even", 10)):  # 21 / 2
        assert np.array_equal(prepare(pixels, 24, 24, Preparation("pillow_bicubic", crop, 24)), whole[:, left : left + 24])
    pixels = noise(40, 79)  # 23 / 2
    whole = np.asarray(image.fromarray(pixels).resize((47, 24), image.Resampling.BICUBIC))
    for crop, left in (("center", 11), ("center_half_to_even", 12)):
        assert np.array_equal(prepare(pixels, 24, 24, Preparation("pillow_bicubic", crop, 24)), whole[:, left : left + 24])


def test_a_smaller_crop_than_the_shortest_side_is_cut_from_the_middle():
    tall = noise(60, 30)
    whole = prepare(tall, 64, 32, Preparation("pillow_bilinear"))
    assert np.array_equal(prepare(tall, 24, 24, Preparation("pillow_bilinear", "center", 32)), whole[20:44, 4:28])


def test_without_a_description_pictures_are_stretched_as_before():
    assert preparation_of({}) == Preparation("triangle", "none")
    assert preparation_of({"height": 4, "width": 4, "resize": "triangle", "crop": "none"}) == Preparation()


@pytest.mark.parametrize("preparation", [Preparation(), Preparation("pillow_bilinear"), CROPPED, Preparation("triangle", "center", 9)])
def test_a_description_is_read_as_it_was_written(preparation):
    assert preparation_of(preparation.describe(8, 6)) == preparation


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"resize": "lanczos"}, "pictures are resized by 'lanczos'"),
        ({"crop": "left"}, "pictures are cropped by 'left'"),
        ({"crop": "center", "shortest_side": 4, "height": 8, "width": 2}, "a shortest side of 4, and cropped to"),
        ({"crop": "center", "shortest_side": "8", "height": 8, "width": 2}, "a shortest side of 0"),
        ({"crop": ["center"]}, "pictures are cropped by"),
    ],
)
def test_an_unknown_preparation_is_refused(described, message):
    with pytest.raises(PreparationError, match=message):
        preparation_of(described)


def test_a_file_that_wants_something_newer_is_refused_in_one_line(encoder):
    content = encoder.read_bytes().replace(b'"resize": "pillow_bicubic"', b'"resize": "pillow_hamming"')
    encoder.write_bytes(content)
    with ImageEmbedder.create_from_file(str(encoder)) as embedder, pytest.raises(NewerFormatError, match="resized by 'pillow_hamming'"):
        embedder.embed(TensorImage.create_from_array(noise(9, 9)))
    with pytest.raises(EncoderError, match="resized by 'pillow_hamming'"):
        open_embedder(encoder)


def test_embedding_a_folder_and_asking_with_a_picture_prepare_alike(encoder, photos, tmp_path):
    items, searcher = tmp_path / "items.npy", tmp_path / "s.tflite"
    assert main(["embed", str(encoder), str(photos), "--kind", "image", "--output", str(items)]) == 0
    names = items.with_suffix(".txt").read_text().splitlines()
    given = ["--embeddings", str(items), "--metadata", str(items.with_suffix(".txt")), "--embedder", str(encoder)]
    assert main(["index", *given, "--output", str(searcher)]) == 0
    for path in (encoder, searcher):
        with ImageEmbedder.create_from_file(str(path)) as embedder:
            for name, row in zip(names, np.load(items), strict=True):
                picture = TensorImage.create_from_file(str(photos / name))
                value = embedder.embed(picture).embeddings[0].feature_vector.value
                np.testing.assert_allclose(value, row, atol=1e-6)
                stretched = prepare(picture.buffer, SIDE, SIDE, Preparation())
                assert picture.height == picture.width or not np.array_equal(prepare(picture.buffer, SIDE, SIDE, CROPPED), stretched)


PICTURES = [(37, 53), (200, 61), (20, 300), (24, 24), (5, 7), (1, 3)]
PREPARATIONS = [
    Preparation("pillow_bicubic", "center", 24),
    Preparation("pillow_bicubic", "center_half_to_even", 30),
    Preparation("pillow_bilinear"),
    Preparation("triangle", "center", 29),
]


def test_javascript_prepares_pictures_alike(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    shutil.copy(Path(__file__).parents[1] / "maker/preview/web/picture.js", tmp_path / "picture.mjs")
    cases = [(noise(*size, seed), preparation) for seed, size in enumerate(PICTURES) for preparation in PREPARATIONS]
    given = [
        {"rgba": np.dstack([pixels, np.full(pixels.shape[:2], 255)]).reshape(-1).tolist(), "shape": pixels.shape, **p.describe(24, 20)}
        for pixels, p in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(given))
    (tmp_path / "run.mjs").write_text("""
import { readFileSync } from "node:fs";
import { prepare } from "./picture.mjs";
const cases = JSON.parse(readFileSync(new URL("cases.json", import.meta.url)));
console.log(JSON.stringify(cases.map((c) => Array.from(prepare(Uint8ClampedArray.from(c.rgba), c.shape[0], c.shape[1], c)))));
""")
    done = subprocess.run([node, str(tmp_path / "run.mjs")], capture_output=True, text=True, check=True)
    for (pixels, preparation), found in zip(cases, json.loads(done.stdout), strict=True):
        wanted = prepare(pixels, 24, 20, preparation).reshape(-1)
        apart = np.abs(np.array(found) - wanted)  # of the triangle filter, float32 in another order may be on the other side of a half
        assert apart.max() <= (1 if preparation.resize == "triangle" else 0), (pixels.shape, preparation)
