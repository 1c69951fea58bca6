"""Prefixes of embeddings that are trained to be embeddings of their own, and indexes over them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, words_tower
from test_text_towers import VOCABULARY, token_model
from test_training import small_run
from test_training_fine_tuning import corpus, train  # noqa: F401

from maker.cli import main
from maker.data.captions import read_captions
from maker.encoders.embedder import embedder_manifest
from maker.encoders.prefix import prefix
from maker.errors import BuildError, DataError, TrainingError
from maker.export.encoder_file import write_encoder
from maker.pipeline import IndexSettings, index_embeddings, update_index
from maker.pipeline.corpus_stage import Photos
from maker.training.metrics import ranks, recall
from maker.training.options import TrainingOptions
from maker.workspace import Rejects, Workspace
from task.core import BaseOptions
from task.search import GraphEngine
from task.text import TextEmbedder, TextSearcher

CUT = 8


def unit(rng, *shape):
    values = rng.standard_normal(shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def trained_encoder(tmp_path_factory):
    """An encoder file that says that it was trained for 4 and 8 of its 16 dimensions."""
    path, tower = tmp_path_factory.mktemp("encoder") / "encoder.tflite", words_tower()
    shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    training = {"options": {"dimension": DIMENSION, "matryoshka": [4, CUT]}}
    write_encoder(path, {"text": tower, "image": PooledColours()}, shapes, dimension=DIMENSION, example_texts=TEXTS[:2], training=training)
    return path


def index(embeddings, output, dimension=CUT, **more):
    settings = IndexSettings(dimension=dimension, k=10, **more.pop("settings", {}))
    return index_embeddings(embeddings, [f"{i}".encode() for i in range(len(embeddings))], output, settings=settings, **more)


@pytest.mark.parametrize("name", ["info_nce", "soft_targets", "sigmoid"])
def test_the_loss_is_the_mean_of_that_of_the_whole_and_of_truncated_normalised_embeddings(name, rng):
    from maker.training.losses import Loss

    texts, images, same = unit(rng, 12, 16), unit(rng, 6, 16), np.repeat(np.eye(6, dtype=np.float32), 2, axis=0)
    plain = Loss(name)
    parts = [float(plain(*(prefix(side, length) for side in (texts, images)), same)) for length in (16, 4, 8)]
    assert float(Loss(name, (4, 8))(texts, images, same)) == pytest.approx(np.mean(parts), rel=1e-5)
    assert abs(parts[0] - parts[1]) > 0.01
    assert float(Loss(name, ())(texts, images, same)) == float(plain(texts, images, same))


def test_lengths_are_sorted_and_each_below_the_dimension():
    assert TrainingOptions(matryoshka=(64, 32, 64)).matryoshka == (32, 64)
    for wrong in (1, 127, 500):
        with pytest.raises(
            TrainingError, match=rf"matryoshka: dimensions must be at least 2 and below 127, those that are learnt, found {wrong}"
        ):
            TrainingOptions(matryoshka=(64, wrong))
    with pytest.raises(SystemExit):
        main(["build", "--captions", "c.tsv", "--output", "s.tflite", "--matryoshka", "64,many"])


def test_a_run_that_was_stopped_goes_on_as_an_unbroken_one(tmp_path, monkeypatch):
    from maker.training import loop

    unbroken = small_run(matryoshka=(2, 4))
    assert unbroken[0] != small_run()[0]
    drawn, epochs = loop.batches, []

    def stopped(*arguments):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return drawn(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "batches", stopped)
        with pytest.raises(KeyboardInterrupt):
            small_run(tmp_path / "run.npz", matryoshka=(2, 4))
    history, texts, images = small_run(tmp_path / "run.npz", matryoshka=(2, 4))
    assert history == unbroken[0]
    assert np.array_equal(texts, unbroken[1])
    assert np.array_equal(images, unbroken[2])


def test_a_cut_file_answers_as_exact_search_over_truncated_embeddings(tmp_path, trained_encoder, capsys, rng):
    embeddings, output = unit(rng, 400, DIMENSION), tmp_path / "s.tflite"
    index(embeddings, output, embedder=trained_encoder, queries=unit(rng, 50, DIMENSION))
    assert "nothing says" not in capsys.readouterr().err
    cut = embeddings[:, :CUT] / np.linalg.norm(embeddings[:, :CUT], axis=1, keepdims=True)
    opened = (TextEmbedder.create_from_file(str(trained_encoder)), TextEmbedder.create_from_file(str(output)))
    with opened[0] as whole, opened[1] as short, TextSearcher.create_from_file(str(output)) as searcher:
        for text in [*TEXTS, "an unknown word"]:
            query, found = (e.embed(text).embeddings[0].feature_vector.value for e in (whole, short))
            assert found.shape == (CUT,)
            assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
            np.testing.assert_allclose(found, query[:CUT] / np.linalg.norm(query[:CUT]), atol=1e-5)
            exact, neighbors = cut @ found, searcher.search(text).nearest_neighbors
            answered = exact[[int(n.metadata) for n in neighbors]]
            np.testing.assert_allclose(answered, np.sort(exact)[::-1][: len(neighbors)], atol=0.02)
            np.testing.assert_allclose([-n.distance for n in neighbors], answered, atol=0.02)
    engine = GraphEngine(BaseOptions(str(output)))
    picture = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert engine.dimension == CUT
    assert np.linalg.norm(engine.embed_image(picture)) == pytest.approx(1, abs=1e-5)
    engine.close()
    assert main(["verify", str(output)]) == 0


def test_a_cut_file_as_embedder_knows_the_lengths_that_are_left(tmp_path, trained_encoder, rng):
    index(unit(rng, 50, DIMENSION), tmp_path / "s.tflite", embedder=trained_encoder)
    index(unit(rng, 50, CUT), tmp_path / "t.tflite", 4, embedder=tmp_path / "s.tflite")
    assert embedder_manifest(tmp_path / "t.tflite").dimension == 4
    with pytest.raises(BuildError, match=r"--index-dimension 5: .*s\.tflite is trained for 4 or 8 dimensions"):
        index(unit(rng, 50, CUT), tmp_path / "u.tflite", 5, embedder=tmp_path / "s.tflite")


def test_a_tower_that_takes_ids_is_cut_too(tmp_path, embeddings):
    model = token_model(tmp_path / "m.tflite", len(VOCABULARY))
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    np.save(tmp_path / "e.npy", embeddings)
    (tmp_path / "items.txt").write_text("".join(f"item {i}\n" for i in range(len(embeddings))))
    inputs = ["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "items.txt"), "--embedder", str(model)]
    whole, short = tmp_path / "whole.tflite", tmp_path / "short.tflite"
    assert main([*inputs, "--tokenizer", str(tmp_path / "vocab.txt"), "--output", str(whole)]) == 0
    assert main([*inputs, "--tokenizer", str(tmp_path / "vocab.txt"), "--output", str(short), "--index-dimension", "8"]) == 0
    with TextEmbedder.create_from_file(str(whole)) as one, TextEmbedder.create_from_file(str(short)) as other:
        values = [e.embed(TEXTS[0]).embeddings[0].feature_vector.value for e in (one, other)]
    np.testing.assert_allclose(values[1], prefix(values[0][None], CUT)[0], atol=1e-5)


def test_embeddings_without_a_training_are_cut_and_it_is_said(tmp_path, capsys, rng):
    embeddings = 3 * rng.standard_normal((200, DIMENSION)).astype(np.float32)
    index(embeddings, tmp_path / "s.tflite", settings={"distance": "squared_l2"})
    assert capsys.readouterr().err.count(f"may not be trained for {CUT} of {DIMENSION} dimensions") == 1
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as searcher:
        found = searcher.search_embedding(embeddings[5, :CUT]).nearest_neighbors
    true = np.sort(((embeddings[:, :CUT] - embeddings[5, :CUT]) ** 2).sum(1))[: len(found)]  # not normalised: they were not before
    assert found[0].metadata == b"5"
    np.testing.assert_allclose([n.distance for n in found], true, atol=0.02 * true[-1])


def test_a_length_that_cannot_be_is_refused_in_one_line(tmp_path, trained_encoder, rng):
    embeddings, output = unit(rng, 50, DIMENSION), tmp_path / "s.tflite"
    with pytest.raises(BuildError, match=r"--index-dimension 6: .*encoder\.tflite is trained for 4 or 8 or 16 dimensions"):
        index(embeddings, output, 6, embedder=trained_encoder)
    with pytest.raises(BuildError, match="--index-dimension 17: embeddings has 16 dimensions; expected at most 16"):
        index(embeddings, output, 17)
    with pytest.raises(BuildError, match="dimension must be at least 1, found 0"):
        index(embeddings, output, 0)
    with pytest.raises(DataError, match="the embedder produces 16 dimensions, but the embeddings have 12"):
        index(unit(rng, 50, 12), output, embedder=trained_encoder)
    with pytest.raises(DataError, match="queries: found 8 dimensions, expected 16"):
        index(embeddings, output, queries=unit(rng, 50, CUT))
    embeddings[7] = np.eye(DIMENSION, dtype=np.float32)[12]
    with pytest.raises(DataError, match="embeddings: row 7 has only zeros in its first 8 dimensions"):
        index(embeddings, output)
    assert not output.exists()


def test_the_whole_dimension_gives_the_file_without_the_option(tmp_path, trained_encoder, rng):
    embeddings = unit(rng, 50, DIMENSION)
    for name, dimension in (("a", None), ("b", DIMENSION)):
        index(embeddings, tmp_path / f"{name}.tflite", dimension, embedder=trained_encoder)
    digests = [embedder_manifest(tmp_path / f"{name}.tflite").sha256["model"] for name in "ab"]
    assert digests[0] == digests[1]


def test_where_no_rows_fit_a_size_the_trained_lengths_are_named(tmp_path, trained_encoder, rng):
    embeddings, size = unit(rng, 3000, DIMENSION), {"max_size": 160_000}
    with pytest.raises(BuildError, match="MB; use --index-dimension 4 or 8, for which the towers were trained, shorter metadata"):
        index(embeddings, tmp_path / "s.tflite", None, embedder=trained_encoder, settings=size)


def test_an_update_keeps_the_dimensions(tmp_path, trained_encoder, rng):
    base, overlay = tmp_path / "s.tflite", tmp_path / "new.overlay"
    index(unit(rng, 50, DIMENSION), base, embedder=trained_encoder)
    with TextSearcher.create_from_file(str(base)) as searcher:
        searcher.add("a red kite", "new")
        searcher.save_overlay(str(overlay))
    with pytest.raises(BuildError, match=r"--index-dimension 4: .*s\.tflite has 8 dimensions, which --update keeps"):
        update_index(base, overlay, tmp_path / "t.tflite", settings=IndexSettings(dimension=4))
    update_index(base, overlay, tmp_path / "t.tflite")
    with TextSearcher.create_from_file(str(tmp_path / "t.tflite")) as searcher:
        assert searcher.search("a red kite").nearest_neighbors[0].metadata == b"new"
        assert searcher.engine.dimension == CUT


def test_a_build_trains_cuts_measures_and_says_so(photos, tmp_path, capsys):
    output = tmp_path / "s.tflite"
    command = ["build", "--images", str(photos), "--captions", str(photos / "captions.tsv"), "--output", str(output), "--epochs", "2"]
    command += ["--batch-size", "8", "--dimension", "32", "--matryoshka", "16,8"]
    assert main([*command, "--index-dimension", "12"]) == 1
    message = "--index-dimension 12: this run is trained for 8 or 16 or 32 dimensions; pass one of these"
    assert message in capsys.readouterr().err
    assert not output.with_suffix(".work").exists()  # it is said before anything is trained
    assert main([*command, "--index-dimension", "8"]) == 0
    printed = capsys.readouterr().out
    found = embedder_manifest(output)
    assert found.dimension == 8
    assert found.training["options"]["matryoshka"] == [8, 16]
    assert [entry["dimension"] for entry in found.training["prefixes"]] == [32, 16, 8]
    best = max(found.training["history"], key=lambda entry: entry["MRR"])  # what chooses among few pictures
    assert {name: best[name] for name in ("R@1", "R@5", "R@10")}.items() <= found.training["prefixes"][0].items()
    assert "the first 8 dimensions" in found.report["retrieval"]["how"]
    # Training searches among the held-out photos, the report of a small album among all: it finds less, but not nothing.
    assert 25 < found.report["retrieval"]["R@10"] <= found.training["prefixes"][2]["R@10"]
    assert main(["inspect", str(output)]) == 0
    assert main(["inspect", str(output), "--card"]) == 0
    shown = capsys.readouterr().out
    words = f"R@1 / R@5 / R@10 with 32: {best['R@1']:.1f} / {best['R@5']:.1f} / {best['R@10']:.1f} %, 16: "
    for text in (printed, *shown.split("# s\n"), output.with_suffix(".report.html").read_text(encoding="utf-8")):
        assert words in text
    with TextEmbedder.create_from_file(str(output)) as embedder:
        assert embedder.embed("a plain red picture").embeddings[0].feature_vector.value.shape == (8,)
    assert main(["search", str(output), "a plain red picture", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["neighbors"]


def test_an_unfrozen_tower_is_measured_as_it_is_exported(corpus, tmp_path):  # noqa: F811
    files = train(corpus, tmp_path, epochs=3, matryoshka=(4,), allow_worse=True, start="random", unfreeze_rate=1e-2)
    training = embedder_manifest(files.file).training
    whole, entry = training["prefixes"]
    assert whole == {"dimension": 8, **training["safety_net"][training["safety_net"]["exported"]]}
    captions = [c for c in read_captions(corpus / "captions.tsv", Rejects()) if c.split == "val"]
    short = replace(files, dimension=4)
    work = Workspace(tmp_path)
    images = short.embed_images(Photos(corpus / "photos", sorted({c.image for c in captions})), work)
    targets = np.array([images.images.index(c.image) for c in captions])
    found = recall(ranks(short.embed_texts([c.text for c in captions], work), images.values, targets))
    assert images.values.shape[1] == entry.pop("dimension") == 4
    assert found == pytest.approx(entry, abs=5)  # the table is int8 in the graph
