"""The embedder for graph files: it runs the towers of a searcher or an encoder file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from ..core.base_options import BaseOptions
from ..core.interpreter import SignatureRunners
from ..core.model_file import ModelFile
from ..errors import ArgumentTypeError, DamagedFileError, InvalidArgumentError, NewerFormatError
from ..format import manifest, utf8
from ..format.preparation import Preparation, PreparationError, preparation_of
from ..format.sound_format import SoundFormat, SoundFormatError, sound_format_of
from .engine import NO_INDEX
from .token_input import TokenInput

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif")


class GraphEmbedder:
    """A searcher or encoder file and its interpreters; thread-safe.

    Attributes:
        manifest: The manifest of the file.
    """

    def __init__(self, options: BaseOptions, file: ModelFile | None = None) -> None:
        """Opens the file.

        Args:
            options: The file and how to run it.
            file: The file, if it is already open. It is closed with the embedder.

        Raises:
            InvalidArgumentError: The file is not a TFLite model, or it has no manifest.
            MissingFileError: The file does not exist.
            DamagedFileError: The manifest is damaged.
            NewerFormatError: The file has a newer format.
        """
        self._file = ModelFile(options) if file is None else file
        try:
            self.manifest = read_manifest(self._file)
            self._runners = SignatureRunners(self._file, options)
        except BaseException:
            self._file.close()
            raise

    @property
    def signatures(self) -> list[str]:
        """The signatures of the file: `search_text`, `embed_image`, …."""
        return list(self._runners.signatures)

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""
        return self.manifest.dimension

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence; zeros if the tower finds no word in it.

        Raises:
            InvalidArgumentError: The file does not embed text, or the embedding is not finite.
        """
        return self._finite(self._runners.run(*self._text("embed", text))["embedding"][0], "text")

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image with the size of `image_size`.

        Raises:
            InvalidArgumentError: The file does not embed images, or the embedding is not finite.
        """
        return self._finite(self._runners.run("embed_image", self._image(pixels, "embed_image"))["embedding"][0], "image")

    def image_size(self) -> tuple[int, int]:
        """The height and width of image queries, in pixels.

        Raises:
            InvalidArgumentError: The file does not take images.
        """
        signature = "search_image" if self.manifest.items else "embed_image"
        self._require(signature)
        _, height, width, _ = self._runners.input_shape(signature)
        return height, width

    @cached_property
    def preparation(self) -> Preparation:
        """How to bring an image to `image_size`.

        Raises:
            NewerFormatError: The file wants something that this release does not know.
        """
        try:
            return preparation_of(self.manifest.query.get("image", {}))
        except PreparationError as error:
            raise NewerFormatError(f"{self._file.name}: {error}, which this release does not know; update pocket-searcher.") from error

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of a sound as `sound_format` says.

        Raises:
            InvalidArgumentError: The file does not embed sounds, or the embedding is not finite.
        """
        return self._finite(self._runners.run("embed_audio", self._audio(samples))["embedding"][0], "audio")

    @cached_property
    def sound_format(self) -> SoundFormat:
        """Rate and number of samples of sound queries.

        Raises:
            InvalidArgumentError: The file does not take sounds.
            DamagedFileError: The manifest does not say how many samples there are a second.
        """
        self._require("embed_audio")
        try:
            described = sound_format_of(self.manifest.query.get("audio", {}))
        except SoundFormatError as error:
            raise DamagedFileError(f"{self._file.name}: {error}.") from error
        (_, samples) = self._runners.input_shape("embed_audio")
        if described.samples != samples:
            raise DamagedFileError(f"{self._file.name}: the manifest says {described.samples} samples, the model takes {samples}.")
        return described

    def close(self) -> None:
        """Releases the interpreters and the file."""
        self._runners.close()
        self._file.close()

    def _finite(self, values: np.ndarray, kind: str) -> np.ndarray:
        """The values themselves, an embedding or distances.

        Raises:
            InvalidArgumentError: One is no number, as where a tower divides by the contrast of a black image.
        """
        if not np.isfinite(values).all():
            raise InvalidArgumentError(f"{self._file.name}: the {kind} tower gives an embedding of this query that is not finite.")
        return values

    def _text(self, verb: str, query: str) -> tuple[str, np.ndarray | Mapping[str, np.ndarray]]:
        """The signature that takes text, and its input: UTF-8 bytes, or token ids if the tokenizer is not in the graph."""
        tokenized = f"{verb}_tokens" in self._runners.signatures
        signature = f"{verb}_tokens" if tokenized else f"{verb}_text"
        self._require(signature)
        if not isinstance(query, str):
            raise ArgumentTypeError(f"the query has to be a str, found {type(query).__name__}.")
        check_words(query)
        if tokenized:
            return signature, self._token_input.prepare(query)
        (_, length) = self._runners.input_shape(signature)
        return signature, utf8.encode(query, length)

    @cached_property
    def _token_input(self) -> TokenInput:
        # Opened at the first sentence: image queries do not need the library of the tokenizer.
        described = self.manifest.query.get("tokens")
        if not isinstance(described, dict) or not isinstance(described.get("file"), str):
            raise DamagedFileError(f"{self._file.name}: the manifest's query.tokens names no tokenizer file.")
        return TokenInput(self._file.name, described, self._file.read(described["file"]))

    def _image(self, pixels: np.ndarray, signature: str) -> np.ndarray:
        self._require(signature)
        height, width = self.image_size()
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise InvalidArgumentError(
                f"{self._file.name}: the image is {pixels.dtype} {pixels.shape}, expected uint8 {(height, width, 3)}."
            )
        return np.ascontiguousarray(pixels)[None]

    def _audio(self, samples: np.ndarray) -> np.ndarray:
        wanted = self.sound_format.samples
        if samples.shape != (wanted,) or samples.dtype != np.float32:
            raise InvalidArgumentError(f"{self._file.name}: the sound is {samples.dtype} {samples.shape}, expected float32 ({wanted},).")
        return np.ascontiguousarray(samples)[None]

    def _require(self, signature: str) -> None:
        if signature not in self._runners.signatures:
            raise InvalidArgumentError(f"{self._file.name}: there is no {signature!r}; this file has {', '.join(self.signatures)}.")


def check_words(query: str) -> None:
    """Checks that a sentence is not the name of an existing image file, whose name would be searched as words.

    Raises:
        InvalidArgumentError: It is.
    """
    if query.lower().endswith(IMAGE_SUFFIXES) and os.path.isfile(query):
        raise InvalidArgumentError(
            f"{query!r} is an image file, but would be taken as words; pass TensorImage.create_from_file({query!r}), or on the command "
            "line maker search --by-image."
        )


def read_manifest(file: ModelFile) -> manifest.Manifest:
    """The manifest of a file.

    Raises:
        InvalidArgumentError: There is none.
        DamagedFileError: It is damaged.
        NewerFormatError: It was written in a newer format.
    """
    if manifest.FILE not in file.entries:
        raise InvalidArgumentError(f"{file.name}: {NO_INDEX}")
    try:
        return manifest.decode(file.read(manifest.FILE))
    except manifest.NewerManifestError as error:
        raise NewerFormatError(f"{file.name}: {error}; update pocket-searcher.") from error
    except manifest.ManifestError as error:
        raise DamagedFileError(f"{file.name}: {error}.") from error
