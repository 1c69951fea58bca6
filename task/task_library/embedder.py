"""The embedder for Task Library models, whose TFLite Metadata describe their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.base_options import BaseOptions
from ..core.interpreter import TensorInfo, TensorRunner
from ..core.model_file import ModelFile
from ..errors import ArgumentTypeError, DamagedFileError, InvalidArgumentError, SearcherError
from ..format import tflite_metadata, tflite_model
from ..format.preparation import TASK_LIBRARY, Preparation
from ..format.sound_format import SoundFormat, SoundFormatError, sound_format_of
from ..search.graph_embedder import check_words
from .text_input import TextInput, text_input

CHANNELS = 3


class TaskLibraryEmbedder:
    """A model and its interpreters; thread-safe.

    Attributes:
        preparation: How to resize images: as in the Task Library.
        subgraph: The metadata of the first subgraph.
    """

    preparation = Preparation(TASK_LIBRARY)

    def __init__(self, options: BaseOptions, l2_normalize: bool = False, file: ModelFile | None = None) -> None:
        """Opens the model.

        Args:
            options: The file and how to run it.
            l2_normalize: Divide embeddings by their Euclidean norm.
            file: The file, if it is already open. It is closed with the embedder.

        Raises:
            InvalidArgumentError: The file is not a TFLite model, or the Task Library does not take it; or LiteRT lacks an operator.
            MissingFileError: The file does not exist.
            SearcherError: Metadata are missing or damaged.
        """
        self._file = ModelFile(options) if file is None else file
        self._l2_normalize = l2_normalize
        try:
            self.subgraph = _metadata(self._file)
            self._runner = TensorRunner(self._file, options)
            self._configure()
        except BaseException:
            self._file.close()
            raise

    def _configure(self) -> None:
        inputs, outputs = self._runner.inputs, self._runner.outputs
        self._text: TextInput | None = None
        self._image: ImageInput | None = None
        self._sound: SoundFormat | None = None
        number = 0
        if len(inputs) == 1 and (len(inputs[0].shape) == 4 or _takes_sound(self.subgraph)):
            if _takes_sound(self.subgraph):
                self._sound = _sound_format(self._file.name, inputs[0], self.subgraph)
            else:
                self._image = ImageInput(self._file.name, inputs[0], self.subgraph)
            if len(outputs) != 1:
                raise InvalidArgumentError(f"{self._file.name}: the model has {len(outputs)} output tensors, expected exactly 1.")
        else:
            self._text, number = text_input(self._file, inputs, len(outputs), self.subgraph)
        self._number, self._output = number, outputs[number]
        shape, dtype = self._output.shape, self._output.dtype
        if dtype not in (np.float32, np.uint8) or (dtype == np.uint8 and self._output.scale == 0):
            raise InvalidArgumentError(f"{self._file.name}: the output tensor is {dtype}, expected float32 or quantised uint8.")
        if len(shape) not in (2, 4) or any(size != 1 for size in shape[:-1]):
            raise InvalidArgumentError(f"{self._file.name}: the output tensor is of shape {shape}, expected [1, d] or [1, 1, 1, d].")

    @property
    def name(self) -> str:
        """Name of the file in errors."""
        return self._file.name

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""
        return self._output.shape[-1]

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence.

        Raises:
            InvalidArgumentError: The model embeds images or sounds, or `text` is not a str.
        """
        if self._text is None:
            raise InvalidArgumentError(f"{self._file.name}: this model embeds {self._embeds}, not text.")
        if not isinstance(text, str):
            raise ArgumentTypeError(f"the query has to be a str, found {type(text).__name__}.")
        check_words(text)
        return self._embed(self._text.prepare(text))

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image, `(height, width, 3)` uint8 RGB with the size of `image_size`.

        Raises:
            InvalidArgumentError: The model does not embed images, or the image has another size.
        """
        return self._embed([self._require_image().prepare(pixels)])

    def image_size(self) -> tuple[int, int]:
        """The height and width of image queries, in pixels.

        Raises:
            InvalidArgumentError: The model does not embed images.
        """
        return self._require_image().size

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of a sound, `(samples,)` float32 as `sound_format` says.

        Raises:
            InvalidArgumentError: The model does not embed sounds, or the sound has another length.
        """
        wanted = self.sound_format.samples
        if samples.shape != (wanted,):
            raise InvalidArgumentError(f"{self._file.name}: the sound has shape {samples.shape}, expected ({wanted},).")
        return self._embed([samples.astype(np.float32).reshape(self._runner.inputs[0].shape)])

    @property
    def sound_format(self) -> SoundFormat:
        """Rate and number of samples of sound queries.

        Raises:
            InvalidArgumentError: The model does not embed sounds.
        """
        if self._sound is None:
            raise InvalidArgumentError(f"{self._file.name}: this model embeds {self._embeds}, not sounds.")
        return self._sound

    def close(self) -> None:
        """Releases the interpreters and the file."""
        self._runner.close()
        self._file.close()

    @property
    def _embeds(self) -> str:
        return "text" if self._text is not None else "sounds" if self._sound is not None else "images"

    def _require_image(self) -> ImageInput:
        if self._image is None:
            raise InvalidArgumentError(f"{self._file.name}: this model embeds {self._embeds}, not images.")
        return self._image

    def _embed(self, values: list[np.ndarray]) -> np.ndarray:
        found = self._runner.run(values)[self._number].reshape(-1)
        if found.dtype == np.uint8:
            found = np.float32(self._output.scale) * (found.astype(np.int32) - self._output.zero_point).astype(np.float32)
        if not np.isfinite(found).all():
            raise InvalidArgumentError(f"{self._file.name}: the model gives an embedding of this query that is not finite.")
        return l2_normalized(found) if self._l2_normalize else found


def _takes_sound(subgraph: dict[str, Any]) -> bool:
    """Whether the metadata say that the first input takes samples of sound."""
    return any(
        _content(tensor).get("content_properties_type") == tflite_metadata.AUDIO for tensor in subgraph.get("input_tensor_metadata", [])[:1]
    )


def _sound_format(name: str, tensor: TensorInfo, subgraph: dict[str, Any]) -> SoundFormat:
    """Rate and number of samples of an input, by its AudioProperties.

    Raises:
        InvalidArgumentError: It does not take one channel of a fixed number of float32 samples.
    """
    properties = _content(subgraph["input_tensor_metadata"][0]).get("content_properties", {})
    samples = int(np.prod(tensor.shape)) if tensor.dtype == np.float32 else 0
    try:
        return sound_format_of({**properties, "samples": samples})
    except SoundFormatError as error:
        raise InvalidArgumentError(f"{name}: the input is {tensor.dtype} of shape {tensor.shape}; {error}.") from error


def _content(tensor: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tensor.get("content", {})
    return found


class ImageInput:
    """One input of pixels.

    Attributes:
        size: Its height and width.
    """

    def __init__(self, name: str, info: TensorInfo, subgraph: dict[str, Any]) -> None:
        """Reads the normalisation from the metadata, for models that take floats.

        Raises:
            InvalidArgumentError: The input is not an RGB image.
            SearcherError: The input takes floats and the metadata have no normalisation.
        """
        self._name, self.size = name, (info.shape[1], info.shape[2])
        if info.shape[0] != 1 or info.shape[3] != CHANNELS or info.dtype not in (np.float32, np.uint8):
            raise InvalidArgumentError(f"{name}: the input is {info.dtype} {info.shape}, expected float32 or uint8 [1, height, width, 3].")
        self._normalization: tuple[np.ndarray, np.ndarray] | None = None
        if info.dtype == np.float32:
            tensors = subgraph.get("input_tensor_metadata", [])
            units = [u for u in tensors[0].get("process_units", []) if _is_normalization(u)] if tensors else []
            if len(units) != 1:
                raise SearcherError(
                    f"{name}: Input tensor has type kTfLiteFloat32: it requires specifying NormalizationOptions metadata to preprocess "
                    "input images."
                )
            mean, std = (np.array(units[0]["options"].get(key, []), np.float32) for key in ("mean", "std"))
            if len(mean) != len(std) or len(mean) not in (1, CHANNELS) or not (np.isfinite(mean).all() and np.isfinite(std).all()):
                raise InvalidArgumentError(
                    f"{name}: NormalizationOptions have {len(mean)} means and {len(std)} stds, expected 1 or 3 of each."
                )
            if not std.all():
                raise InvalidArgumentError(f"{name}: NormalizationOptions.std has a zero.")
            self._normalization = mean, std

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Prepares an image for the input.

        Raises:
            InvalidArgumentError: The image has another size or type.
        """
        expected = (*self.size, CHANNELS)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise InvalidArgumentError(f"{self._name}: the image is {pixels.dtype} {pixels.shape}, expected uint8 {expected}.")
        if self._normalization is None:
            return np.ascontiguousarray(pixels)[None]
        mean, std = self._normalization
        return ((pixels.astype(np.float32) - mean) / std)[None]


def l2_normalized(vector: np.ndarray) -> np.ndarray:
    """A vector divided by its Euclidean norm; zeros stay as they are."""
    norm = np.sqrt(np.float32(vector @ vector))
    return vector / norm if norm > 0 else vector


def _is_normalization(unit: dict[str, Any]) -> bool:
    return unit.get("options_type") == tflite_metadata.NORMALIZATION_OPTIONS and "options" in unit


def _metadata(file: ModelFile) -> dict[str, Any]:
    try:
        content = tflite_model.metadata(file.content, tflite_metadata.NAME)
        found = tflite_metadata.decode(content) if content else {}
    except (tflite_model.ModelError, tflite_metadata.MetadataError) as error:
        raise DamagedFileError(f"{file.name}: {error}.") from error
    return next(iter(found.get("subgraph_metadata", [])), {})
