"""The examples in public docstrings, run in a folder with the files that they name."""

from __future__ import annotations

import doctest
import importlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maker import searcher
from task.text import TextEmbedder
from tests.conftest import TEXTS

MODULES = (
    "task.text.text_embedder",
    "task.text.text_searcher",
    "task.vision.image_embedder",
    "task.vision.image_searcher",
    "maker.pipeline.build",
    "maker.searcher.searcher",
)
NAMES = ["kite.jpg", "dogs.jpg", "cat.jpg", "bike.jpg", "boat.jpg"]


def examples() -> list[doctest.DocTest]:
    found = [test for name in MODULES for test in doctest.DocTestFinder().find(importlib.import_module(name), name)]
    return [test for test in found if test.examples]


@pytest.fixture
def embeddings(encoder) -> np.ndarray:
    with TextEmbedder.create_from_file(str(encoder)) as embedder:
        return np.stack([embedder.embed(text).embeddings[0].feature_vector.value for text in TEXTS])


@pytest.fixture
def folder(tmp_path, photos, encoder, embeddings, monkeypatch) -> Path:
    """Holds a searcher of five items, what it is made of, and a query."""
    shutil.move(photos / "captions.tsv", tmp_path / "captions.tsv")
    shutil.copy(encoder, tmp_path / "embedder.tflite")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "query.jpg")
    data = searcher.DataLoader(str(encoder), embeddings, NAMES)
    options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options).export(export_filename=tmp_path / "searcher.tflite")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_an_example_does_what_it_says(example, embeddings):
    example.globs = {"embeddings": embeddings}
    said = io.StringIO()
    failed, tried = doctest.DocTestRunner().run(example, out=said.write)
    assert tried
    assert not failed, said.getvalue()


def test_every_one_of_the_modules_has_an_example():
    assert {example.name[: len(name)] for example in examples() for name in MODULES if example.name.startswith(name)} == set(MODULES)
