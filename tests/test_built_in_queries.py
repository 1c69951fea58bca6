"""Indexes whose makers give no queries: what tunes them."""

import numpy as np
import pytest

from maker.encoders.embedder import open_embedder
from maker.export.encoder_file import write_encoder
from maker.pipeline import IndexSettings, index_embeddings, update_index
from maker.pipeline.built_in_queries import built_in_embeddings
from task.text import TextSearcher
from tests.conftest import DIMENSION, SIDE, PooledColours


@pytest.fixture(scope="module")
def image_encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "encoder.tflite"
    write_encoder(path, {"image": PooledColours()}, {"image": (1, SIDE, SIDE, 3)}, dimension=DIMENSION)
    return path


def index(embeddings, output, embedder, leaves=12, **more):
    settings = IndexSettings(leaves=leaves, k=10)
    return index_embeddings(embeddings, [b"%d" % i for i in range(len(embeddings))], output, embedder=embedder, settings=settings, **more)


def test_built_in_sentences_tune_the_leaves_of_a_searcher_that_takes_sentences(tmp_path, encoder, embeddings):
    figures = index(embeddings, tmp_path / "s.tflite", encoder).figures
    assert figures["index"]["how"] == "built-in queries (en)"


def test_given_queries_come_before_built_in_sentences(tmp_path, encoder, embeddings):
    figures = index(embeddings, tmp_path / "s.tflite", encoder, queries=embeddings[:100]).figures
    assert figures["index"]["how"] == "given queries"


def test_without_a_text_tower_or_leaves_items_with_noise_measure_the_index(tmp_path, encoder, image_encoder, embeddings):
    for embedder, leaves in ((image_encoder, 12), (None, 12), (encoder, 0), (encoder, None)):
        figures = index(embeddings, tmp_path / f"{leaves}-{embedder is None}.tflite", embedder, leaves, overwrite=True).figures
        assert figures["index"]["how"] == "perturbed items"


def test_an_updated_searcher_is_tuned_by_built_in_sentences_too(tmp_path, encoder, embeddings):
    index(embeddings, tmp_path / "s.tflite", encoder)
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as searcher:
        searcher.remove(3)
        searcher.save_overlay(str(tmp_path / "o.overlay"))
    figures = update_index(tmp_path / "s.tflite", tmp_path / "o.overlay", tmp_path / "u.tflite", settings=IndexSettings(leaves=12)).figures
    assert figures["index"]["how"] == "built-in queries (en)"


def test_sentences_without_any_known_word_are_left_out(encoder):
    found, _ = built_in_embeddings(encoder) or (np.zeros((0, DIMENSION)), "")
    assert len(found)
    assert found.any(axis=1).all()
    assert found.shape[1] == open_embedder(encoder)["text"].dimension
