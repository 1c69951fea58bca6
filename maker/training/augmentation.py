"""Augmentation of training images, as tensor operations whose noise depends on a seed only."""

from __future__ import annotations

import tensorflow as tf

MAX_SHIFT = 3  # pixels
MIN_CROP = 0.7  # share of height and of width
BRIGHTNESS = 0.1 * 255
CONTRAST = SATURATION = 0.2
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def augment(images: tf.Tensor, kind: str, seed: tf.Tensor) -> tf.Tensor:
    """Changes images at random.

    Args:
        images: `[n, height, width, 3]` float32 from 0 to 255.
        kind: `none`; `shift` moves the whole batch by a few pixels; `crop` crops and recolours each image; `full` also mirrors half of
            the images.
        seed: `[2]` int32.

    Returns:
        Images of the same shape and range.
    """
    if kind == "none":
        return images
    if kind == "shift":
        return tf.roll(images, tf.random.stateless_uniform([2], seed, -MAX_SHIFT, MAX_SHIFT + 1, tf.int32), [1, 2])
    if kind == "full":
        mirrored = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5
        images = tf.where(mirrored, tf.reverse(images, [2]), images)
    return _recolour(_crop(images, _fold(seed, 1)), _fold(seed, 2))


def _crop(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    size = tf.random.stateless_uniform([count, 2], seed, MIN_CROP, 1.0)
    corner = tf.random.stateless_uniform([count, 2], _fold(seed, 1)) * (1.0 - size)
    boxes = tf.concat([corner, corner + size], 1)
    return tf.image.crop_and_resize(images, boxes, tf.range(count), [height, width])


def _recolour(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    shape = [3, tf.shape(images)[0], 1, 1, 1]
    saturation, contrast, brightness = tf.unstack(tf.random.stateless_uniform(shape, seed, -1.0, 1.0))
    grey = tf.reduce_sum(images * tf.constant(GREY), -1, keepdims=True)
    images = grey + (images - grey) * (1.0 + SATURATION * saturation)
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return tf.clip_by_value(mean + (images - mean) * (1.0 + CONTRAST * contrast) + BRIGHTNESS * brightness, 0.0, 255.0)


def _fold(seed: tf.Tensor, number: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number)
