"""Losses over a batch of captions and images, each embedding of norm 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from maker.training.phrases import PhraseBatch

IMAGE_TO_TEXT = 0.2  # weight of image to text; text to image, what a searcher does, has weight 1
SOFT_TEMPERATURE = 0.05
START_TEMPERATURE = 0.07
SIGMOID_START = 10.0, -10.0  # scale and bias (Zhai et al., ICCV 2023, section 3.2)
PHRASE_START = 10.0, -1.0  # scale and bias, of which the bias is added to the log odds of a phrase
MAX_TEMPERATURE, MIN_TEMPERATURE = 1.0, 0.01  # as in CLIP (Radford et al., 2021, section 2.5)


class Loss:
    """A loss with a learnt temperature and, for `sigmoid`, a learnt bias.

    With prefixes, it is the mean of the losses of the whole embeddings and of each prefix, at the same temperature. Prefixes are
    normalised again (Kusupati et al., NeurIPS 2022, section 3).

    Attributes:
        variables: The variables that are trained together with the towers.
    """

    def __init__(self, name: str, prefixes: Sequence[int] = (), phrase_weight: float = 0.0, teacher_weight: float = 1.0) -> None:
        """Takes `info_nce`, `soft_targets` or `sigmoid`, the dimensions of the prefixes, the weights of `of_phrases` and `of_teacher`."""
        self._name, self._prefixes, self._phrase_weight, self._teacher_weight = name, prefixes, phrase_weight, teacher_weight
        scale, bias = SIGMOID_START if name == "sigmoid" else (1 / START_TEMPERATURE, 0.0)
        self._log_scale = tf.Variable(np.float32(np.log(scale)), name="log_scale")
        self._bias = tf.Variable(np.float32(bias), name="bias")
        self.variables = {"info_nce": [self._log_scale], "soft_targets": [], "sigmoid": [self._log_scale, self._bias]}[name]
        if phrase_weight:
            self._phrase_log_scale = tf.Variable(np.float32(np.log(PHRASE_START[0])), name="phrase_log_scale")
            self._phrase_bias = tf.Variable(np.float32(PHRASE_START[1]), name="phrase_bias")
            self.variables += [self._phrase_log_scale, self._phrase_bias]

    def __call__(self, texts: tf.Tensor, images: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
        """The loss of a batch.

        Args:
            texts: `[captions, d]` float32.
            images: `[images, d]` float32.
            pairs: `[captions, images]` float32: 1 where the caption describes the image, else 0.
        """
        return self._mean(lambda t, v: self._loss(t, v, pairs), texts, images)

    def of_phrases(self, texts: tf.Tensor, images: tf.Tensor, phrases: PhraseBatch) -> tf.Tensor:
        """The weighted loss of phrases as labels of images: binary classification of every pair of a phrase and an image.

        An image that has no caption with the phrase is a negative, one whose captions hold it a positive. The sum over all pairs is divided
        by the number of positives.

        Args:
            texts: `[phrases, d]` float32.
            images: `[images, d]` float32.
            phrases: The labels.
        """
        return self._phrase_weight * self._mean(lambda t, v: self._phrase_loss(t, v, phrases), texts, images)

    def of_teacher(self, texts: tf.Tensor, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """The weighted cross-entropy with a teacher's probabilities, at the learnt temperature.

        Args:
            texts: `[sentences, d]` float32.
            images: `[images, d]` float32.
            targets: `[sentences, images]` float32: the teacher's probability of each image.
        """
        scale = 1 / SOFT_TEMPERATURE if self._name == "soft_targets" else tf.exp(self._log_scale)

        def loss(t: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, tf.matmul(t, v, transpose_b=True) * scale))

        return self._teacher_weight * self._mean(loss, texts, images)

    def _mean(self, loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], texts: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """The mean of a loss over the whole embeddings and each prefix."""
        value = loss(texts, images)
        for length in self._prefixes:
            value += loss(tf.math.l2_normalize(texts[:, :length], 1), tf.math.l2_normalize(images[:, :length], 1))
        return value / (1 + len(self._prefixes)) if self._prefixes else value

    def _phrase_loss(self, texts: tf.Tensor, images: tf.Tensor, phrases: PhraseBatch) -> tf.Tensor:
        similarities = tf.matmul(images, texts, transpose_b=True)
        logits = similarities * tf.exp(self._phrase_log_scale) + self._phrase_bias + phrases.log_odds
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=phrases.labels, logits=logits)
        return tf.reduce_sum(losses) / tf.maximum(tf.reduce_sum(phrases.labels), 1.0)

    def _loss(self, texts: tf.Tensor, images: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
        similarities = tf.matmul(texts, images, transpose_b=True)
        if self._name == "soft_targets":
            return _soft_targets(similarities, texts, images, pairs)
        if self._name == "sigmoid":
            return _sigmoid(similarities * tf.exp(self._log_scale) + self._bias, pairs)
        return _info_nce(similarities * tf.exp(self._log_scale), pairs)

    def keep_in_bounds(self) -> None:
        """Clips the temperatures to their bounds."""
        for log_scale in [self._log_scale, *([self._phrase_log_scale] if self._phrase_weight else [])]:
            log_scale.assign(tf.clip_by_value(log_scale, -np.log(MAX_TEMPERATURE), -np.log(MIN_TEMPERATURE)))

    @property
    def temperature(self) -> float:
        """The number that similarities are divided by."""
        return SOFT_TEMPERATURE if self._name == "soft_targets" else float(np.exp(-self._log_scale.numpy()))


def _info_nce(logits: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """InfoNCE in both directions (van den Oord et al., 2018); all captions of an image are its positives."""
    to_image = tf.nn.softmax_cross_entropy_with_logits(pairs / tf.reduce_sum(pairs, 1, keepdims=True), logits)
    to_text = tf.nn.softmax_cross_entropy_with_logits(tf.transpose(pairs / tf.reduce_sum(pairs, 0, keepdims=True)), tf.transpose(logits))
    return (tf.reduce_mean(to_image) + IMAGE_TO_TEXT * tf.reduce_mean(to_text)) / (1 + IMAGE_TO_TEXT)


def _soft_targets(similarities: tf.Tensor, texts: tf.Tensor, images: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Cross-entropy with soft targets: the softmax of the mean of caption-caption and image-image similarities, as in the notebook."""
    # An image may have several captions in the batch, so captions are compared with the mean caption of each image.
    captions = tf.matmul(pairs / tf.reduce_sum(pairs, 0, keepdims=True), texts, transpose_a=True)
    between_texts = tf.matmul(texts, captions, transpose_b=True)
    between_images = tf.matmul(pairs, tf.matmul(images, images, transpose_b=True))
    targets = tf.nn.softmax((between_texts + between_images) / (2 * SOFT_TEMPERATURE))
    logits = similarities / SOFT_TEMPERATURE
    to_image = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
    backward = tf.transpose(targets)
    to_text = tf.nn.softmax_cross_entropy_with_logits(backward / tf.reduce_sum(backward, 1, keepdims=True), tf.transpose(logits))
    return 0.5 * (tf.reduce_mean(to_image) + tf.reduce_mean(to_text))


def _sigmoid(logits: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Binary classification of every pair (SigLIP; Zhai et al., ICCV 2023)."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=pairs, logits=logits)
    return tf.reduce_sum(losses) / tf.cast(tf.shape(logits)[0], tf.float32)
