"""Trains a `words` tower on the embeddings that another text tower gives sentences: from text alone, without captions.

Two things are learnt at once: the embedding itself, by its cosine, and which pictures a sentence finds, by the softmax of its scores with
pictures that need no captions (Hinton, Vinyals, Dean, 2015). A word starts as the mean embedding of the sentences that hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.errors import TrainingError
from maker.progress import progress, say
from maker.training.average import Average
from maker.training.initialise import SHRINKAGE, TABLE_DEVIATION
from maker.training.optimizer import Optimizer, schedule
from maker.training.options import TrainingOptions
from maker.training.text_side import TextSide
from maker.training.vocabulary import CaptionRows, build_vocabulary

LEAST_SENTENCES = 20
HELD_OUT = 0.1  # share of the sentences
MOST_HELD_OUT = 2000
BATCH, PICTURES = 256, 512  # sentences and pictures in a step
STEPS = 2000
LEAST_EPOCHS, MOST_EPOCHS = 4, 60
MIN_COUNT = 2
SHARPNESS = 3.0  # the standard deviation of the scores of a sentence, in units of the temperature
FOUND = 10  # results that are compared


@dataclass(frozen=True)
class Distilled:
    """The trained tower, and what the manifest says of its training."""

    tower: WordsTower
    described: dict[str, Any]


def distil(texts: Sequence[str], targets: np.ndarray, pictures: np.ndarray, seed: int) -> Distilled:
    """Trains the tower.

    Args:
        texts: Different sentences.
        targets: `(len(texts), d)` float32 unit-norm embeddings of them by the teacher.
        pictures: `(n, d)` float32 unit-norm embeddings of pictures in the same space.
        seed: Seed of the order, dropout and the held-out sentences.

    Raises:
        TrainingError: There are fewer than 20 sentences, or no word occurs twice.
    """
    if len(texts) < LEAST_SENTENCES:
        raise TrainingError(
            f"{len(texts)} sentences to learn from the teacher; expected at least {LEAST_SENTENCES}: pass --teacher-texts FILE"
        )
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts))
    held_out, train = np.split(order, [min(MOST_HELD_OUT, max(1, int(HELD_OUT * len(texts))))])
    tokens = tokenize(texts, TokenizerSize())
    vocabulary = build_vocabulary(tokens, MIN_COUNT, 0, TokenizerSize())
    captions = CaptionRows(tokens, vocabulary)
    rows = captions.rows()
    seen = np.concatenate([rows.rows, captions.gram_rows()], axis=1)[train]
    text = TextSide(vocabulary, targets.shape[1], 0.0, seed, _mean_targets(seen, targets[train], vocabulary.table_rows))
    temperature = float((targets[train[:MOST_HELD_OUT]] @ pictures.T).std(1).mean()) / SHARPNESS
    steps = max(1, len(train) // BATCH)
    epochs = int(np.clip(-(-STEPS // steps), LEAST_EPOCHS, MOST_EPOCHS))
    options = TrainingOptions(epochs=epochs, seed=seed, weight_decay=1e-3, learning_rate=3e-3)
    averaged = Average(text.variables, options.ema)
    optimizer = Optimizer(schedule(options, steps), options.weight_decay, text.variables, text.decayed, [])
    say(f"the words tower learns {len(train)} sentences from the teacher; {len(vocabulary.hashes)} known words")

    @tf.function(reduce_retracing=True)
    def step(rows: tf.Tensor, weights: tf.Tensor, wanted: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            made = text.forward(rows, weights)
            answers = tf.nn.softmax(tf.matmul(wanted, shown, transpose_b=True) / temperature)
            logits = tf.matmul(made, shown, transpose_b=True) / temperature
            value = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(answers, logits) + 1 - tf.reduce_sum(made * wanted, 1))
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(value, text.variables)]
        optimizer.apply(gradients)
        averaged.update()
        return value

    for _ in progress(range(epochs), "learn from the teacher"):
        varied = captions.random_rows(options.word_dropout, 0.0, rng)
        shuffled = rng.permutation(train)
        for start in range(0, max(1, len(train) - BATCH + 1), BATCH):
            chosen = shuffled[start : start + BATCH]
            shown = pictures[rng.permutation(len(pictures))[:PICTURES]]
            value = float(step(varied.rows[chosen], varied.weights[chosen], targets[chosen], np.asarray(shown, np.float32)))
            if not np.isfinite(value):
                raise TrainingError("the loss is not finite: an embedding of the teacher is not finite")
    averaged.assign(averaged.values())
    made = text.embed(type(rows)(rows.rows[held_out], rows.weights[held_out]))
    described = {
        "sentences": len(train),
        "held_out": len(held_out),
        "cosine": round(float((made * targets[held_out]).sum(1).mean()), 4),
        "same_results": round(100 * _overlap(made @ pictures.T, targets[held_out] @ pictures.T), 1),
        "vocabulary": len(vocabulary.hashes),
        "temperature": round(temperature, 4),
    }
    found = f"it finds {described['same_results']} % of the teacher's first {FOUND} pictures"
    say(f"for {len(held_out)} sentences not learnt, {found}; the cosine with the teacher's embeddings is {described['cosine']:.3f}")
    return Distilled(text.tower(), described)


def _mean_targets(rows: np.ndarray, targets: np.ndarray, table_rows: int) -> np.ndarray:
    """`(table_rows, d)` float32: the mean of the targets of the sentences that hold each row, shrunk towards 0."""
    sentences, places = np.nonzero(rows)
    held = rows[sentences, places]
    sums = np.zeros((table_rows, targets.shape[1]), np.float32)
    order = np.argsort(held, kind="stable")
    starts = np.searchsorted(held[order], np.arange(table_rows + 1))
    centred = targets - targets.mean(0)
    for row in np.unique(held):
        sums[row] = centred[sentences[order[starts[row] : starts[row + 1]]]].sum(0)
    counts = np.bincount(held, minlength=table_rows)[:, None]
    # Each word also carries the mean of all sentences: embeddings of a pretrained encoder lie around it, not around 0.
    table = sums / (counts + SHRINKAGE) + targets.mean(0)
    return (table * (TABLE_DEVIATION / max(float(table[counts[:, 0] > 0].std()), 1e-9))).astype(np.float32)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The mean share of the best columns of each row that are the same in both."""
    count = min(FOUND, max(1, first.shape[1] // 2))
    best = [np.argsort(-scores, axis=1, kind="stable")[:, :count] for scores in (first, second)]
    return float(np.mean([len(np.intersect1d(a, b)) / count for a, b in zip(*best, strict=True)]))
