"""Training: what is exported computes what was trained, and a few epochs learn something."""

from dataclasses import fields

import numpy as np
import pytest

from maker.encoders.layers import write_layers
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.errors import TrainingError
from maker.graph.model import Model
from maker.training.metrics import interval, nearest_positive_ranks, ranks, recall, retrieval
from maker.training.options import TrainingOptions, descriptions, options_for
from maker.training.vocabulary import CaptionRows, build_vocabulary
from task.format import utf8

SIZE = TokenizerSize(max_bytes=64, max_characters=48, max_units=12, max_grams=12, gram_rows=64)


def run_graph(tmp_path, shape, dtype, write, queries):
    from task.core import BaseOptions
    from task.core.interpreter import SignatureRunners
    from task.core.model_file import ModelFile

    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("query", shape, dtype)
    model.signature(g, {"query": query}, {"out": g.l2_normalize(write(g, query))})
    model.write(tmp_path / "m.tflite")
    options = BaseOptions(str(tmp_path / "m.tflite"))
    runners = SignatureRunners(ModelFile(options), options)
    return np.stack([runners.run("s", q)["out"][0] for q in queries])


def test_ranks_count_nearer_items_and_ties_by_half():
    items = np.eye(3, dtype=np.float32)
    queries = np.array([[3, 2, 1], [1, 1, 1]], np.float32)
    assert ranks(queries, items, np.array([1, 0])).tolist() == [1.0, 1.0]
    assert recall(np.array([0.0, 4.0, 9.0, 30.0])) == {"R@1": 25.0, "R@5": 50.0, "R@10": 75.0}


def test_the_interval_holds_the_figure_and_narrows_with_more_images(rng):
    few, many = rng.integers(0, 20, 100), rng.integers(0, 20, 10_000)
    for found in (few, many):
        low, high = interval(found, np.arange(len(found)), 10)
        assert low <= 100 * (found < 10).mean() <= high
    widths = [np.diff(interval(found, np.arange(len(found)), 10))[0] for found in (few, many)]
    assert widths[1] < widths[0] / 5


def test_median_rank_and_reciprocal_rank_count_from_one():
    figures = retrieval(np.array([0.0, 1.0, 3.0]), np.arange(3), items=9)
    assert figures["median_rank"] == 2
    assert figures["MRR"] == pytest.approx((1 + 1 / 2 + 1 / 4) / 3, abs=1e-4)


def test_of_several_answers_the_nearest_counts():
    items = np.array([[1, 0], [0.9, 0], [0, 1], [0.8, 0]], np.float32)
    assert nearest_positive_ranks(np.eye(2, dtype=np.float32), items, np.array([1, 0, 1, 0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("loss", ["info_nce", "soft_targets", "sigmoid"])
def test_every_loss_is_lower_where_captions_match_their_images(loss, rng):
    from maker.training.losses import Loss

    images = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    same = np.repeat(np.eye(8, dtype=np.float32), 2, axis=0)
    matching, shuffled = np.repeat(images, 2, axis=0), np.repeat(np.roll(images, 1, axis=0), 2, axis=0)
    of = Loss(loss)
    assert float(of(matching, images, same)) < float(of(shuffled, images, same)) - 0.1


def test_words_seen_too_seldom_are_not_in_the_vocabulary():
    tokens = tokenize(["a red kite", "a red hill", "一只猫", "一只狗", "一只鸟"], SIZE)
    known = build_vocabulary(tokens, 2, 0, SIZE)
    assert len(known.hashes) == 5  # a, red, 一, 只 and 一只
    assert len(build_vocabulary(tokens, 2, 2, SIZE).hashes) == 6  # and "a red"
    with pytest.raises(TrainingError, match="no word occurs 9 times"):
        build_vocabulary(tokens, 9, 0, SIZE)


def test_options_have_the_defaults_of_the_kind_of_tower():
    assert options_for(True, epochs=None).epochs != options_for(False).epochs
    assert options_for(True, epochs=9).epochs == 9
    with pytest.raises(TrainingError, match="epochs must be within"):
        TrainingOptions(epochs=0)


def test_the_command_line_says_what_every_option_is(capsys):
    from maker.cli import main

    with pytest.raises(SystemExit):
        main(["build", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "--unfreeze-from N The first epoch that also trains the image tower; 0 for never (default 0)" in printed
    assert set(descriptions()) == {option.name for option in fields(TrainingOptions)}


def test_the_exported_head_computes_what_was_trained(tmp_path, rng):
    from maker.training.head import Head
    from maker.training.image_side import FrozenFeatures, embed

    features = np.abs(rng.standard_normal((6, 20))).astype(np.float32)
    head = Head(20, 8, 0.5, 0, None)
    side = FrozenFeatures(features, head)
    for variable in side.variables:
        variable.assign_add(0.1 * rng.standard_normal(variable.shape).astype(np.float32))
    by_graph = run_graph(tmp_path, (1, 20), np.float32, lambda g, q: write_layers(g, q, head.layers()), features[:, None])
    assert np.allclose(by_graph, embed(side, np.arange(6)), atol=1e-5)


@pytest.mark.parametrize("pooling", ["average", "attention"])
def test_the_exported_words_compute_what_was_trained(tmp_path, pooling, rng):
    from maker.training.text_side import TextSide

    texts = ["a red kite", "一只黑猫", "unknown words here", "two kites"]
    tokens = tokenize(texts, SIZE)
    vocabulary = build_vocabulary(tokenize(["a red kite 一只猫"] * 2, SIZE), 2, 2, SIZE)
    side = TextSide(vocabulary, 32, 0.3, 0, pooling=pooling)
    side.log_weights.assign(rng.standard_normal(side.log_weights.shape).astype(np.float32) / 3)
    for attention in side.variables[2:]:
        attention.assign(20 * rng.standard_normal(attention.shape).astype(np.float32))
    queries = [utf8.encode(text, SIZE.max_bytes) for text in texts]
    by_graph = run_graph(tmp_path, (1, SIZE.max_bytes), np.uint8, side.tower().write, queries)
    trained = side.embed(CaptionRows(tokens, vocabulary).rows())
    assert (by_graph * trained).sum(1).min() > 0.999  # the table is int8 in the graph
    if pooling == "attention":  # and it is not the average
        side.variables[2].assign(np.zeros((32, 32), np.float32))
        assert (side.embed(CaptionRows(tokens, vocabulary).rows()) * trained).sum(1).min() < 0.99


def test_the_exported_network_computes_what_was_trained(tmp_path, rng):
    from maker.training.image_side import CNN_SIZE, ScratchCnn, embed

    pixels = rng.integers(0, 256, (2, CNN_SIZE, CNN_SIZE, 3)).astype(np.uint8)
    side = ScratchCnn(pixels, 8)
    tower = side.backbone()
    by_graph = run_graph(tmp_path, tower.input_shape, np.uint8, tower.write, pixels[:, None])
    assert np.allclose(by_graph, embed(side, np.arange(2)), atol=1e-4)


def test_the_linear_start_already_finds_images_by_their_words(rng):
    from maker.training.head import layer_normalise
    from maker.training.initialise import linear_start

    topics = rng.integers(0, 5, 400)
    features = (5 * np.eye(5, 30)[topics] + rng.standard_normal((400, 30))).astype(np.float32)
    rows = (topics + 1)[:, None].astype(np.int32)
    start = linear_start(layer_normalise(features), rows, np.arange(400), 6, 8, 4)
    images = layer_normalise(features) @ start.weights + start.bias
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    scores = start.table[1:6] @ images.T
    assert np.mean(topics[np.argsort(-scores, 1)[:, :20]] == np.arange(5)[:, None]) > 0.9


def small_run(checkpoint=None, epochs=5, events=None, precision="float32", **more):
    """A training run on 80 features of four colours: its history and what it learnt."""
    from maker.training.head import Head
    from maker.training.image_side import FrozenFeatures, embed
    from maker.training.loop import EncodedSplit, Run, fit
    from maker.training.text_side import TextSide
    from maker.training.train import _seed

    _seed(3)
    topics = np.arange(80) % 4
    features = (4 * np.eye(4, 12)[topics] + np.random.default_rng(1).standard_normal((80, 12))).astype(np.float32)
    tokens = tokenize([f"a {['red', 'green', 'blue', 'white'][t]} thing" for t in topics], SIZE)
    captions = CaptionRows(tokens, build_vocabulary(tokens, 2, 0, SIZE))
    text, image = TextSide(captions._vocabulary, 8, 0.1, 3), FrozenFeatures(features, Head(12, 8, 0.1, 3, None, precision))
    side = EncodedSplit(captions, np.arange(80))
    options = TrainingOptions(epochs=epochs, batch_size=16, learning_rate=1e-2, dimension=8, seed=3, patience=9, **more)
    history = fit(text, image, side, side, options, Run(checkpoint, events))
    return history, text.embed(captions.rows()), embed(image, np.arange(80))


def test_training_is_repeatable_and_keeps_the_best_epoch():
    from maker.training.head import Head
    from maker.training.image_side import FrozenFeatures
    from maker.training.loop import EncodedSplit, fit, measure_recall
    from maker.training.text_side import TextSide
    from maker.training.train import _seed

    colours = ["red", "green", "blue", "white"]
    topics = np.arange(80) % 4
    features = (4 * np.eye(4, 12)[topics] + np.random.default_rng(1).standard_normal((80, 12))).astype(np.float32)
    tokens = tokenize([f"a {colours[t]} thing" for t in topics], SIZE)
    vocabulary = build_vocabulary(tokens, 2, 0, SIZE)
    histories = []
    for _ in range(2):
        _seed(3)
        text, image = TextSide(vocabulary, 8, 0.1, 3), FrozenFeatures(features, Head(12, 8, 0.1, 3, None))
        side = EncodedSplit(CaptionRows(tokens, vocabulary), np.arange(80))
        histories.append(fit(text, image, side, side, TrainingOptions(epochs=4, batch_size=16, learning_rate=1e-2, dimension=8, seed=3)))
    assert histories[0] == histories[1]
    assert measure_recall(text, image, side)["R@10"] == max(entry["R@10"] for entry in histories[1])
    assert histories[0][-1]["loss"] < histories[0][0]["loss"]


def test_half_of_the_draws_of_a_frozen_tower_are_of_the_mirrored_image():
    import tensorflow as tf

    from maker.training.head import Head
    from maker.training.image_side import FrozenFeatures

    features, mirrored = np.eye(2, 6, dtype=np.float32)[np.zeros(200, int)], np.eye(2, 6, dtype=np.float32)[np.ones(200, int)]
    head = Head(6, 4, 0.0, 0, None)
    plain, drawn = FrozenFeatures(features, head), FrozenFeatures(features, head, [mirrored])
    images = tf.range(200)
    assert np.array_equal(drawn.forward(images), plain.forward(images))  # what is measured and exported sees images as they are
    trained = drawn.forward(images, tf.constant([0, 1])).numpy()
    as_it_is, other = plain.forward(images).numpy()[0], FrozenFeatures(mirrored, head).forward(images).numpy()[0]
    assert 60 < (trained @ other > trained @ as_it_is).sum() < 140


def test_muon_moves_kernels_along_orthogonal_directions_and_keeps_their_norm(rng):
    import tensorflow as tf

    from maker.training.optimizer import Optimizer, orthogonalised, schedule

    gradient = rng.standard_normal((3, 3, 4, 8)).astype(np.float32)
    singular = np.linalg.svd(orthogonalised(tf.constant(gradient)).numpy().reshape(36, 8), compute_uv=False)
    assert singular.min() > 0.5
    assert singular.max() < 1.4
    kernel, other = tf.Variable(gradient), tf.Variable(np.ones((4, 2), np.float32))
    rate = schedule(TrainingOptions(epochs=9, learning_rate=1e-3), 1)
    optimizer = Optimizer(rate, 0.0, [other, kernel], [], [kernel])
    for _ in range(2):  # the rate of the first step is 0
        optimizer.apply([tf.ones((4, 2)), tf.constant(gradient)])
    assert np.linalg.norm(kernel.numpy()) == pytest.approx(np.sqrt(8), rel=1e-4)
    assert not np.allclose(kernel.numpy() * np.linalg.norm(gradient) / np.sqrt(8), gradient)
    assert np.allclose(other.numpy(), other.numpy()[0, 0])
    assert other.numpy()[0, 0] < 1


def test_features_that_stay_on_disk_train_the_same(monkeypatch):
    expected = small_run()
    monkeypatch.setattr("maker.training.image_side.MOST_HELD", 0)
    found = small_run()
    assert found[0] == expected[0]
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(one, other)
