"""Random changes of training images, as tensor operations whose noise depends on a seed only."""

from __future__ import annotations

import tensorflow as tf

SHIFT = 3  # pixels
SMALLEST_CROP = 0.7  # of height and of width
BRIGHTNESS = 0.1 * 255
CONTRAST = SATURATION = 0.2
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def augment(images: tf.Tensor, how: str, seed: tf.Tensor) -> tf.Tensor:
    """Changes images at random.

    Args:
        images: `[n, height, width, 3]` float32 from 0 to 255.
        how: `none`; `shift`, the batch by a few pixels; `crop`, each image's crop and colours; `full`, also mirrored in half of the cases.
        seed: `[2]` int32.
    """
    if how == "none":
        return images
    if how == "shift":
        return tf.roll(images, tf.random.stateless_uniform([2], seed, -SHIFT, SHIFT + 1, tf.int32), [1, 2])
    if how == "full":
        mirrored = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5
        images = tf.where(mirrored, tf.reverse(images, [2]), images)
    return _recolour(_crop(images, _fold(seed, 1)), _fold(seed, 2))


def _crop(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    size = tf.random.stateless_uniform([count, 2], seed, SMALLEST_CROP, 1.0)
    first = tf.random.stateless_uniform([count, 2], _fold(seed, 1)) * (1.0 - size)
    boxes = tf.concat([first, first + size], 1)
    return tf.image.crop_and_resize(images, boxes, tf.range(count), [height, width])


def _recolour(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    shape = [3, tf.shape(images)[0], 1, 1, 1]
    by = tf.unstack(tf.random.stateless_uniform(shape, seed, -1.0, 1.0))
    grey = tf.reduce_sum(images * tf.constant(GREY), -1, keepdims=True)
    images = grey + (images - grey) * (1.0 + SATURATION * by[0])
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return tf.clip_by_value(mean + (images - mean) * (1.0 + CONTRAST * by[1]) + BRIGHTNESS * by[2], 0.0, 255.0)


def _fold(seed: tf.Tensor, number: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number)
