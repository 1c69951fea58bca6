"""Text towers at fewer places: the same embeddings, the same weights, and models that stay whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION
from test_text_towers import VOCABULARY

from maker.cli import main
from maker.encoders.embedder import open_embedder
from maker.encoders.sentence_tower import SentenceTower
from maker.encoders.shortened import NotFollowedError, ShortenedSource
from maker.encoders.tokenizer_file import TextModelOptions
from maker.export.encoder_file import write_encoder
from maker.graph.model import Model
from maker.graph.source import Source
from maker.graph.tensors import Op
from task.text import TextEmbedder, TextSearcher
from tests.outside_data import MINILM, absent

LENGTH, WIDTH, HEADS = 40, 8, 2
TEXTS = ["", "a", "a red kite", "the blue sea and a man " * 3, "the blue sea and a man " * 6, "snow " * 60]


def attention_model(path: Path, *, masked: bool = True, closing: str = "mean") -> Path:
    """One layer of self-attention over rows of a table and positions, with matrices of random numbers."""
    random = np.random.default_rng(8)
    model = Model("test")
    g = model.subgraph("main")
    ids, mask = (g.tensor(name, (1, LENGTH), np.int32) for name in ("input_ids", "attention_mask"))
    table = random.standard_normal((len(VOCABULARY), DIMENSION)).astype(np.float32)
    x = g.add(g.gather(table, g.reshape(ids, (LENGTH,))), random.standard_normal((LENGTH, DIMENSION)).astype(np.float32))
    weights = [random.standard_normal((DIMENSION, DIMENSION)).astype(np.float32) for _ in range(3)]
    q, k, v = (g.fully_connected(x, w) for w in weights)
    bias = g.mul(g.sub(g.cast(mask, np.float32), np.array(1, np.float32)), np.array(1e9, np.float32))
    similar = g.sum(g.mul(g.reshape(q, (LENGTH, 1, DIMENSION)), g.reshape(k, (1, LENGTH, DIMENSION))), axis=2)
    share = g.softmax(g.add(similar, bias) if masked else similar)
    mixed = g.sum(g.mul(g.reshape(share, (LENGTH, LENGTH, 1)), g.reshape(v, (1, LENGTH, DIMENSION))), axis=1)
    if closing == "first":
        output = g.slice(mixed, (0, 0), (1, DIMENSION))
    else:
        weight = g.reshape(g.cast(mask, np.float32), (LENGTH, 1)) if masked else np.full((LENGTH, 1), 1 / LENGTH, np.float32)
        output = g.reshape(g.sum(g.mul(mixed, weight), axis=0), (1, DIMENSION))
    model.signature(g, {"ids": ids, "mask": mask}, {"embedding": output})
    model.write(path)
    return path


@pytest.fixture
def vocabulary(tmp_path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY), encoding="utf-8")
    return path


def sentence_tower(model: Path, vocabulary: Path) -> SentenceTower:
    tower = open_embedder(model, TextModelOptions(tokenizer=vocabulary))["text"]
    assert isinstance(tower, SentenceTower)
    return tower


@pytest.mark.parametrize("closing", ["mean", "first"])
def test_fewer_places_give_the_same_embeddings(tmp_path, vocabulary, closing):
    tower = sentence_tower(attention_model(tmp_path / "m.tflite", closing=closing), vocabulary)
    assert [short.length for short in tower.shorter] == [16, 32]
    embeddings = []
    for one in (tower, SentenceTower(replace(tower.tokens, by_rows=False), tower.in_graph)):
        write_encoder(tmp_path / "e.tflite", {"text": one}, {"text": one.input_shape}, dimension=DIMENSION)
        with TextEmbedder.create_from_file(str(tmp_path / "e.tflite")) as embedder:
            embeddings.append([embedder.embed(text).embeddings[0].feature_vector.value for text in TEXTS])
    np.testing.assert_allclose(*embeddings, atol=1e-5)


def test_a_matrix_is_read_by_one_part_of_the_graph(tmp_path, vocabulary):
    """Runtimes pack a matrix once for each part that reads it."""
    tower = sentence_tower(attention_model(tmp_path / "m.tflite"), vocabulary)
    write_encoder(tmp_path / "e.tflite", {"text": tower}, {"text": tower.input_shape}, dimension=DIMENSION)
    source = Source(tmp_path / "e.tflite")
    products = [
        graph.tensors[operator.inputs[1]].buffer
        for graph in source.model.subgraphs
        for operator in graph.operators
        if source.model.operatorCodes[operator.opcodeIndex].builtinCode == Op.FULLY_CONNECTED
    ]
    assert len(products) == len(set(products)) == 3


def test_towers_that_look_at_the_padding_stay_whole(tmp_path, vocabulary):
    assert sentence_tower(attention_model(tmp_path / "m.tflite", masked=False), vocabulary).shorter == []


def test_operators_whose_places_cannot_be_followed_are_told(tmp_path):
    model = Model("test")
    g = model.subgraph("main")
    ids = g.tensor("ids", (1, 8), np.int32)
    model.signature(g, {"ids": ids}, {"out": g.top_k(ids, 2)[0]})
    model.write(tmp_path / "top.tflite")
    source = Source(tmp_path / "top.tflite")
    with pytest.raises(NotFollowedError):
        ShortenedSource(source, None, [source.inputs()[0].index], 4)


def test_both_signatures_share_the_parts_and_the_weights_and_so_do_their_copies(tmp_path, vocabulary, embeddings):
    np.save(tmp_path / "e.npy", embeddings)
    (tmp_path / "items.txt").write_text("".join(f"item {i}\n" for i in range(len(embeddings))))
    model = attention_model(tmp_path / "m.tflite")
    given = ["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "items.txt")]
    first, second = tmp_path / "first.tflite", tmp_path / "second.tflite"
    assert main([*given, "--embedder", str(model), "--tokenizer", str(vocabulary), "--output", str(first)]) == 0
    model.unlink()
    assert main([*given, "--embedder", str(first), "--output", str(second)]) == 0
    answers = []
    for path in (first, second):
        source = Source(path)
        names = [sub.name.decode() for sub in source.model.subgraphs]
        assert sum(name.startswith("places_16") for name in names) == 2  # what is taken, and what otherwise
        tables = [b for b in source.model.buffers if b.data is not None and len(b.data) == len(VOCABULARY) * DIMENSION * 4]
        assert len(tables) == 1
        with TextEmbedder.create_from_file(str(path)) as embedder, TextSearcher.create_from_file(str(path)) as searcher:
            for text in TEXTS:
                value = embedder.embed(text).embeddings[0].feature_vector.value
                assert searcher.search(text) == searcher.search_embedding(value)
            answers.append([[n.metadata for n in searcher.search(text).nearest_neighbors] for text in TEXTS])
    assert answers[0] == answers[1]


def test_minilm_runs_at_fewer_places(tmp_path):
    model, vocabulary = MINILM / "minilm_int8.tflite", MINILM / "vocab.txt"
    if not model.exists():
        pytest.skip(absent(model))
    tower = sentence_tower(model, vocabulary)
    assert [short.length for short in tower.shorter] == [16, 32]
    write_encoder(tmp_path / "e.tflite", {"text": tower}, {"text": tower.input_shape}, dimension=384)
    assert (tmp_path / "e.tflite").stat().st_size < model.stat().st_size + 4e6
    with TextEmbedder.create_from_file(str(tmp_path / "e.tflite")) as embedder:
        dog, puppy, car = (
            embedder.embed(t).embeddings[0].feature_vector.value for t in ("a dog", "a puppy", "he repairs the engine of a car")
        )
    assert dog @ puppy > 0.6 > 0.4 > dog @ car
