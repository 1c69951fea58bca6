"""From captions and images to trained towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maker.data.captions import Caption
from maker.data.splits import Splits
from maker.encoders.embedder import Tower
from maker.encoders.image import ImageEncoder
from maker.encoders.spellings import spellings
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.progress import say
from maker.training.image_side import FrozenFeatures, ScratchCnn, layer_normalise
from maker.training.initialise import Start, linear_start
from maker.training.loop import Side, fit
from maker.training.options import TrainingOptions
from maker.training.text_side import TextSide
from maker.training.vocabulary import CaptionRows, Vocabulary, build_vocabulary


@dataclass(frozen=True)
class Trained:
    """The product of a training run.

    Attributes:
        text: The text tower.
        image: The image tower.
        history: An entry an epoch.
        described: Options and vocabulary, for the manifest.
        words: Row of the text tower's table by spelling.
    """

    text: WordsTower
    image: ImageEncoder
    history: list[dict[str, Any]]
    described: dict[str, Any]
    words: dict[str, int]


def train_frozen(
    splits: Splits, rows: dict[str, int], features: np.ndarray, backbone: Tower, options: TrainingOptions, checkpoint: Path | None = None
) -> Trained:
    """Trains a text tower and a head over frozen features.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: Row of each image's features.
        features: `(n, f)` float32.
        backbone: What made the features; the head is exported behind it.
        options: Rates and sizes.
        checkpoint: Where the run is kept after every epoch.
    """
    _seed(options.seed)
    prepared = _prepare(splits, rows, options)
    used, within = np.unique(prepared.train.images, return_inverse=True)
    start = _start(prepared, used, within, features, options)
    text = TextSide(prepared.vocabulary, options.dimension, options.dropout, options.seed, start.table if start else None)
    weights, bias = (start.weights, start.bias) if start else (None, None)
    image = FrozenFeatures(np.asarray(features, np.float32), options.dimension, options.feature_dropout, options.seed, weights, bias)
    history = fit(text, image, prepared.train, prepared.validation, options, checkpoint)
    return Trained(text.tower(), ImageEncoder(backbone, image.head()), history, _describe(prepared, options), prepared.words)


def _start(prepared: _Prepared, used: np.ndarray, within: np.ndarray, features: np.ndarray, options: TrainingOptions) -> Start | None:
    if options.start != "linear":
        return None
    captions = prepared.train.captions
    return linear_start(
        layer_normalise(np.asarray(features[used], np.float32)),
        np.concatenate([captions.rows().rows, captions.gram_rows()], axis=1),
        within,
        1 + len(prepared.vocabulary.hashes),
        prepared.vocabulary.table_rows,
        options.dimension,
    )


def train_scratch(
    splits: Splits, rows: dict[str, int], pixels: np.ndarray, options: TrainingOptions, checkpoint: Path | None = None
) -> Trained:
    """Trains a text tower and a small CNN.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: Row of each image's pixels.
        pixels: `(n, CNN_SIZE, CNN_SIZE, 3)` uint8.
        options: Rates and sizes.
        checkpoint: Where the run is kept after every epoch.
    """
    _seed(options.seed)
    prepared = _prepare(splits, rows, options)
    text = TextSide(prepared.vocabulary, options.dimension, options.dropout, options.seed)
    image = ScratchCnn(pixels, options.dimension)
    history = fit(text, image, prepared.train, prepared.validation, options, checkpoint)
    return Trained(text.tower(), ImageEncoder(image.backbone(), []), history, _describe(prepared, options), prepared.words)


@dataclass(frozen=True)
class _Prepared:
    vocabulary: Vocabulary
    train: Side
    validation: Side | None
    captions: int
    words: dict[str, int]


def _prepare(splits: Splits, rows: dict[str, int], options: TrainingOptions) -> _Prepared:
    size = TokenizerSize()
    tokens = tokenize([c.text for c in splits.train], size)
    vocabulary = build_vocabulary(tokens, options.min_count, options.word_pairs, size)
    train = Side(CaptionRows(tokens, vocabulary), _numbers(splits.train, rows))
    validation = None
    if splits.validation:
        held_out = tokenize([c.text for c in splits.validation], size)
        validation = Side(CaptionRows(held_out, vocabulary), _numbers(splits.validation, rows))
    say(
        f"training on {len(splits.train)} captions of {len(np.unique(train.images))} images, {len(vocabulary.hashes)} known words and pairs"
    )
    words = spellings((c.text for c in splits.train), vocabulary.hashes)
    return _Prepared(vocabulary, train, validation, len(splits.train), words)


def _numbers(captions: Sequence[Caption], rows: dict[str, int]) -> np.ndarray:
    return np.array([rows[c.image] for c in captions], np.int64)


def _describe(prepared: _Prepared, options: TrainingOptions) -> dict[str, Any]:
    return {
        "options": asdict(options),
        "captions": prepared.captions,
        "images": len(np.unique(prepared.train.images)),
        "vocabulary": len(prepared.vocabulary.hashes),
    }


def _seed(seed: int) -> None:
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
