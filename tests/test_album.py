"""Builds without captions: the towers of an existing file, for a folder of pictures that nobody has described."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, PooledColours, words_tower

from maker.cli import main
from maker.embedding.rotation import mapped, rotation
from maker.encoders import sentence_tower
from maker.encoders.embedder import embedder_manifest
from maker.evaluation.file_parts import tower_parts
from maker.evaluation.list_relevance import calibrate_without_captions
from maker.export.encoder_file import write_encoder
from maker.graph.source import Source
from maker.pipeline import corpus_stage
from maker.queries import built_in_queries, read_queries
from maker.training.adapters import Pairs, train_adapters
from task.text import TextSearcher
from tests.checkpoints import files


def build(photos, output, *more):
    return main(["build", "--images", str(photos), "--output", str(output), *map(str, more)])


@pytest.fixture
def own(tmp_path) -> Path:
    """A list of 60 queries, which takes less time than the built-in ones."""
    path = tmp_path / "own.txt"
    path.write_text("\n".join(f"a red kite {number}" for number in range(60)), encoding="utf-8")
    return path


def failure(capsys, *arguments) -> tuple[int, str]:
    capsys.readouterr()
    return build(*arguments), capsys.readouterr().err


def test_the_towers_of_an_encoder_file_index_pictures_without_captions(photos, encoder, tmp_path, capsys):
    output = tmp_path / "album.tflite"
    assert build(photos, output, "--encoder", encoder) == 0
    printed = capsys.readouterr().out
    assert "24 read and indexed, 0 inputs rejected" in printed
    assert "built-in queries" in printed
    assert "nobody says which picture answers which query" in printed
    described = embedder_manifest(output)
    assert described.items == 24
    assert "retrieval" not in described.report
    with TextSearcher.create_from_file(str(output)) as searcher:
        assert len(searcher.search("a red kite").nearest_neighbors) == 5
    assert "was not measured" in output.with_suffix(".card.md").read_text(encoding="utf-8")
    assert "was not measured" in output.with_suffix(".report.html").read_text(encoding="utf-8")


def test_the_towers_of_a_searcher_give_the_same_embeddings_as_the_searcher(photos, encoder, own, tmp_path):
    first, second = tmp_path / "first.tflite", tmp_path / "second.tflite"
    assert build(photos, first, "--encoder", encoder, "--query-list", own, "--no-report") == 0
    assert build(photos, second, "--encoder", first, "--query-list", own, "--no-report") == 0
    answers = []
    for file in (first, second):
        with TextSearcher.create_from_file(str(file)) as searcher:
            answers.append([(n.metadata, n.distance) for n in searcher.search("two white dogs").nearest_neighbors])
    assert [name for name, _ in answers[0]] == [name for name, _ in answers[1]]
    np.testing.assert_allclose(*([distance for _, distance in answer] for answer in answers), atol=1e-5)


def test_captions_measure_ready_towers(photos, encoder, tmp_path, capsys):
    output = tmp_path / "measured.tflite"
    assert build(photos, output, "--encoder", encoder, "--captions", photos / "captions.tsv", "--no-report", "--json") == 0
    assert json.loads(capsys.readouterr().out)["retrieval"]["queries"] == 16


def test_own_queries_tune_the_index(photos, encoder, own, tmp_path, capsys, monkeypatch):
    output = tmp_path / "own.tflite"

    def read_once(path: Path) -> list[str]:
        queries = read_queries(path)
        path.unlink()
        return queries

    monkeypatch.setattr(corpus_stage, "read_queries", read_once)
    assert build(photos, output, "--encoder", encoder, "--query-list", own, "--no-report") == 0
    assert "queries of own.txt" in capsys.readouterr().out
    assert embedder_manifest(output).golden[0]["query"].startswith("a red kite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-encoder", "scratch"], "--captions is missing: towers are trained on captions"),
        (["--encoder", "ENCODER", "--image-encoder", "tflite:x.tflite"], "has both towers already"),
        (["--encoder", "ENCODER", "--model", "clip"], "--model clip: --encoder ENCODER has both towers already"),
        (["--encoder", "ENCODER", "--prune-vocabulary"], "--prune-vocabulary: shortens the tokenizer of --model"),
        (["--model", "clip", "--weights", "int4"], "--weights int4: expected one of int8, float16, float32"),
        (["--encoder", "ENCODER", "--epochs", "3"], "are not trained; leave --epochs out"),
        (["--encoder", "ENCODER", "--corpus", "other"], "--corpus other: goes with --captions"),
        (["--encoder", "ENCODER", "--captions", "c.tsv", "--query-list", "q.txt"], "the captions are the queries of this build"),
        (["--encoder", "ENCODER", "--language", "fr"], "the built-in queries are in en and zh"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(photos, encoder, tmp_path, capsys, options, message):
    options = [str(encoder) if option == "ENCODER" else option for option in options]
    status, error = failure(capsys, photos, tmp_path / "wrong.tflite", *options)
    assert (status, message.replace("ENCODER", str(encoder)) in error) == (2, True), error
    assert not (tmp_path / "wrong.tflite").exists()


@pytest.mark.parametrize(("kind", "missing"), [("text", "no tower for pictures or sounds"), ("image", "no tower for sentences")])
def test_a_file_with_one_tower_is_refused_by_name(photos, tmp_path, capsys, kind, missing):
    tower = words_tower()
    encoders = {"text": (tower, (1, tower.size.max_bytes)), "image": (PooledColours(), (1, SIDE, SIDE, 3))}
    file = tmp_path / "half.tflite"
    write_encoder(file, {kind: encoders[kind][0]}, {kind: encoders[kind][1]}, dimension=DIMENSION)
    status, error = failure(capsys, photos, tmp_path / "wrong.tflite", "--encoder", file)
    assert (status, f"half.tflite: has {missing}; expected a searcher or encoder file" in error) == (1, True), error


def test_a_missing_encoder_is_named(photos, tmp_path, capsys):
    status, error = failure(capsys, photos, tmp_path / "wrong.tflite", "--encoder", tmp_path / "gone.tflite")
    assert (status, "gone.tflite: no such searcher or encoder file" in error) == (1, True), error


def test_built_in_queries_are_different_short_and_in_both_languages():
    queries = built_in_queries()
    assert len(queries) > 2000
    assert len({query.en for query in queries}) == len(queries)
    assert max(len(query.en.split()) for query in queries) <= 12
    assert all(re.fullmatch("[a-z -]+", query.en) for query in queries)
    assert all(re.fullmatch("[\u4e00-\u9fff]+", query.zh) for query in queries)


def test_a_short_list_of_queries_is_refused(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("a dog\n\na dog\na cat\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"short.txt: has 2 different queries, expected one per line and at least 50"):
        read_queries(path)


def test_relevance_without_captions_separates_pictures_that_a_query_describes(rng):
    """Queries and pictures of 40 topics: the curve says above one half for the same topic, below for others."""
    topics = rng.standard_normal((40, 32))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)

    def around(count):
        values = (np.repeat(topics, count, axis=0) + 0.1 * rng.standard_normal((40 * count, 32))).astype(np.float32)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    curve = calibrate_without_captions(around(4), around(3), "queries of a test")
    same, other = (1 / (1 + np.exp(curve["slope"] * -score + curve["intercept"])) for score in (0.8, 0.1))
    assert same > 0.5 > other
    assert "weaker" in curve["how"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A small CLIP with drawn weights."""
    pytest.importorskip("safetensors")
    pytest.importorskip("tokenizers")
    return files.clip(tmp_path_factory.mktemp("checkpoint") / "clip")


def test_a_checkpoint_indexes_pictures_in_one_command(photos, checkpoint, own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 20)
    output = tmp_path / "album.tflite"
    command = (photos, output, "--model", checkpoint, "--query-list", own, "--no-report")
    assert build(*command) == 0
    assert "writing the towers of" in capsys.readouterr().err
    assert embedder_manifest(output).encoders["image"]["spec"] == "clip"
    with TextSearcher.create_from_file(str(output)) as searcher:
        assert len(searcher.search("a photo of a cat").nearest_neighbors) == 5
    assert build(*command, "--overwrite") == 0
    assert "writing the towers of" not in capsys.readouterr().err


def test_each_weight_of_a_tower_is_read_by_one_part_of_the_graph(photos, checkpoint, own, tmp_path, monkeypatch):
    """Runtimes pack weights once for each part that reads them."""
    for copied_or_written in ("maker.graph.inlining.LIGHT", "maker.export.searcher_file.LIGHT"):
        monkeypatch.setattr(copied_or_written, 0)  # the weights of this checkpoint are small
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 20)
    output = tmp_path / "album.tflite"
    assert build(photos, output, "--model", checkpoint, "--query-list", own, "--no-report") == 0
    readers = Counter(
        tensor.buffer for graph in Source(output).model.subgraphs for tensor in graph.tensors if tensor.name == b"weights" and tensor.buffer
    )
    assert len(readers) > 20
    assert set(readers.values()) == {1}


def test_a_pruned_vocabulary_makes_the_file_smaller(photos, checkpoint, own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 20)
    more = tmp_path / "more.txt"
    more.write_text("two dogs run\n", encoding="utf-8")
    sizes = []
    for options in ((), ("--prune-vocabulary",), ("--prune-vocabulary", more)):
        output = tmp_path / f"{len(sizes)}.tflite"
        assert build(photos, output, "--model", checkpoint, "--query-list", own, "--no-report", *options) == 0
        sizes.append(sum(tower_parts(output, ("text", "image")).values()))
    assert "pieces" in capsys.readouterr().err
    assert sizes[0] > sizes[2] > sizes[1]


def test_other_weights_of_a_checkpoint_make_another_encoder_file(photos, checkpoint, own, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 20)
    sizes = {}
    for weights in ("int8", "float32"):
        output = tmp_path / f"{weights}.tflite"
        assert build(photos, output, "--model", checkpoint, "--weights", weights, "--query-list", own, "--no-report") == 0
        sizes[weights] = sum(tower_parts(output, ("text", "image")).values())
    assert sizes["int8"] < sizes["float32"]


def test_a_rotation_keeps_what_queries_and_pictures_share(rng):
    """Embeddings that lie in 8 of 64 dimensions, turned at random: the first 8 of the rotated ones have it all."""
    basis = np.linalg.qr(rng.standard_normal((64, 64)))[0][:, :8]
    items, queries = (mapped(rng.standard_normal((count, 8)).astype(np.float32) @ basis.T, np.eye(64)) for count in (200, 50))
    axes = rotation(items, queries)
    np.testing.assert_allclose(axes.T @ axes, np.eye(64), atol=1e-5)
    np.testing.assert_allclose(mapped(queries, axes[:, :8]) @ mapped(items, axes[:, :8]).T, queries @ items.T, atol=1e-4)


def test_fewer_dimensions_of_ready_towers_come_from_a_rotation(photos, encoder, own, tmp_path, capsys):
    whole, short = tmp_path / "whole.tflite", tmp_path / "short.tflite"
    assert build(photos, whole, "--encoder", encoder, "--query-list", own, "--no-report") == 0
    options = ("--encoder", encoder, "--query-list", own, "--no-report", "--dimension", 4, "--matryoshka", 3)
    assert build(photos, short, *options) == 0
    assert f"4 of {DIMENSION}, by a rotation fitted to 24 pictures and 60 queries" in capsys.readouterr().out
    assert embedder_manifest(short).dimension == 4
    query, found = "a red kite", []
    for file in (whole, short):
        with TextSearcher.create_from_file(str(file)) as searcher:
            found.append([n.metadata for n in searcher.search(query).nearest_neighbors])
    assert set(found[0]) & set(found[1])
    assert build(photos, short, *options, "--index-dimension", 3, "--overwrite") == 0
    assert embedder_manifest(short).dimension == 3
    capsys.readouterr()
    assert build(photos, short, *options, "--index-dimension", 2, "--overwrite") == 1
    assert f"--index-dimension 2: --encoder {encoder} is trained for 3 or 4 dimensions" in capsys.readouterr().err
    assert build(photos, short, *options[:-4], "--dimension", 99, "--overwrite") == 1
    assert f"has {DIMENSION} dimensions; expected at most {DIMENSION}" in capsys.readouterr().err


def pairs(rng, topics, turned, images):
    """Two captions of each image; the towers agree but for a matrix behind that of the texts."""
    values = mapped(
        (topics[rng.integers(0, len(topics), images)] + 0.5 * rng.standard_normal((images, topics.shape[1]))), np.eye(topics.shape[1])
    )
    targets = np.repeat(np.arange(images), 2)
    texts = mapped(values[targets] + 0.05 * rng.standard_normal((2 * images, topics.shape[1])), turned)
    return Pairs(texts.astype(np.float32), values.astype(np.float32), targets)


def test_adapters_learn_what_the_towers_lack(rng):
    topics = rng.standard_normal((400, 16))
    turned = np.eye(16) + 2 * rng.standard_normal((16, 16)) / 4
    made = train_adapters(pairs(rng, topics, turned, 800), pairs(rng, topics, turned, 400), seed=0)
    assert made.kept
    assert made.best["R@10"] > made.history[0]["R@10"] + 5


def test_adapters_that_make_nothing_better_are_left_out(rng):
    """The captions to train on belong to other images than they say."""
    topics = rng.standard_normal((400, 16))
    train, held_out = (pairs(rng, topics, np.eye(16), count) for count in (600, 200))
    wrong = Pairs(train.texts, train.images, rng.permutation(train.targets))
    made = train_adapters(wrong, held_out, seed=0)
    assert not made.kept
    np.testing.assert_array_equal(made.text, np.eye(16))
    np.testing.assert_array_equal(made.image, np.eye(16))


@pytest.mark.parametrize("more", [(), ("--no-adapters",)])
def test_captions_adapt_ready_towers_and_never_make_them_worse(photos, encoder, tmp_path, capsys, more):
    output = tmp_path / "adapted.tflite"
    assert build(photos, output, "--encoder", encoder, "--captions", photos / "captions.tsv", "--no-report", *more) == 0
    printed = capsys.readouterr().out
    assert ("adapters" in printed) is not bool(more)
    adapters = embedder_manifest(output).training.get("adapters")
    assert (adapters is None) is bool(more) or not adapters["kept"]
