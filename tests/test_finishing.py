"""What follows training over frozen features: the second encoder in closed form, joining two encoders, and hub bias."""

from types import SimpleNamespace

import numpy as np
import pytest

from maker.data.captions import Caption
from maker.data.splits import Splits
from maker.embedding.project import project, write_head
from maker.embedding.texts import embed_texts
from maker.encoders.image import ImageEncoder
from maker.encoders.layers import Constant, Dense, Scale, SideBySide, Unit
from maker.export.encoder_file import write_encoder
from maker.training.closed_form import closed_form, closed_form_of_sentences
from maker.training.frozen_text import TextFeatures
from maker.training.hubs import CONSTANT, hub_bias, with_constant
from maker.training.joined import join, sums, unit
from maker.training.options import TrainingOptions
from maker.training.train import train_frozen

DIMENSION = 6
rng = np.random.default_rng(0)


def corpus(images=200, words=40, captions=3, features=30, seed=0):
    """Images whose features are the sum of their words' vectors, and captions that name some of the words."""
    draw = np.random.default_rng(seed)
    meanings = draw.standard_normal((words, features)).astype(np.float32)
    shown = draw.random((images, words)) < 4 / words
    shown[np.arange(images), draw.integers(0, words, images)] = True
    values = shown.astype(np.float32) @ meanings + 0.1 * draw.standard_normal((images, features)).astype(np.float32)
    rows = np.zeros((images * captions, 8), np.int32)
    for caption in range(len(rows)):
        named = np.flatnonzero(shown[caption // captions])[:8]
        rows[caption, : len(named)] = 1 + named
    described = np.repeat(np.arange(images), captions)
    return values, rows, (rows > 0).astype(np.float32), described, 1 + words


def test_the_closed_form_finds_the_image_of_a_caption():
    features, rows, weights, described, known = corpus()
    solved = closed_form(features, rows, described, known, known + 5, DIMENSION)
    texts, images = unit(sums(solved.table, rows, weights)), unit(features @ solved.weights + solved.bias)
    scores = texts @ images.T
    own = scores[np.arange(len(rows)), described]
    assert np.median((scores > own[:, None]).sum(1)) <= 5  # of 200
    assert not solved.table[known:].any()  # rows of trigrams


def test_captions_with_too_few_words_have_no_closed_form():
    features, rows, _, described, known = corpus(words=5)
    assert closed_form(features, rows, described, known, known, 10) is None


def test_two_encoders_side_by_side_score_as_their_sum_and_fewer_dimensions_keep_the_order():
    _, rows, weights, _, known = corpus()
    tables = tuple(rng.standard_normal((known, DIMENSION)).astype(np.float32) for _ in range(2))
    images = tuple(unit(rng.standard_normal((300, DIMENSION))) for _ in range(2))
    joined = join(tables, rows, weights, images, 0.5, 2 * DIMENSION)
    texts = [sums(table, rows, weights) for table in tables]
    texts = [text / np.linalg.norm(text, axis=1).mean() for text in texts]
    expected = texts[0] @ images[0].T + 0.5 * texts[1] @ images[1].T
    both = np.concatenate([images[0], joined.factor * images[1]], axis=1) @ joined.projection
    scores = sums(joined.table, rows, weights) @ both.T
    # A sentence's scores may move together.
    np.testing.assert_allclose(scores - scores.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=1e-3)
    assert join(tables, rows, weights, images, 0.5, 7).images(*images).shape == (300, 7)


def test_joined_layers_in_the_graph_give_what_numpy_gives(tmp_path):
    features = rng.standard_normal((20, 5)).astype(np.float32)
    first, second = (rng.standard_normal((5, 4)).astype(np.float32) for _ in range(2))
    projection = rng.standard_normal((8, 3)).astype(np.float32)
    write_head(tmp_path / "head.tflite", [SideBySide([[Dense(first), Unit()], [Dense(second), Unit(), Scale(0.7)]]), Dense(projection)], 5)
    expected = unit(np.concatenate([unit(features @ first), 0.7 * unit(features @ second)], axis=1) @ projection)
    np.testing.assert_allclose(project(features, tmp_path / "head.tflite"), expected, atol=1e-5)


def test_an_image_that_resembles_every_sentence_gets_a_lower_bias_and_the_graph_agrees(tmp_path):
    captions = unit(rng.standard_normal((300, DIMENSION)) + 1)
    images = unit(rng.standard_normal((100, DIMENSION)))
    hub = unit(np.ones((1, DIMENSION), np.float32))
    layer = hub_bias(captions, images, 0.5, seed=0)
    bias = layer.apply(np.concatenate([images, hub]))[:, -1]
    assert bias[-1] == bias.min()
    assert abs(bias[:-1].mean()) < 1e-5  # an average image has none
    # Half of what exceeds the average is subtracted from the similarity to a caption, whose constant is CONSTANT.
    assert bias[-1] * CONSTANT == pytest.approx(-0.5 * (layer.similarity(hub)[0] - layer.similarity(images).mean()), rel=1e-4)
    write_head(tmp_path / "hub.tflite", [Unit(), layer], DIMENSION)
    np.testing.assert_allclose(project(images, tmp_path / "hub.tflite"), unit(layer.apply(images)), atol=1e-5)


def test_captions_meet_the_bias_with_the_constant_and_single_words_with_less():
    _, rows, weights, _, known = corpus()
    table = rng.standard_normal((known, DIMENSION)).astype(np.float32)
    wider = with_constant(table, rows, weights)
    np.testing.assert_array_equal(wider[:, :-1], table)
    captions, words = sums(wider, rows, weights), wider[1:]
    of_captions, of_words = (rows_[:, -1] / np.linalg.norm(rows_[:, :-1], axis=1) for rows_ in (captions, words))
    assert of_captions.mean() == pytest.approx(CONSTANT, rel=1e-4)
    assert of_words.max() < of_captions.mean()


def test_a_constant_follows_the_embedding_of_a_frozen_text_tower(tmp_path):
    features = rng.standard_normal((5, 4)).astype(np.float32)
    write_head(tmp_path / "head.tflite", [Unit(), Constant(CONSTANT)], 4)
    expected = unit(np.pad(unit(features), ((0, 0), (0, 1)), constant_values=CONSTANT))
    np.testing.assert_allclose(project(features, tmp_path / "head.tflite"), expected, atol=1e-6)


class Plain:
    """An image tower without inner layers."""

    inner = ()


def trained_on_words(sentences: bool | None = None, **options):
    """Towers trained on captions of 40 words. With `sentences` a frozen text tower takes part, without words (False) or beside them (True).

    Returns:
        The result, the splits, the image features, the number of each image, and the features of the sentences by text.
    """
    values, rows, _, described, _ = corpus(features=12)
    names = [f"word{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(40)]
    texts = [" ".join(names[row - 1] for row in caption[caption > 0]) for caption in rows]
    captions = [Caption(str(image), text, "train", "", line) for line, (image, text) in enumerate(zip(described, texts, strict=True))]
    numbers = {str(image): image for image in range(len(values))}
    splits = Splits(captions[:-60], captions[-60:], "random")
    draw = np.random.default_rng(5)
    of_word = draw.standard_normal((40, 10)).astype(np.float32)
    known = [*dict.fromkeys([*texts, *names, *(f"{a} {b}" for a in names for b in names)])]
    made = np.stack([sum(of_word[names.index(word)] for word in text.split()) for text in known])
    features = None
    if sentences is not None:
        features = TextFeatures(SimpleNamespace(dimension=10), {text: row for row, text in enumerate(known)}, made, with_words=sentences)
    chosen = TrainingOptions(dimension=8, epochs=1, batch_size=64, matryoshka=(4,), **options)
    trained = train_frozen(splits, numbers, values, Plain(), chosen, texts=features)
    return trained, splits, values, numbers, dict(zip(known, made, strict=True))


def assert_finds_as_measured(trained, splits, queries, images, numbers):
    held_out = np.unique([numbers[c.image] for c in splits.validation], return_inverse=True)
    scores = queries @ images[held_out[0]].T
    found = (scores > scores[np.arange(60), held_out[1]][:, None]).sum(1)
    measured = {entry["dimension"]: entry for entry in trained.described["prefixes"]}
    assert 100 * (found < 5).mean() == pytest.approx(measured[8]["R@5"], abs=5)


@pytest.mark.parametrize("changed", [{}, {"second_weight": 0.0}, {"hub_bias": 0.0}, {"word_pooling": "attention"}])
def test_the_exported_towers_give_what_training_measured(tmp_path, changed):
    """The graph's text tower and head against `Finished`, and that the embeddings have the dimension of the options."""
    trained, splits, values, numbers, _ = trained_on_words(**changed)
    assert trained.described["options"]["dimension"] == 8
    write_head(tmp_path / "head.tflite", trained.image.head, 12)
    write_encoder(tmp_path / "text.tflite", {"text": trained.text}, {"text": (1, trained.text.size.max_bytes)}, dimension=8)
    images = project(values, tmp_path / "head.tflite")
    queries = embed_texts([c.text for c in splits.validation], tmp_path / "text.tflite")
    assert images.shape == (200, 8)
    assert queries.shape == (60, 8)
    assert_finds_as_measured(trained, splits, queries, images, numbers)
    assert isinstance(trained.image, ImageEncoder)


@pytest.mark.parametrize("words", [False, True])
def test_a_second_encoder_joins_a_pretrained_text_tower_and_is_exported_as_measured(tmp_path, words):
    trained, splits, values, numbers, features = trained_on_words(sentences=words)
    sentence = trained.text.sentence if words else trained.text
    assert isinstance(sentence.head[0], SideBySide)
    write_head(tmp_path / "head.tflite", trained.image.head, 12)
    write_head(tmp_path / "text-head.tflite", sentence.head, 10)
    texts = [c.text for c in splits.validation]
    queries = project(np.stack([features[text] for text in texts]), tmp_path / "text-head.tflite")
    if words:
        write_encoder(
            tmp_path / "words.tflite", {"text": trained.text.words}, {"text": (1, trained.text.words.size.max_bytes)}, dimension=8
        )
        queries = unit(trained.text.factor * embed_texts(texts, tmp_path / "words.tflite") + queries)
    assert_finds_as_measured(trained, splits, queries, project(values, tmp_path / "head.tflite"), numbers)


def test_the_closed_form_of_sentences_finds_the_image_of_a_caption_and_needs_enough_features():
    features, rows, _, described, known = corpus()
    sentences = np.zeros((len(rows), known), np.float32)
    np.put_along_axis(sentences, rows, 1, axis=1)
    images, texts = closed_form_of_sentences(features, sentences, described, DIMENSION)
    scores = unit(sentences @ texts.weights + texts.bias) @ unit(features @ images.weights + images.bias).T
    own = scores[np.arange(len(rows)), described]
    assert np.median((scores > own[:, None]).sum(1)) <= 5  # of 200
    assert closed_form_of_sentences(features, sentences[:, :4], described, DIMENSION) is None
