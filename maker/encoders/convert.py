"""Converts Keras, SavedModel and TensorFlow Hub models to `.tflite` image towers. It imports TensorFlow only to convert."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import EncoderError
from maker.workspace import atomic, temporary_folder

POOLS = ("avg", "max", "gem")
GEM_POWER = 3.0  # Radenović, Tolias, Chum, TPAMI 2019, section 3.2
DEFAULT_SIZE = 224
KERAS_STD = 1.0  # Keras applications and models with a Rescaling layer take pixels from 0 to 255
HUB_STD = 255.0  # TensorFlow Hub models take pixels from 0 to 1 (tensorflow.org/hub/common_signatures/images)
# Keras applications that contain their normalisation: they take pixels from 0 to 255. With the size of their input.
KERAS = {
    "EfficientNetV2B0": 224,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "MobileNetV3Small": 224,
    "MobileNetV3Large": 224,
    "ConvNeXtTiny": 224,
}


@dataclass(frozen=True, kw_only=True)
class ImageModelOptions:
    """How to convert a model to an image tower.

    Attributes:
        weights: For `keras:`, `imagenet`, `none` or a weights file.
        size: Height and width of the input in pixels; None for that of the model, or 224 if it has none.
        pool: Pooling of a feature map: `avg`, `max` or `gem`.
        mean, std: Of pixels from 0 to 255, one number or three: what a float `tflite:` model wants, which gets (pixel - mean) / std. None
            for those in its TFLite Metadata, or 127.5 without.
    """

    weights: str = "imagenet"
    size: int | None = None
    pool: str = "avg"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            EncoderError: The pooling is unknown or the size below 1.
        """
        if self.pool not in POOLS:
            raise EncoderError(f"pool must be one of {', '.join(POOLS)}, found {self.pool!r}")
        if self.size is not None and self.size < 1:
            raise EncoderError(f"image size must be at least 1, found {self.size}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and (len(values) not in (1, 3) or not all(map(math.isfinite, values)) or (name == "std" and 0 in values)):
                raise EncoderError(f"image {name} must be one number or three{', not 0' if name == 'std' else ''}, found {list(values)}")
        if (self.mean is None) != (self.std is None):
            raise EncoderError("image mean and image std belong together; pass both, or none")

    @property
    def normalization(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and standard deviation as arrays; None if they are not given."""
        if self.mean is None or self.std is None:
            return None
        return np.array(self.mean, np.float32), np.array(self.std, np.float32)


@dataclass(frozen=True)
class Converted:
    """A converted model and the normalisation of its pixels: `(pixel - mean) / std`."""

    path: Path
    mean: float
    std: float


def convert(kind: str, rest: str, options: ImageModelOptions, target: Path) -> Converted:
    """Converts a model to float32 TFLite with a fixed input.

    Args:
        kind: `keras`, `keras_file`, `saved_model` or `hub`.
        rest: Name, path or handle.
        options: Weights, size and pooling.
        target: The `.tflite` to write; an existing one is reused.

    Raises:
        EncoderError: The model is unknown, cannot be loaded or is not an image model.
    """
    if kind in ("keras", "keras_file"):
        if not target.exists():
            open_keras(kind, rest, options).write(target)
        return Converted(target, 0.0, KERAS_STD)
    if not target.exists():
        _export_saved_model(saved_model_folder(kind, rest), options, target, f"{kind}:{rest}")
    return Converted(target, 0.0, HUB_STD)


def _keras_model(kind: str, rest: str, options: ImageModelOptions) -> Any:
    import tensorflow as tf

    if kind == "keras_file":
        return load_keras_file(rest)
    if rest not in KERAS:
        raise EncoderError(f"keras:{rest}: unknown; expected one of {', '.join(KERAS)}")
    weights = None if options.weights == "none" else options.weights
    if weights is None:
        tf.keras.utils.set_random_seed(0)  # the same weights each time
    size = options.size or KERAS[rest]
    try:
        return getattr(tf.keras.applications, rest)(include_top=False, weights=weights, input_shape=(size, size, 3))
    except Exception as error:  # Keras raises bare Exception where a download fails
        if weights == "imagenet":
            raise EncoderError(
                f"keras:{rest}: the ImageNet weights cannot be downloaded ({first_line(error)}); without a network pass "
                "--image-weights PATH of a .weights.h5 file, or --image-weights none"
            ) from error
        raise EncoderError(f"keras:{rest}: weights {options.weights} cannot be loaded ({first_line(error)})") from error


def load_keras_file(path: str) -> Any:
    """Loads a Keras model from its file.

    Raises:
        EncoderError: The file does not exist or cannot be loaded.
    """
    import tensorflow as tf

    if not Path(path).exists():
        raise EncoderError(f"keras_file: no such file: {path}")
    try:
        return tf.keras.models.load_model(path, compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise EncoderError(f"keras_file:{path}: cannot be loaded ({first_line(error)})") from error


def saved_model_folder(kind: str, rest: str) -> str:
    """The folder of a SavedModel; a TensorFlow Hub model is downloaded.

    Raises:
        EncoderError: The folder does not exist, or the model cannot be downloaded.
    """
    if kind == "saved_model":
        if not Path(rest, "saved_model.pb").exists():
            raise EncoderError(f"saved_model:{rest}: no saved_model.pb in that folder")
        return rest
    try:
        import tensorflow_hub
    except ImportError as error:
        raise EncoderError(f"hub:{rest}: needs tensorflow-hub: pip install 'pocket-searcher[hub]'") from error
    try:
        return str(tensorflow_hub.resolve(rest))
    except Exception as error:  # errors of urllib, tarfile and the resolvers
        raise EncoderError(
            f"hub:{rest}: cannot be downloaded ({first_line(error)}); without a network download the model elsewhere and "
            "pass saved_model:FOLDER"
        ) from error


@dataclass(frozen=True)
class KerasTower:
    """A Keras image model that can be trained.

    Attributes:
        model: The Keras model; it takes pixels from 0 to 255.
        height, width: Size of the input in pixels.
        pool: Pooling of a feature map.
        name: The spec, for errors.
    """

    model: Any
    height: int
    width: int
    pool: str
    name: str

    def features(self, pixels: Any) -> Any:
        """Features `[n, f]` of pixels `[n, height, width, 3]` float32. Batch normalisation and dropout are in inference mode."""
        return _pooled(self.model(pixels, training=False), self.pool, self.name)

    def write(self, target: Path) -> Converted:
        """Converts the model to TFLite, with its current weights."""
        import tensorflow as tf

        archive = tf.keras.export.ExportArchive()
        archive.track(self.model)
        signature = [tf.TensorSpec((1, self.height, self.width, 3), tf.float32)]
        archive.add_endpoint("serve", self.features, signature)
        with temporary_folder() as folder:
            archive.write_out(folder, verbose=False)
            write_tflite(str(folder), target, self.name)
        return Converted(target, 0.0, KERAS_STD)


def open_keras(kind: str, rest: str, options: ImageModelOptions) -> KerasTower:
    """Opens the Keras model of a `keras:` or `keras_file:` spec.

    Raises:
        EncoderError: The model is unknown, cannot be loaded or is not an image model.
    """
    return _keras_tower(_keras_model(kind, rest, options), options.size or KERAS.get(rest), options.pool, f"{kind}:{rest}")


def _keras_tower(model: Any, size: int | None, pool: str, name: str) -> KerasTower:
    shape = model.input_shape if isinstance(model.input_shape, tuple) else ()
    if len(shape) != 4 or shape[3] != 3:
        raise EncoderError(f"{name}: input shape {shape}, expected (batch, height, width, 3)")
    height, width = (d or size or DEFAULT_SIZE for d in shape[1:3])
    return KerasTower(model, height, width, pool, name)


def _export_saved_model(source: str, options: ImageModelOptions, target: Path, name: str) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(source)
    call, own = _call_of(loaded, name)
    size = options.size or own or DEFAULT_SIZE
    module = tf.Module()
    module.loaded = loaded
    spec = tf.TensorSpec((1, size, size, 3), tf.float32)
    try:
        function = tf.function(lambda x: _pooled(call(x), options.pool, name), input_signature=[spec])
        with temporary_folder() as folder:
            tf.saved_model.save(module, folder, signatures={"serving_default": function.get_concrete_function()})
            write_tflite(str(folder), target, name)
    except (ValueError, TypeError) as error:
        raise EncoderError(f"{name}: does not take images of {size} x {size} ({first_line(error)}); pass --image-size") from error


def _call_of(loaded: Any, name: str) -> tuple[Callable[[Any], Any], int | None]:
    """The function of a SavedModel that takes images, and the image height that it declares."""
    if "serving_default" in loaded.signatures:
        serve: Any = loaded.signatures["serving_default"]
        inputs = serve.structured_input_signature[1]
        if len(inputs) != 1:
            raise EncoderError(f"{name}: serving_default takes {', '.join(inputs)}, expected one image")
        ((argument, spec),) = inputs.items()
        return lambda x: serve(**{argument: x}), spec.shape[1] if spec.shape.rank == 4 else None
    if callable(loaded):
        return loaded, None
    raise EncoderError(f"{name}: neither callable nor with a serving_default signature; found {', '.join(loaded.signatures) or 'none'}")


def _pooled(output: Any, pool: str, name: str) -> Any:
    """The output of a model as vectors; a feature map is pooled."""
    import tensorflow as tf

    if isinstance(output, dict):
        output = output.get("default", next(iter(output.values())))
    if isinstance(output, (list, tuple)):
        output = output[0]
    if output.shape.rank == 2:
        return output
    if output.shape.rank != 4:
        raise EncoderError(f"{name}: output shape {output.shape}, expected a vector or a feature map")
    if pool == "max":
        return tf.reduce_max(output, [1, 2])
    if pool == "gem":
        return tf.reduce_mean(tf.maximum(output, 1e-6) ** GEM_POWER, [1, 2]) ** (1.0 / GEM_POWER)
    return tf.reduce_mean(output, [1, 2])


def on_disk(rest: str) -> list[tuple[str, int, int]]:
    """Name, size and modification time of the files of a model, for the cache key; empty for a name or a handle."""
    path = Path(rest)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    return [(file.name, status.st_size, status.st_mtime_ns) for file in files for status in [file.stat()]]


def write_tflite(folder: str, target: Path, name: str) -> None:
    """Converts a SavedModel to float32 TFLite.

    Raises:
        EncoderError: TFLite lacks an operator of the model.
    """
    import tensorflow as tf

    try:
        with _quiet_native_log():
            content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    except Exception as error:  # the converter raises its own and bare types
        raise EncoderError(f"{name}: cannot be converted to TFLite ({first_line(error)})") from error
    with atomic(target) as temporary:
        temporary.write_bytes(content)


def convert_keras(model: Any, target: Path) -> None:
    """Converts a Keras image model with a fixed input shape to TFLite."""
    _keras_tower(model, None, "avg", "model").write(target)


@contextmanager
def _quiet_native_log() -> Iterator[None]:
    """Silences the C++ log of the converter, which writes to file descriptor 2. Errors are still raised as exceptions."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def first_line(error: BaseException) -> str:
    """The first line of the text of an error, at most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def normalization(converted: Converted) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation as arrays, for a tower."""
    return np.array([converted.mean], np.float32), np.array([converted.std], np.float32)
