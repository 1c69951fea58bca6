"""The image side of training: a head over frozen features, an unfrozen backbone with its head, or a small CNN from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from maker.data.images import load_image
from maker.encoders.convert import Converted, KerasTower, convert_keras
from maker.encoders.embedder import MOBILENET_MEAN, Tower, image_tower
from maker.encoders.layers import Standardise
from maker.graph.source import Source
from maker.training.augmentation import augment
from maker.training.head import HIDDEN, HIDDEN_OF_LAYERS, Head
from maker.training.initialise import Start
from maker.training.options import CNN_SIZE, TrainingOptions
from maker.training.precision import computing_in, policy
from maker.workspace import temporary_folder
from task.vision.resize import resize

MOST_HELD = 4_000_000_000  # bytes of features that are held in memory
BLOCK = 512
PIXEL_BLOCK = 32


class ImageSide(Protocol):
    """What the training loop needs of an image tower."""

    variables: list[tf.Variable]
    decayed: list[tf.Variable]
    kernels: list[tf.Variable]  # of convolutions that batch normalisation follows
    untrained: list[tf.Variable]  # statistics that change during training but have no gradient
    block: int  # images that `embed` processes at once

    def load(self, images: np.ndarray) -> np.ndarray:
        """Loads images by number, as `forward` takes them."""

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of loaded images. With a `[2]` int32 seed it applies dropout and augmentation, as in training."""


def embed(side: ImageSide, images: np.ndarray) -> np.ndarray:
    """Unit-norm embeddings, `(n, d)` float32, of images by number."""
    blocks = [images[start : start + side.block] for start in range(0, len(images), side.block)]
    return np.concatenate([side.forward(tf.constant(side.load(block))).numpy() for block in blocks])


class FrozenFeatures:
    """A head over features of a frozen backbone. Those that take more than `MOST_HELD` stay where they are, and are read batch by batch."""

    block = BLOCK

    def __init__(self, features: np.ndarray, head: Head, variants: Sequence[np.ndarray] = ()) -> None:
        """Takes `(n, f)` float32 features, and others of the same images, of which training draws one each time; may be memory-mapped."""
        self._stored = [features, *variants]
        self._held = [tf.constant(one) for one in self._stored] if sum(one.nbytes for one in self._stored) <= MOST_HELD else None
        self._head = head
        self.variables, self.decayed = head.variables, head.decayed
        self.kernels: list[tf.Variable] = []
        self.untrained: list[tf.Variable] = []

    def features(self, images: np.ndarray) -> np.ndarray:
        """The features of images by number, `(n, f)` float32."""
        return np.asarray(self._stored[0][images], np.float32)

    def load(self, images: np.ndarray) -> np.ndarray:
        """Row numbers of the features; `(n, 1 + variants, f)` float32 of features that are not held in memory."""
        if self._held is not None:
            return images.astype(np.int32)
        return np.stack([np.asarray(one[images], np.float32) for one in self._stored], axis=1)

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of loaded images. With a `[2]` int32 seed it applies dropout and draws variants."""
        features = self._of(images, 0)
        if seed is not None and len(self._stored) > 1:
            drawn = tf.random.stateless_uniform([tf.shape(images)[0], 1], tf.random.experimental.stateless_fold_in(seed, 9))
            number = tf.cast(drawn * len(self._stored), tf.int32)
            for place in range(1, len(self._stored)):
                features = tf.where(number == place, self._of(images, place), features)
        return self._head.forward(features, seed)

    def _of(self, images: tf.Tensor, variant: int) -> tf.Tensor:
        """A variant of loaded images."""
        return images[:, variant] if self._held is None else tf.gather(self._held[variant], images)


@dataclass(frozen=True)
class ImageFeatures:
    """What a frozen backbone made of the images.

    Attributes:
        values: `(n, f)` float32, by image number.
        variants: Other features of the same images, of which training draws one each time.
        scaling: What the head does to them first; None for nothing.
    """

    values: np.ndarray
    variants: Sequence[np.ndarray]
    scaling: Standardise | None

    @classmethod
    def of(cls, features: np.ndarray, variants: Sequence[np.ndarray], images: np.ndarray, tower: Tower) -> ImageFeatures:
        """The features of a tower; several of its layers, whose values differ in scale, are standardised by those of `images`."""
        values = np.asarray(features, np.float32)
        return cls(values, variants, Standardise.of(values[np.unique(images)]) if tower.inner else None)

    def scaled(self) -> np.ndarray:
        """`(n, f)` float32, as the layers of the head behind the scaling see them."""
        return self.values if self.scaling is None else self.scaling.apply(self.values)

    def head(self, options: TrainingOptions, start: Start | None) -> Head:
        """A head to train."""
        width, precision = self.values.shape[1], policy(options.mixed_precision)
        hidden = HIDDEN if self.scaling is None else HIDDEN_OF_LAYERS
        return Head(width, options.dimension, options.feature_dropout, options.seed, start, precision, self.scaling, hidden)

    def side(self, head: Head) -> FrozenFeatures:
        """The image side of training, with that head."""
        return FrozenFeatures(self.values, head, self.variants)


class Unfrozen:
    """A Keras backbone and its head, trained together on decoded images.

    Batch normalisation and dropout of the backbone stay in inference mode: batches are small, and changing statistics would shift the
    features that the head was trained on.
    """

    block = PIXEL_BLOCK

    def __init__(self, backbone: KerasTower, head: Head, paths: Sequence[Path], augmentation: str, precision: str) -> None:
        """Takes the image files, by image number."""
        self._backbone, self._head, self._paths = backbone, head, paths
        self._augmentation, self._precision = augmentation, precision
        self._threads = ThreadPoolExecutor()
        pretrained = [v.value for v in backbone.model.trainable_variables]
        self.variables = [*head.variables, *pretrained]
        self.decayed = head.decayed  # no decay for pretrained weights: they must not shrink towards 0
        self.kernels: list[tf.Variable] = []
        self.untrained: list[tf.Variable] = []
        self._infer = tf.function(lambda pixels: head.forward(backbone.features(tf.cast(pixels, tf.float32))), reduce_retracing=True)

    def load(self, images: np.ndarray) -> np.ndarray:
        """`(n, height, width, 3)` uint8 pixels."""
        size = self._backbone.height, self._backbone.width
        return np.stack(list(self._threads.map(lambda number: resize(load_image(self._paths[number]), *size), images)))

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of pixels. With a `[2]` int32 seed it applies augmentation and dropout, as in training."""
        if seed is None:
            return self._infer(images)
        changed = augment(tf.cast(images, tf.float32), self._augmentation, seed)
        with computing_in(self._backbone.model, self._precision):
            features = tf.cast(self._backbone.features(changed), tf.float32)
        return self._head.forward(features, tf.random.experimental.stateless_fold_in(seed, 7))

    def write(self, path: Path) -> Converted:
        """Converts the backbone to TFLite, with its current weights."""
        return self._backbone.write(path)


class ScratchCnn:
    """A small convolutional network trained together with the text tower, for images unlike those of any pretrained backbone."""

    block = BLOCK

    def __init__(self, pixels: np.ndarray, dimension: int, augmentation: str = "shift", precision: str = "float32") -> None:
        """Builds the network; `pixels` are `(n, CNN_SIZE, CNN_SIZE, 3)` uint8."""
        layers = tf.keras.layers
        inputs = tf.keras.Input((CNN_SIZE, CNN_SIZE, 3))
        x = layers.MaxPool2D()(_convolution(inputs, 32, size=6, stride=3))
        x = layers.MaxPool2D()(_convolution(_convolution(x, 64), 96))
        x = _convolution(_convolution(x, 128), 384, size=1)
        x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
        self._network = tf.keras.Model(inputs, layers.Dense(dimension)(x))
        self._pixels = tf.constant(pixels)
        self._augmentation, self._precision = augmentation, precision
        self.variables = [v.value for v in self._network.trainable_variables]
        self.kernels = [layer.kernel.value for layer in self._network.layers if isinstance(layer, layers.Conv2D)]
        self.decayed = [v for v in self.variables if len(v.shape) == 2]
        self.untrained = [v.value for v in self._network.non_trainable_variables]

    def load(self, images: np.ndarray) -> np.ndarray:
        """Row numbers of the pixels."""
        return images.astype(np.int32)

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of images by number. With a `[2]` int32 seed it applies augmentation, as in training."""
        x = tf.cast(tf.gather(self._pixels, images), tf.float32)
        if seed is None:
            return self._embeddings(x, training=False)
        with computing_in(self._network, self._precision):
            return self._embeddings(augment(x, self._augmentation, seed), training=True)

    def _embeddings(self, pixels: tf.Tensor, training: bool) -> tf.Tensor:
        scaled = pixels / MOBILENET_MEAN - 1.0
        return tf.math.l2_normalize(tf.cast(self._network(scaled, training=training), tf.float32), 1)

    def backbone(self) -> Tower:
        """The trained network, converted to TFLite."""
        with temporary_folder() as folder:
            path = Path(folder, "scratch.tflite")
            convert_keras(self._network, path)
            mean = np.array([MOBILENET_MEAN], np.float32)
            return image_tower(Source(path), None, (mean, mean))  # pixels become [-1, 1], as in `_embeddings`


def _convolution(x: Any, filters: int, *, size: int = 3, stride: int = 1) -> Any:
    layers = tf.keras.layers
    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))
