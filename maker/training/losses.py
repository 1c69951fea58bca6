"""Losses over a batch's similarities."""

from __future__ import annotations

import tensorflow as tf


def info_nce(similarities: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
    """Symmetric InfoNCE (van den Oord et al., 2018) in which every caption of an image is a positive of it.

    Args:
        similarities: `[captions, images]` float32, divided by the temperature.
        same: `[captions, images]` float32: 1 where the caption describes the image.
    """
    to_image = tf.nn.softmax_cross_entropy_with_logits(same / tf.reduce_sum(same, 1, keepdims=True), similarities)
    to_text = tf.nn.softmax_cross_entropy_with_logits(
        tf.transpose(same / tf.reduce_sum(same, 0, keepdims=True)), tf.transpose(similarities)
    )
    return 0.5 * (tf.reduce_mean(to_image) + tf.reduce_mean(to_text))
