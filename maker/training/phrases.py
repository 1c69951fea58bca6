"""Phrases of the training captions as labels of their images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from maker.encoders.phrases import Phrases
from maker.training.joint_text import AnyCaptions
from maker.training.vocabulary import Rows

MOST_IN_A_BATCH = 2048  # phrases


@dataclass(frozen=True)
class PhraseLabels:
    """Frequent phrases, and the images whose captions hold them.

    Attributes:
        captions: The phrases, as captions of the text tower.
        of_images: By image number: the numbers of its phrases.
        log_odds: `(p,)` float32: of the share of the images that have the phrase.
    """

    captions: AnyCaptions
    of_images: list[np.ndarray]
    log_odds: np.ndarray

    @classmethod
    def of(cls, phrases: Phrases, captions: AnyCaptions, images: np.ndarray) -> PhraseLabels:
        """The labels of mined phrases, whose pictures are image numbers.

        Args:
            phrases: The phrases.
            captions: The same phrases, as captions of the text tower.
            images: The numbers of all training images.
        """
        share = np.diff(phrases.starts) / len(np.unique(images))
        share = np.minimum(share, 1 - 0.5 / len(images))
        return cls(captions, phrases.of_pictures(int(images.max()) + 1), np.log(share / (1 - share)).astype(np.float32))

    def draw(self, images: np.ndarray, rows: Rows, rng: np.random.Generator) -> PhraseBatch:
        """The phrases for a batch of images, by image number: all of them, or a random part of many; `rows` are those of all phrases."""
        count = len(self.log_odds)
        chosen = np.arange(count) if count <= MOST_IN_A_BATCH else np.sort(rng.choice(count, MOST_IN_A_BATCH, replace=False))
        labels = np.zeros((len(images), count), np.float32)
        for row, image in enumerate(images):
            labels[row, self.of_images[image]] = 1
        return PhraseBatch(rows.rows[chosen], rows.weights[chosen], self.log_odds[chosen], labels[:, chosen])


@dataclass(frozen=True)
class PhraseBatch:
    """The phrases of one training step.

    Attributes:
        rows: `(p, t)` int32 and
        weights: `(p, t)` float32: the phrases, as the text tower reads them.
        log_odds: `(p,)` float32.
        labels: `(images, p)` float32: 1 where a caption of the image holds the phrase, else 0.
    """

    rows: np.ndarray | tf.Tensor
    weights: np.ndarray | tf.Tensor
    log_odds: np.ndarray | tf.Tensor
    labels: np.ndarray | tf.Tensor

    def parts(self) -> tuple[Any, ...]:
        """The attributes in their order, as arguments of a training step."""
        return self.rows, self.weights, self.log_odds, self.labels
