"""Losses over a batch's similarities."""

from __future__ import annotations

import tensorflow as tf

IMAGE_TO_TEXT = 0.2  # weight beside text to image, which is what a searcher is asked


def info_nce(similarities: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
    """InfoNCE in both directions (van den Oord et al., 2018) in which every caption of an image is a positive of it.

    Args:
        similarities: `[captions, images]` float32, divided by the temperature.
        same: `[captions, images]` float32: 1 where the caption describes the image.
    """
    to_image = tf.nn.softmax_cross_entropy_with_logits(same / tf.reduce_sum(same, 1, keepdims=True), similarities)
    to_text = tf.nn.softmax_cross_entropy_with_logits(
        tf.transpose(same / tf.reduce_sum(same, 0, keepdims=True)), tf.transpose(similarities)
    )
    return (tf.reduce_mean(to_image) + IMAGE_TO_TEXT * tf.reduce_mean(to_text)) / (1 + IMAGE_TO_TEXT)
