"""What a teacher, a larger encoder, says of sentences and training images: soft labels for the towers that are trained.

The teacher scores every sentence of a batch with every image of the batch. The softmax of its scores is the target of the same softmax of
the student (Hinton, Vinyals, Dean, 2015; between text and images as in Wang et al., DistilVLM, ICCV 2021). Only scores are compared, so
teacher and student may have embeddings of different lengths, and the sentences need not be captions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from maker.training.vocabulary import Rows

MOST_SENTENCES = 512  # further sentences in a batch
TEMPERATURES = np.geomspace(0.005, 0.3, 40)
SAMPLE = 1024  # captions, and images, on which temperatures are compared


@dataclass(frozen=True)
class Teacher:
    """A teacher's embeddings, each of norm 1.

    Attributes:
        captions: `(captions, d)` float32, of the training captions in their order.
        images: `(images, d)` float32, by image number.
        rows: Further sentences, as the student reads them; none in an empty one.
        sentences: `(sentences, d)` float32, of those.
        temperature: What the teacher's scores are divided by.
    """

    captions: np.ndarray
    images: np.ndarray
    rows: Rows
    sentences: np.ndarray
    temperature: float

    def draw(self, images: np.ndarray, captions: np.ndarray, rng: np.random.Generator) -> TeacherBatch:
        """The targets for a batch of images and captions by number, and for some of the further sentences."""
        chosen = rng.permutation(len(self.sentences))[:MOST_SENTENCES]
        texts = np.concatenate([self.captions[captions], self.sentences[chosen]])
        targets = _softmax(texts @ self.images[images].T / self.temperature)
        return TeacherBatch(self.rows.rows[chosen], self.rows.weights[chosen], targets)


@dataclass(frozen=True)
class TeacherBatch:
    """What the teacher says in one training step.

    Attributes:
        rows: `(s, t)` int32 and
        weights: `(s, t)` float32: the further sentences, as the text tower reads them.
        targets: `(captions + s, images)` float32: the probability of each image of the batch, for its captions and then for the sentences.
    """

    rows: np.ndarray | tf.Tensor
    weights: np.ndarray | tf.Tensor
    targets: np.ndarray | tf.Tensor

    def parts(self) -> tuple[Any, ...]:
        """The attributes in their order, as arguments of a training step."""
        return self.rows, self.weights, self.targets


def best_temperature(captions: np.ndarray, images: np.ndarray, described: np.ndarray, seed: int = 0) -> float:
    """The temperature at which the softmax of a teacher's scores gives the described images the highest likelihood.

    Args:
        captions: `(q, d)` float32; captions that the teacher was not trained on, where there are any.
        images: `(n, d)` float32, by image number.
        described: `(q,)` the image of each caption.
        seed: Seed of the sample.
    """
    chosen = np.random.default_rng(seed).permutation(len(captions))[:SAMPLE]
    used, within = np.unique(described[chosen], return_inverse=True)
    scores = captions[chosen] @ images[used].T
    losses = [-np.log(_softmax(scores / t)[np.arange(len(chosen)), within] + 1e-12).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
