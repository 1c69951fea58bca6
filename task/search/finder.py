"""Searches that the graph alone cannot do: with a filter, and with added or removed items."""

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
NOTHING = np.empty(0, np.int64), np.empty(0, np.float32)


class Finder:
    """Combines the graph, exact scores of its rows and the overlay; thread-safe.

    Attributes:
        overlay: The added and removed items.
    """

    def __init__(self, file: ModelFile, manifest: Manifest, search_graph: Callable[[np.ndarray], Found]) -> None:
        """Starts without added or removed items.

        Args:
            file: The searcher.
            manifest: The manifest of the searcher.
            search_graph: Runs the graph with a `(d,)` float32 embedding. It pads the ids with -1 after the last neighbour.
        """
        self._file, self._manifest, self._search_graph = file, manifest, search_graph
        self.overlay = Overlay(manifest.items, manifest.dimension, manifest.distance, _rows_kind(manifest))
        self._scorer: ExactScorer | None = None
        self._last: tuple[np.ndarray, int, Found] | None = None
        self._lock = threading.Lock()

    def find(self, vector: np.ndarray, request: SearchRequest) -> Found:
        """Finds the nearest items.

        Args:
            vector: `(d,)` float32.
            request: The request.

        Returns:
            With `allowed`, the exact nearest of these items; of all items, if more results are wanted than the k of the file. Else the
            results of the graph without removed items, merged with the added items that are as near.
        """
        self._file.check_unchanged()
        max_results, allowed = request.max_results, request.allowed
        if allowed is None and max_results > self._manifest.k:  # more than a signature returns
            allowed = self.overlay.present()
        if allowed is not None:
            base_items, added_items = self._parted(allowed)
            # Where nothing of the base is asked for, as in a searcher without items, its rows are not needed.
            base = self.scorer.nearest(vector, base_items, max_results) if len(base_items) else NOTHING
            return _merged(base, self.overlay.nearest(vector, max_results, added_items), max_results)
        if not self._manifest.items:
            return self.overlay.nearest(vector, max_results)
        ids, distances = self._search_graph(vector)
        real = ids >= 0
        ids, distances = ids[real].astype(np.int64), distances[real]
        count = max_results
        shown = self.overlay.shown(ids)
        near, limit = distances[shown][:count], np.inf
        if len(near) == count:
            limit = float(near[-1])
        added = self.overlay.nearest(vector, count, limit=limit)
        found = _merged((ids[shown][:count], near), added, count)
        # All further items are at least as far as the last result of the graph. There are none if it returns fewer than k.
        complete = len(ids) < self._manifest.k or (len(found[0]) == count and found[1][-1] <= distances[-1])
        if not complete and not shown.all():
            found = _merged(self.scorer.nearest(vector, self.overlay.base(), count), added, count)
        return found

    def _parted(self, allowed: np.ndarray) -> Found:
        """The allowed items of the base that were not removed, and those that were added.

        For a read-only array, the answer stays the same array until something changes, so that the scorer knows it again.
        """
        version, last = self.overlay.version, self._last
        if last is not None and last[0] is allowed and last[1] == version:
            return last[2]
        split = np.searchsorted(allowed, self._manifest.items)
        base_items = self.overlay.without_removed(allowed[:split])
        if not allowed.flags.writeable:
            base_items.flags.writeable = False
            self._last = allowed, version, (base_items, allowed[split:])
        return base_items, allowed[split:]

    def remove(self, item: int) -> None:
        """Hides an item. It raises the errors of `Overlay.remove` and `scorer`."""
        if 0 <= item < self._manifest.items:
            _ = self.scorer  # fails now, not in a later search: results in place of removed items need the rows
        self.overlay.remove(item)

    def embedding(self, item: int) -> np.ndarray:
        """The embedding of an item that was not removed, `(d,)` float32. It raises the errors of `scorer`."""
        if item >= self._manifest.items:
            return self.overlay.embedding(item)
        self._file.check_unchanged()
        row = np.empty((1, self._manifest.dimension), np.float32)
        self.scorer.decode(np.array([item]), row)
        return row[0]

    def contents(self) -> Found:
        """All items that were not removed: ascending ids and `(n, d)` float32 rows."""
        self._file.check_unchanged()
        base, added = self.overlay.base(), self.overlay.content("")
        rows = np.empty((len(base) + len(added.ids), self._manifest.dimension), np.float32)
        if len(base):
            self.scorer.decode(base, rows[: len(base)])
        rows[len(base) :] = added.rows
        return np.concatenate([base, added.ids]), rows

    def save(self, path: Path) -> None:
        """Writes the added and removed items.

        Raises:
            InvalidArgumentError: The base has no fingerprint, or the metadata exceed 4 GiB.
        """
        try:
            overlay_file.write(path, self.overlay.content(self._fingerprint()))
        except overlay_file.OverlayError as error:
            raise InvalidArgumentError(f"{path}: {error}.") from error

    def load(self, path: Path, indexed: bool) -> None:
        """Reads the added and removed items; `indexed` says whether the file indexes words.

        Raises:
            InvalidArgumentError: The overlay belongs to another searcher.
            MissingFileError: The file does not exist.
            DamagedFileError: The file is not an overlay, or it is damaged.
            NewerFormatError: The file has a newer format.
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
        self.overlay.load(content, indexed)

    def _fingerprint(self) -> str:
        found = self._manifest.sha256.get("model")
        if not found:
            raise InvalidArgumentError(f"{self._file.name}: its manifest has no sha256.model, by which an overlay knows its base.")
        return str(found)

    @property
    def scorer(self) -> ExactScorer:
        """The scorer of the rows in the file.

        Raises:
            InvalidArgumentError: The rows cannot be found in the graph.
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


def _rows_kind(manifest: Manifest) -> str:
    """How added rows are stored: as precisely as the rows by which the base ranks."""
    floats = overlay_file.FLOAT32 in (manifest.index.get("rows"), manifest.index.get("rescored_by"))
    return overlay_file.FLOAT32 if floats else overlay_file.INT8


def _merged(one: Found, other: Found, count: int) -> Found:
    if not len(other[0]):
        return one[0][:count], one[1][:count]
    ids, distances = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    best = nearest(ids, distances, count)
    return ids[best], distances[best]
