"""Embeds pictures or sounds with the tower of a file: the one function behind features of folders, shards and single items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maker.embedding.inputs import Inputs, Item, Pictures, Sounds, inputs_of
from maker.errors import DataError
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.search.graph_embedder import read_manifest


@dataclass(frozen=True)
class EmbeddedItems:
    """Items through a tower.

    Attributes:
        values: `(m, d)` float32, a row for each item that could be read; `(m, 2 * d)` with several views: half the whole and half the
            mean of the crops, then the whole.
        hashes: `(m,)` uint64, by `maker.data.duplicates.difference_hash`.
        reasons: One for each item, in order: empty if it could be read.
    """

    values: np.ndarray
    hashes: np.ndarray
    reasons: list[str]


@dataclass
class ItemTower:
    """The image tower or the sound tower of an encoder or searcher file. Each process opens the file once, when it embeds its first item.

    Attributes:
        file: The file, with the signature `embed_image` or `embed_audio`.
        views: Number of views of each picture.
    """

    file: Path
    views: int = 1
    _opened: tuple[SignatureRunners, Inputs] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        """What is sent to another process, which opens the file itself."""
        return {**self.__dict__, "_opened": None}

    @property
    def dimension(self) -> int:
        """The dimension of an embedding of one view."""
        runners, inputs = self._open()
        return runners.output_size(inputs.signature)

    def embed(self, items: Iterable[Item], begin: Callable[[Item], None] | None = None) -> EmbeddedItems:
        """Embeds items. One that cannot be read has a reason in the place of a row.

        Args:
            items: The pictures or sounds.
            begin: Called with each before it is read.
        """
        runners, inputs = self._open()
        rows, hashes, reasons = [np.zeros((0, self.dimension * (1 if self.views == 1 else 2)), np.float32)], [], []
        for item in items:
            if begin is not None:
                begin(item)
            try:
                queries, code = inputs.read(item)
            except DataError as error:
                reasons.append(str(error))
                continue
            seen = [runners.run(inputs.signature, query)["embedding"] for query in queries]
            # The whole counts as much as all crops together: that measured better than as much as one of them.
            row = seen[0] if len(seen) == 1 else np.concatenate([(seen[0] + np.mean(seen[1:], axis=0)) / 2, seen[0]], axis=1)
            if not np.isfinite(row).all():
                reasons.append(f"the {inputs.tower} tower gives features that are not finite")
                continue
            rows.append(row)
            hashes.append(code)
            reasons.append("")
        return EmbeddedItems(np.concatenate(rows), np.array(hashes, np.uint64), reasons)

    def _open(self) -> tuple[SignatureRunners, Inputs]:
        if self._opened is None:
            options = BaseOptions(str(self.file), num_threads=1)
            file = ModelFile(options)
            runners = SignatureRunners(file, options)
            names = (Pictures.signature, Sounds.signature)
            shapes = {name: runners.input_shape(name) for name in names if name in runners.signatures}
            self._opened = runners, inputs_of(read_manifest(file).query, shapes, self.views)
        return self._opened
