"""Searches that the graph alone does not answer: among chosen items, and with items added or removed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..core.model_file import ModelFile
from ..errors import DamagedFileError, InvalidArgumentError, MissingFileError, NewerFormatError
from ..format import overlay_file, tflite_model
from ..format.manifest import Manifest
from ..format.stored_rows import StoredRows, locate_rows
from .exact import ExactScorer
from .nearest import nearest
from .overlay import Overlay
from .request import SearchRequest

Found = tuple[np.ndarray, np.ndarray]  # ids and distances, nearest first


class Finder:
    """Joins the graph, the exact scores of its rows and the overlay; safe to use from several threads.

    Attributes:
        overlay: What was added and removed.
    """

    def __init__(self, file: ModelFile, manifest: Manifest, ask: Callable[[np.ndarray], Found]) -> None:
        """Starts without changes.

        Args:
            file: The searcher.
            manifest: Its manifest.
            ask: Asks the graph with a `(d,)` float32 embedding; ids are -1 where there is no further neighbour.
        """
        self._file, self._manifest, self._ask = file, manifest, ask
        self.overlay = Overlay(manifest.items, manifest.dimension, manifest.distance)
        self._scorer: ExactScorer | None = None
        self._lock = threading.Lock()

    def find(self, vector: np.ndarray, request: SearchRequest) -> Found:
        """The nearest items.

        Args:
            vector: `(d,)` float32.
            request: What is wanted; without `allowed` no more than the file's k are found.

        Returns:
            With `allowed`, the right ones, by exact search; else the graph's that were not removed, and those added that are as near.
        """
        self._file.check_unchanged()
        max_results, allowed = request.max_results, request.allowed
        if allowed is not None:
            split = np.searchsorted(allowed, self._manifest.items)
            base_items = allowed[:split]
            base = self.scorer.nearest(vector, base_items[self.overlay.shown(base_items)], max_results)
            return _merged(base, self.overlay.nearest(vector, max_results, allowed[split:]), max_results)
        ids, distances = self._ask(vector)
        real = ids >= 0
        ids, distances = ids[real].astype(np.int64), distances[real]
        count = min(max_results, self._manifest.k)
        shown = self.overlay.shown(ids)
        near, limit = distances[shown][:count], np.inf
        if len(near) == count:
            limit = float(near[-1])
        added = self.overlay.nearest(vector, count, limit=limit)
        found = _merged((ids[shown][:count], near), added, count)
        # What the graph did not return is no nearer than the last that it did; it returns fewer than k where there is nothing else.
        whole = len(ids) < self._manifest.k or (len(found[0]) == count and found[1][-1] <= distances[-1])
        if not whole and not shown.all():
            found = _merged(self.scorer.nearest(vector, self.overlay.base(), count), added, count)
        return found

    def remove(self, item: int) -> None:
        """Hides an item; raises as `Overlay.remove` does, and where the rows cannot be found."""
        if item < self._manifest.items:
            _ = self.scorer  # removed items leave gaps that only the rows can fill
        self.overlay.remove(item)

    def contents(self) -> Found:
        """Every item that was not removed: ascending ids and `(n, d)` float32 rows."""
        self._file.check_unchanged()
        base, added = self.overlay.base(), self.overlay.content("")
        rows = np.empty((len(base) + len(added.ids), self._manifest.dimension), np.float32)
        self.scorer.decode(base, rows[: len(base)])
        rows[len(base) :] = added.rows
        return np.concatenate([base, added.ids]), rows

    def save(self, path: Path) -> None:
        """Writes what was added and removed.

        Raises:
            InvalidArgumentError: The base has no fingerprint, or the metadata take more than 4 GiB.
        """
        try:
            overlay_file.write(path, self.overlay.content(self._fingerprint()))
        except overlay_file.OverlayError as error:
            raise InvalidArgumentError(f"{path}: {error}.") from error

    def load(self, path: Path) -> None:
        """Reads what was added and removed.

        Raises:
            InvalidArgumentError: It belongs to another searcher.
            MissingFileError: There is no such file.
            DamagedFileError: It is no overlay, or it is damaged.
            NewerFormatError: It was written in a newer format.
        """
        try:
            content = overlay_file.read(path)
        except FileNotFoundError as error:
            raise MissingFileError(f"Unable to open file at {path}: no such file.") from error
        except overlay_file.NewerOverlayError as error:
            raise NewerFormatError(f"{path}: {error}; update pocket-searcher.") from error
        except overlay_file.OverlayError as error:
            raise DamagedFileError(f"{path}: {error}.") from error
        base = self._fingerprint()
        if (content.base, content.items, content.rows.shape[1]) != (base, self._manifest.items, self._manifest.dimension):
            raise InvalidArgumentError(
                f"{path}: it belongs to another searcher (sha256.model {content.base[:12]}…, {content.items} items), not to "
                f"{self._file.name} ({base[:12]}…, {self._manifest.items} items); open it with the file that it was saved beside."
            )
        if len(content.removed):
            _ = self.scorer
        self.overlay.load(content)

    def _fingerprint(self) -> str:
        found = self._manifest.sha256.get("model")
        if not found:
            raise InvalidArgumentError(f"{self._file.name}: its manifest has no sha256.model, by which an overlay knows its base.")
        return str(found)

    @property
    def scorer(self) -> ExactScorer:
        """Scores the file's rows.

        Raises:
            InvalidArgumentError: The graph is not one whose rows are known.
            DamagedFileError: The FlatBuffer is damaged.
        """
        with self._lock:
            if self._scorer is None:
                try:
                    places = locate_rows(self._file.content)
                    if places is None:
                        raise InvalidArgumentError(
                            f"{self._file.name}: the rows of its index are not found, so `allowed` and `remove` cannot be served; "
                            "update pocket-searcher or build the file again."
                        )
                    rows = StoredRows(self._file.content, places, self._manifest.dimension)
                except (tflite_model.ModelError, ValueError) as error:
                    if isinstance(error, InvalidArgumentError):
                        raise
                    raise DamagedFileError(f"{self._file.name}: {error}.") from error
                self._scorer = ExactScorer(rows, self._manifest.distance)
            return self._scorer


def _merged(one: Found, other: Found, count: int) -> Found:
    if not len(other[0]):
        return one[0][:count], one[1][:count]
    ids, distances = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    best = nearest(ids, distances, count)
    return ids[best], distances[best]
