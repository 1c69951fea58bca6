"""Embeds pictures with the image tower of a file: the one function behind features of photos, shards and single pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from maker.data.duplicates import difference_hash
from maker.data.images import OUTSIDE, load_image
from maker.embedding.views import views_of
from maker.errors import DataError
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.format.preparation import Preparation, preparation_of
from task.search.graph_embedder import read_manifest
from task.vision.decode import UnreadableImageError, decode
from task.vision.resize import prepare

SIGNATURE = "embed_image"
NOT_FINITE = "the image tower gives features that are not finite"
Picture: TypeAlias = "Path | bytes | np.ndarray | None"  # a file, its bytes, `(height, width, 3)` uint8, or one that must not be read


@dataclass(frozen=True)
class EmbeddedPictures:
    """Pictures through an image tower.

    Attributes:
        values: `(m, d)` float32, a row for each picture that could be read; `(m, 2 * d)` with several views: half the whole and half the
            mean of the crops, then the whole.
        hashes: `(m,)` uint64, by `maker.data.duplicates.difference_hash`.
        reasons: One for each picture, in order: empty if it could be read.
    """

    values: np.ndarray
    hashes: np.ndarray
    reasons: list[str]


@dataclass
class ImageTower:
    """The image tower of an encoder or searcher file. Each process opens the file once, when it embeds its first picture.

    Attributes:
        file: The file, with the signature `embed_image`.
        views: Number of views of each picture.
    """

    file: Path
    views: int = 1
    _opened: tuple[SignatureRunners, Preparation] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        """What is sent to another process, which opens the file itself."""
        return {**self.__dict__, "_opened": None}

    @property
    def dimension(self) -> int:
        """The dimension of an embedding of one view."""
        return self._open()[0].output_size(SIGNATURE)

    def embed(self, pictures: Iterable[Picture], begin: Callable[[Picture], None] | None = None) -> EmbeddedPictures:
        """Embeds pictures. One that cannot be read has a reason in the place of a row.

        Args:
            pictures: The pictures.
            begin: Called with each before it is read.
        """
        runners, preparation = self._open()
        _, height, width, _ = runners.input_shape(SIGNATURE)
        rows, hashes, reasons = [np.zeros((0, self.dimension * (1 if self.views == 1 else 2)), np.float32)], [], []
        for picture in pictures:
            if begin is not None:
                begin(picture)
            try:
                image = _pixels(picture)
            except DataError as error:
                reasons.append(str(error))
                continue
            seen = [
                runners.run(SIGNATURE, prepare(view, height, width, preparation)[None])["embedding"] for view in views_of(image, self.views)
            ]
            # The whole counts as much as all crops together: that measured better than as much as one of them.
            row = seen[0] if self.views == 1 else np.concatenate([(seen[0] + np.mean(seen[1:], axis=0)) / 2, seen[0]], axis=1)
            if not np.isfinite(row).all():
                reasons.append(NOT_FINITE)
                continue
            rows.append(row)
            hashes.append(difference_hash(image))
            reasons.append("")
        return EmbeddedPictures(np.concatenate(rows), np.array(hashes, np.uint64), reasons)

    def _open(self) -> tuple[SignatureRunners, Preparation]:
        if self._opened is None:
            options = BaseOptions(str(self.file), num_threads=1)
            file = ModelFile(options)
            self._opened = SignatureRunners(file, options), preparation_of(read_manifest(file).query.get("image", {}))
        return self._opened


def _pixels(picture: Picture) -> np.ndarray:
    if isinstance(picture, np.ndarray):
        return picture
    if isinstance(picture, bytes):
        try:
            return decode(io.BytesIO(picture))
        except UnreadableImageError as error:
            raise DataError(str(error)) from error
    if picture is None:
        raise DataError(OUTSIDE)
    return load_image(picture)
