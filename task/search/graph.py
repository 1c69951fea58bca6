"""The engine for graph files: everything happens in the model's signatures."""

from __future__ import annotations

import numpy as np

from ..core.base_options import BaseOptions
from ..core.interpreter import SignatureRunners
from ..core.model_file import ModelFile
from ..errors import ArgumentTypeError, DamagedFileError, InvalidArgumentError, NewerFormatError
from ..format import item_table, manifest, utf8
from ..processor.results import NearestNeighbor, SearchResult

NO_INDEX = (
    "Unable to find index file: SearchOptions.index_file is not set and no AssociatedFile with type SCANN_INDEX_FILE could be found in "
    "the output tensor metadata."
)


class GraphEmbedder:
    """A searcher or encoder file and its interpreters; safe to use from several threads.

    Attributes:
        manifest: The file's manifest.
        resampling: How images are brought to size.
    """

    resampling = "triangle"

    def __init__(self, options: BaseOptions, file: ModelFile | None = None) -> None:
        """Opens the file.

        Args:
            options: Where it is and how it is run.
            file: The file where it is open already; it is closed with the embedder.

        Raises:
            InvalidArgumentError: It is no TFLite model, or it has no manifest.
            MissingFileError: There is no such file.
            DamagedFileError: The manifest is damaged.
            NewerFormatError: It was written in a newer format.
        """
        self._file = ModelFile(options) if file is None else file
        try:
            self.manifest = _read_manifest(self._file)
            self._runners = SignatureRunners(self._file, options)
        except BaseException:
            self._file.close()
            raise

    @property
    def signatures(self) -> list[str]:
        """What can be asked: `search_text`, `embed_image`, …."""
        return list(self._runners.signatures)

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.manifest.dimension

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence."""
        return self._runners.run("embed_text", self._text(text, "embed_text"))["embedding"][0]

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image of the size that `image_size` says."""
        return self._runners.run("embed_image", self._image(pixels, "embed_image"))["embedding"][0]

    def image_size(self) -> tuple[int, int]:
        """Height and width that image queries have to have.

        Raises:
            InvalidArgumentError: The file answers no images.
        """
        signature = "search_image" if self.manifest.items else "embed_image"
        self._require(signature)
        _, height, width, _ = self._runners.input_shape(signature)
        return height, width

    def close(self) -> None:
        """Releases the interpreter and the file."""
        self._runners.close()
        self._file.close()

    def _text(self, query: str, signature: str) -> np.ndarray:
        self._require(signature)
        if not isinstance(query, str):
            raise ArgumentTypeError(f"the query has to be a str, found {type(query).__name__}.")
        (_, length) = self._runners.input_shape(signature)
        return utf8.encode(query, length)

    def _image(self, pixels: np.ndarray, signature: str) -> np.ndarray:
        self._require(signature)
        height, width = self.image_size()
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise InvalidArgumentError(
                f"{self._file.name}: the image is {pixels.dtype} {pixels.shape}, expected uint8 {(height, width, 3)}."
            )
        return np.ascontiguousarray(pixels)[None]

    def _require(self, signature: str) -> None:
        if signature not in self._runners.signatures:
            raise InvalidArgumentError(f"{self._file.name}: there is no {signature!r}; this file has {', '.join(self.signatures)}.")


class GraphEngine(GraphEmbedder):
    """A searcher file: an embedder that finds items, too."""

    def __init__(self, options: BaseOptions, file: ModelFile | None = None) -> None:
        """Opens the file.

        Args:
            options: Where it is and how it is run.
            file: The file where it is open already; it is closed with the engine.

        Raises:
            InvalidArgumentError: It is no TFLite model, or it has no index.
            MissingFileError: There is no such file.
            DamagedFileError: Manifest, items and signatures contradict each other.
            NewerFormatError: It was written in a newer format.
        """
        super().__init__(options, file)
        try:
            self._items = _read_items(self._file, self.manifest)
        except BaseException:
            self.close()
            raise

    @property
    def user_info(self) -> str:
        """The builder's own text."""
        return self.manifest.user_info

    def search_text(self, query: str, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the items nearest to a sentence; a sentence longer than the file reads is cut at a character.

        Raises:
            InvalidArgumentError: The file answers no text, or the query is no string.
        """
        self._refuse(num_leaves)
        return self.search("search_text", self._text(query, "search_text"), max_results)

    def search_image(self, pixels: np.ndarray, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the items nearest to an image, `(height, width, 3)` uint8 RGB of the size that `image_size` says."""
        self._refuse(num_leaves)
        return self.search("search_image", self._image(pixels, "search_image"), max_results)

    def search_embedding(self, vector: np.ndarray, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32; it is used as it is, not normalised.

        Raises:
            InvalidArgumentError: Its length is not the index's dimension, or it is not finite.
        """
        self._refuse(num_leaves)
        query = np.asarray(vector, np.float32).reshape(-1)
        if len(query) != self.manifest.dimension:
            raise InvalidArgumentError(f"{self._file.name}: the query has {len(query)} dimensions, the index {self.manifest.dimension}.")
        if not np.isfinite(query).all():
            raise InvalidArgumentError(f"{self._file.name}: the query embedding has a value that is not finite.")
        return self.search("search_embedding", query[None], max_results)

    @property
    def items(self) -> int:
        """How many there are."""
        return self.manifest.items

    def search(self, signature: str, query: np.ndarray, max_results: int) -> SearchResult:
        """Runs a search signature and reads the metadata of what it found."""
        found = self._runners.run(signature, query)
        pairs = zip(found["ids"][0].tolist(), found["distances"][0].tolist(), strict=True)
        neighbors: list[NearestNeighbor] = []
        for item, distance in pairs:
            if item < 0 or len(neighbors) == max_results:
                break
            neighbors.append(NearestNeighbor(self.item(item), distance))
        return SearchResult(neighbors)

    def item(self, number: int) -> bytes:
        """The metadata of item `number`.

        Raises:
            DamagedFileError: There is no such item.
        """
        try:
            return self._items[number]
        except (IndexError, item_table.ItemTableError) as error:
            raise DamagedFileError(f"{self._file.name}: {error}") from error

    def _refuse(self, num_leaves: int | None) -> None:
        if num_leaves is not None:
            raise InvalidArgumentError(
                f"{self._file.name}: num_leaves_to_search is fixed in this graph; only on-device ScaNN indexes take it at query time."
            )


def _read_manifest(file: ModelFile) -> manifest.Manifest:
    if manifest.FILE not in file.entries:
        raise InvalidArgumentError(f"{file.name}: {NO_INDEX}")
    try:
        return manifest.decode(file.read(manifest.FILE))
    except manifest.NewerManifestError as error:
        raise NewerFormatError(f"{file.name}: {error}; update pocket-searcher.") from error
    except manifest.ManifestError as error:
        raise DamagedFileError(f"{file.name}: {error}.") from error


def _read_items(file: ModelFile, content: manifest.Manifest) -> item_table.ItemTable:
    if not content.items and item_table.OFFSETS not in file.entries:
        raise InvalidArgumentError(f"{file.name}: {NO_INDEX} It is an encoder file, without items.")
    missing = [name for name in (item_table.OFFSETS, item_table.BYTES) if name not in file.entries]
    if missing:
        raise DamagedFileError(f"{file.name}: associated file {missing[0]!r} is missing.")
    try:
        items = item_table.ItemTable(file.content, file.entries[item_table.OFFSETS], file.entries[item_table.BYTES])
    except item_table.ItemTableError as error:
        raise DamagedFileError(f"{file.name}: {error}.") from error
    if len(items) != content.items:
        raise DamagedFileError(f"{file.name}: the item table has {len(items)} entries, the manifest says {content.items}.")
    return items
