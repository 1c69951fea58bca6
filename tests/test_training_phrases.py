"""Phrases as labels: which images they belong to, and that training on them teaches short queries."""

from __future__ import annotations

import numpy as np
import pytest

from maker.encoders.phrases import mine_phrases
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.training.options import TrainingOptions
from maker.training.vocabulary import CaptionRows, build_vocabulary

SIZE = TokenizerSize(max_bytes=64, max_characters=48, max_units=12, max_grams=12, gram_rows=64)
CAPTIONS = ["a red kite", "a red hill", "a blue kite", "the sea"]


def labels(captions, images, least=2):
    from maker.training.phrases import PhraseLabels

    phrases = mine_phrases(captions, images, least=least, most=1.0)
    tokens = tokenize(captions, SIZE)
    read = CaptionRows(tokenize(phrases.texts, SIZE), build_vocabulary(tokens, 1, 0, SIZE))
    return phrases.texts, PhraseLabels.of(phrases, read, images)


def test_a_phrase_is_a_label_of_every_image_with_a_caption_that_holds_it():
    texts, of = labels([*CAPTIONS, "a red kite"], np.array([4, 4, 7, 2, 9]))
    batch = of.draw(np.array([2, 9, 4]), of.captions.rows(), np.random.default_rng(0))
    found = [{texts[phrase] for phrase in np.flatnonzero(row)} for row in batch.labels]
    assert found == [set(), {"a", "red", "kite", "a red", "red kite"} & set(texts), {"a", "red", "kite", "a red", "red kite"} & set(texts)]
    assert len(batch.rows) == len(batch.weights) == len(batch.log_odds) == len(texts)
    share = np.array([np.mean([texts.index(t) in of.of_images[i] for i in (2, 4, 7, 9)]) for t in texts])
    assert np.allclose(batch.log_odds[share < 1], np.log(share / (1 - share))[share < 1], atol=1e-5)


def test_of_many_phrases_each_batch_has_a_part_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr("maker.training.phrases.MOST_IN_A_BATCH", 3)
    texts, of = labels(CAPTIONS, np.arange(4), least=1)
    one, same, other = (of.draw(np.arange(4), of.captions.rows(), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert len(texts) > 3
    assert one.labels.shape == (4, 3)
    assert np.array_equal(one.labels, same.labels)
    assert np.array_equal(one.rows, same.rows)
    assert not np.array_equal(one.rows, other.rows)


def test_hidden_pairs_leave_their_words():
    tokens = tokenize(["a red kite", "red kite"], SIZE)
    captions = CaptionRows(tokens, build_vocabulary(tokens, 1, 1, SIZE))
    whole, hidden = captions.rows(), captions.random_rows(0.0, 1.0, np.random.default_rng(0))
    assert (whole.weights > 0).sum(1).tolist() == [5, 3]  # the words and the pairs of neighbours
    assert (hidden.weights > 0).sum(1).tolist() == [3, 2]
    words = [set(rows[weights > 0]) for rows, weights in zip(hidden.rows, hidden.weights, strict=True)]
    assert words[1] < words[0]
    assert words[0] < set(whole.rows[0])


def test_the_loss_is_low_where_phrases_are_near_the_images_that_they_label():
    from maker.training.losses import Loss

    _, of = labels(CAPTIONS, np.arange(4), least=1)
    batch = of.draw(np.arange(4), of.captions.rows(), np.random.default_rng(0))
    images = np.eye(4, 8, dtype=np.float32)
    near = batch.labels.T @ images
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    loss = Loss("info_nce", phrase_weight=1.0)
    right, wrong = (float(loss.of_phrases(texts, images, batch)) for texts in (near, np.roll(near, 1, axis=0)))
    assert right < 0.7 * wrong
    assert float(Loss("info_nce", phrase_weight=3.0).of_phrases(near, images, batch)) == pytest.approx(3 * right, rel=1e-5)
    assert len(Loss("info_nce").variables) == len(loss.variables) - 2


def precision_of_words(phrase_weight):
    """R-precision of "red", "green" and so on, which are never whole captions; and the history of the training."""
    from maker.training.head import Head
    from maker.training.image_side import FrozenFeatures, embed
    from maker.training.loop import EncodedSplit, fit
    from maker.training.prepare import _phrases
    from maker.training.text_side import TextSide
    from maker.training.train import _seed

    _seed(3)
    rng = np.random.default_rng(1)
    shown = rng.random((160, 12)) < 0.25
    shown[shown.sum(1) == 0, 0] = True
    features = (shown + 0.3 * rng.standard_normal((160, 12))).astype(np.float32)
    names = ["red", "green", "blue", "white", "kite", "hill", "sea", "boat", "star", "tree", "moon", "bird"]
    captions = [" ".join(rng.permutation([n for n, s in zip(names, row, strict=True) if s])) for row in shown]
    tokens = tokenize(captions, SIZE)
    vocabulary = build_vocabulary(tokens, 2, 0, SIZE)
    options = TrainingOptions(
        epochs=6, batch_size=32, learning_rate=1e-2, dimension=8, seed=3, word_dropout=0.0, phrase_weight=phrase_weight
    )
    phrases = _phrases(captions, np.arange(160), options, lambda texts: CaptionRows(tokenize(texts, SIZE), vocabulary))
    text, image = TextSide(vocabulary, 8, 0.1, 3), FrozenFeatures(features, Head(12, 8, 0.1, 3, None))
    history = fit(text, image, EncodedSplit(CaptionRows(tokens, vocabulary), np.arange(160), phrases), None, options)
    scores = text.embed(CaptionRows(tokenize(names, SIZE), vocabulary).rows()) @ embed(image, np.arange(160)).T
    found = [column[np.argsort(-row)[: column.sum()]].mean() for row, column in zip(scores, shown.T, strict=True)]
    return np.mean(found), history


def test_phrases_as_labels_teach_short_queries_and_are_repeatable():
    (without, _), (with_phrases, history), (_, again) = precision_of_words(0.0), precision_of_words(3.0), precision_of_words(3.0)
    assert with_phrases > without + 0.02
    assert history == again
