"""The engine for graph searchers: it runs the signatures of the model, and searches beside them with filters and overlays."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..core.base_options import BaseOptions
from ..core.model_file import ModelFile
from ..errors import DamagedFileError, InvalidArgumentError
from ..format import item_table, lexical, manifest
from ..format.lexical import LexicalIndex
from ..processor.relevance import RelevanceCurve
from ..processor.results import NearestNeighbor, SearchResult
from .engine import EMBEDDING, NO_INDEX
from .facts import Fact, SearchedFacts, StoredFacts, checked
from .finder import Finder, Found
from .graph_embedder import GraphEmbedder
from .lexical import LexicalPart, LexicalSearch
from .request import SearchRequest
from .words import terms, texts_of

EVIDENCE = "evidence"  # output of a search by text
T = TypeVar("T")


class GraphEngine(GraphEmbedder):
    """The engine for a graph searcher; thread-safe."""

    def __init__(self, options: BaseOptions, file: ModelFile | None = None) -> None:
        """Opens the file.

        Args:
            options: The file and how to run it.
            file: The file, if it is already open. It is closed with the engine.

        Raises:
            InvalidArgumentError: The file is not a TFLite model, or it has no index.
            MissingFileError: The file does not exist.
            DamagedFileError: Manifest, items and signatures contradict each other.
            NewerFormatError: The file has a newer format.
        """
        super().__init__(options, file)
        try:
            self._items = _read_items(self._file, self.manifest)
            self._curves = {key: RelevanceCurve.of(value) for key, value in self.manifest.relevance.items()}
            self._facts = StoredFacts(self._file, self.manifest.items)
            self._all_facts: tuple[int, SearchedFacts] | None = None  # and of which version of the overlay
            self._lexical: tuple[int, LexicalSearch] | None = None  # the same
            self._finder = Finder(self._file, self.manifest, self._search_graph)
        except BaseException:
            self.close()
            raise

    @property
    def distance(self) -> str:
        """The distance: `dot_product`, which is negated, or `squared_l2`."""
        return self.manifest.distance

    @property
    def user_info(self) -> str:
        """The text of the builder."""
        return self.manifest.user_info

    @property
    def items(self) -> int:
        """The number of ids. Added items count, and removed items still count."""
        return self._finder.overlay.next_id

    @property
    def built_items(self) -> int:
        """The number of items that the file was built with."""
        return self.manifest.items

    @property
    def values_scanned(self) -> int:
        """The number of values that a search reads, about: rows times dimensions."""
        index = self.manifest.index
        share, dimensions = index.get("share_scanned") or 1.0, index.get("scanned_dimensions") or self.dimension
        return int(share * self.manifest.items * dimensions)

    def search_text(self, query: str, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sentence; none if it contains no word. A sentence that is too long is cut between characters.

        Raises:
            InvalidArgumentError: The file does not take text, or the query is not a string.
        """
        self._refuse_num_leaves(request)
        asked = request
        if self._in_graph(request):
            ids, distances, evidence = self._search(*self._text("search", query))
            # Files of 0.1.0 return the first items for a text without a word, all at a dot product of 0.
            found_any = distances[0] or distances.any()
            return self._result("text", ids, distances, request, evidence) if found_any else SearchResult([])
        vector = self.embed_text(query)
        if not vector.any():
            return SearchResult([])
        evidence, curve = None, self.relevance_curve("text")
        if curve is not None and curve.found is not None:
            *_, evidence = self._search(*self._text("search", query))
            request = replace(request, max_results=max(request.max_results, curve.found.results))
        return self._result("text", *self._finder.find(vector, request), asked, evidence)

    def search_image(self, pixels: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to an image, `(height, width, 3)` uint8 RGB with the size of `image_size`."""
        self._refuse_num_leaves(request)
        if self._in_graph(request):
            return self._result("image", *self._run("search_image", self._image(pixels, "search_image")), request)
        return self._result("image", *self._finder.find(self.embed_image(pixels), request), request)

    def search_audio(self, samples: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sound, `(samples,)` float32 as `sound_format` says."""
        self._refuse_num_leaves(request)
        if self._in_graph(request):
            return self._result("audio", *self._run("search_audio", self._audio(samples)), request)
        return self._result("audio", *self._finder.find(self.embed_audio(samples), request), request)

    def search_embedding(self, vector: np.ndarray, request: SearchRequest, kind: str = EMBEDDING) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32, which is not normalised.

        Raises:
            InvalidArgumentError: The embedding has another dimension than the index, or a value that is not finite.
        """
        self._refuse_num_leaves(request)
        query = self._vector(vector, "query")
        if self._in_graph(request):
            return self._result(kind, *self._search_graph(query), request)
        return self._result(kind, *self._finder.find(query, request), request)

    @property
    def lexical_parts(self) -> Sequence[LexicalPart]:
        """The words of the items in the file, and of added ones.

        Raises:
            InvalidArgumentError: There is no lexical index.
            DamagedFileError: It is damaged.
        """
        if self._lexical_index is None:
            raise InvalidArgumentError(
                f"{self._file.name}: there is no lexical index; build the file with --lexical, or leave lexical='off'."
            )
        return self._finder.overlay.lexical_parts(self._lexical_index)

    @property
    def lexical(self) -> LexicalSearch:
        """The search by words. It raises the errors of `lexical_parts`."""
        self._lexical = kept = _renewed(self._lexical, self._finder.overlay.version, lambda: LexicalSearch(self.lexical_parts))
        return kept[1]

    def words_of(self, ids: np.ndarray) -> LexicalIndex | None:
        """The words of items that were not removed, `ids`, which ascend; None if words are not indexed.

        Raises:
            DamagedFileError: The index is damaged.
        """
        if self._lexical_index is None:
            return None
        base, *added = (part.index for part in self.lexical_parts)
        split = np.searchsorted(ids, self.built_items)
        return lexical.joined([base.take(ids[:split]), *(index.take(ids[split:] - self.built_items) for index in added)])

    @cached_property
    def _lexical_index(self) -> LexicalIndex | None:
        """The words of the items in the file; None if they are not indexed.

        Raises:
            DamagedFileError: The index is damaged.
        """
        if lexical.LIST not in self._file.entries:
            return None
        if lexical.DATA not in self._file.entries:
            raise DamagedFileError(f"{self._file.name}: associated file {lexical.DATA!r} is missing.")
        listed, place = self._file.read(lexical.LIST), self._file.entries[lexical.DATA]
        try:
            return lexical.decode(listed, self._file.content, place, self.manifest.items)
        except lexical.LexicalError as error:
            raise DamagedFileError(f"{self._file.name}: {error}.") from error

    def embedding(self, number: int) -> np.ndarray:
        """The stored embedding of an item that exists, `(d,)` float32. It raises the errors of `Finder.embedding`."""
        return self._finder.embedding(number)

    def find(self, wanted: Collection[bytes]) -> dict[int, bytes]:
        """The items that were not removed whose metadata is one of `wanted`, by id, ascending.

        Raises:
            DamagedFileError: The item table is damaged.
            SearcherError: The file was overwritten while it was open.
        """
        self._file.check_unchanged()
        try:
            built = self._items.find(wanted)
        except item_table.ItemTableError as error:
            raise DamagedFileError(f"{self._file.name}: {error}") from error
        found = built | self._finder.overlay.find(wanted)
        return {number: content for number, content in found.items() if self.has(number)}

    def present(self) -> np.ndarray:
        """The ids of all items that were not removed, ascending, int64."""
        return self._finder.overlay.present()

    @property
    def facts(self) -> SearchedFacts:
        """The facts of all ids, those of added items too."""
        overlay = self._finder.overlay
        self._all_facts = kept = _renewed(self._all_facts, overlay.version, lambda: SearchedFacts.of([self._facts, overlay.facts]))
        return kept[1]

    @property
    def means(self) -> Mapping[str, np.ndarray]:
        """The mean embeddings of sentences and of pictures, `text` and `image`, `(d,)` float32; empty if the file has none."""
        return {kind: np.array(values, np.float32) for kind, values in self.manifest.means.items()}

    def relevance_curve(self, kind: str) -> RelevanceCurve | None:
        """The relevance curve for queries of a kind, `text`, `image`, `audio` or `embedding`; None if the file has none."""
        return self._curves.get(f"search_{kind}")

    def add(self, vector: np.ndarray, metadata: bytes, facts: Mapping[str, Fact | None] | None = None, captions: Iterable[str] = ()) -> int:
        """Adds an item beside the graph, `(d,)` float32, and returns its id.

        Raises:
            InvalidArgumentError: The embedding has another dimension or norm than those of the file, or a value that is not finite. A fact
                has another type than its column.
        """
        row = self._vector(vector, "item")
        norm = float(np.linalg.norm(row))
        if self.manifest.normalized and abs(norm - 1) > manifest.NORM_TOLERANCE:
            raise InvalidArgumentError(
                f"{self._file.name}: the item's embedding has norm {norm:.4g}, the file's have 1; divide it by its norm."
            )
        known = checked(facts or {}, self.facts.types)
        words = None if self._lexical_index is None else terms(texts_of(metadata, known.values.values(), captions))
        return self._finder.overlay.add(row, metadata, known, words)

    def remove(self, item: int) -> None:
        """Hides an item of the file, or one that was added. Its id is not reused.

        Raises:
            InvalidArgumentError: The item does not exist.
        """
        self._finder.remove(item)

    def has(self, item: int) -> bool:
        """Whether an item exists and was not removed."""
        return self._finder.overlay.has(item)

    def save_overlay(self, path: Path) -> None:
        """Writes the added and removed items. It raises the errors of `Finder.save`."""
        self._finder.save(path)

    def load_overlay(self, path: Path) -> None:
        """Reads the added and removed items. It raises the errors of `Finder.load`."""
        self._finder.load(path, indexed=self._lexical_index is not None)

    def contents(self) -> tuple[np.ndarray, np.ndarray]:
        """All items that were not removed: ascending ids, and `(n, d)` float32 embeddings as they are stored.

        Raises:
            InvalidArgumentError: The rows cannot be found.
        """
        return self._finder.contents()

    def item(self, number: int) -> bytes:
        """The metadata of item `number`.

        Raises:
            DamagedFileError: The item does not exist.
            SearcherError: The file was overwritten while it was open.
        """
        self._file.check_unchanged()
        (content,) = self._metadata([number])
        return content

    def _metadata(self, numbers: Sequence[int]) -> list[bytes]:
        table, built = self._items, self.manifest.items
        try:
            return [table[number] if number < built else self._finder.overlay.metadata(number) for number in numbers]
        except (IndexError, item_table.ItemTableError) as error:
            raise DamagedFileError(f"{self._file.name}: {error}") from error

    def _vector(self, vector: np.ndarray, what: str) -> np.ndarray:
        values = np.asarray(vector, np.float32).reshape(-1)
        if len(values) != self.manifest.dimension:
            raise InvalidArgumentError(f"{self._file.name}: the {what} has {len(values)} dimensions, the index {self.manifest.dimension}.")
        graphs = self._runners.input_shape("search_embedding")[-1] if self.manifest.items else len(values)
        if graphs != len(values):  # the runtime would resize its input, and answer something
            raise DamagedFileError(f"{self._file.name}: the manifest says {len(values)} dimensions, the model has {graphs}.")
        # Twice as fast: the square of the norm is finite, unless a value is not, or very large ones overflow.
        if not math.isfinite(values.dot(values)) and not np.isfinite(values).all():
            raise InvalidArgumentError(f"{self._file.name}: the {what} embedding has a value that is not finite.")
        return values

    def _run(self, signature: str, query: np.ndarray | Mapping[str, np.ndarray]) -> Found:
        ids, distances, _ = self._search(signature, query)
        return ids, distances

    def _search(self, signature: str, query: np.ndarray | Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[float] | None]:
        """Ids and distances, and what the graph says of the query, if it says anything."""
        outputs = self._runners.run(signature, query)
        if "ids" not in outputs or "distances" not in outputs:
            raise DamagedFileError(f"{self._file.name}: {signature} gives {', '.join(outputs)}, expected distances and ids.")
        evidence = outputs[EVIDENCE][0].tolist() if EVIDENCE in outputs else None
        return outputs["ids"][0], outputs["distances"][0], evidence

    def _search_graph(self, vector: np.ndarray) -> Found:
        return self._run("search_embedding", vector[None])

    def _result(
        self, kind: str, ids: np.ndarray, distances: np.ndarray, request: SearchRequest, evidence: Sequence[float] | None = None
    ) -> SearchResult:
        """What was found, with its metadata; -1 among the ids ends it. There may be more than was requested."""
        curve, count = self.relevance_curve(kind), request.max_results
        items, near = ids[:count].tolist(), distances[:count].tolist()
        if -1 in items:
            items = items[: items.index(-1)]
            near = near[: len(items)]
        for distance in near:
            if distance != distance:  # NaN; only a tower makes one
                raise InvalidArgumentError(f"{self._file.name}: the {kind} tower gives an embedding of this query that is not finite.")
        found: float | None = None
        relevances: Sequence[float | None]
        if curve is None:
            relevances = [None] * len(items)
        elif items and curve.found is not None and evidence is not None:
            found, relevances = curve.found.judge(evidence, distances[ids >= 0].tolist())
        else:
            relevances = [curve(distance) for distance in near]
        neighbors = list(map(NearestNeighbor, self._metadata(items), near, relevances, items))
        return SearchResult(neighbors, found)

    def _in_graph(self, request: SearchRequest) -> bool:
        """Whether a signature of the graph alone can answer the request; a searcher without items has none for that."""
        enough = request.max_results <= self.manifest.k or self.manifest.items <= self.manifest.k
        return self.manifest.items > 0 and request.allowed is None and not self._finder.overlay.changed and enough

    def _refuse_num_leaves(self, request: SearchRequest) -> None:
        if request.num_leaves is not None:
            raise InvalidArgumentError(
                f"{self._file.name}: num_leaves_to_search is fixed in this graph; only on-device ScaNN indexes take it at query time."
            )


def _read_items(file: ModelFile, content: manifest.Manifest) -> item_table.ItemTable:
    if not content.items and item_table.OFFSETS not in file.entries:
        raise InvalidArgumentError(
            f"{file.name}: {NO_INDEX} It is an encoder file, without items; `maker export --empty` makes a searcher of it, to which items "
            "can be added."
        )
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


def _renewed(kept: tuple[int, T] | None, version: int, make: Callable[[], T]) -> tuple[int, T]:
    """What was made of this version of the overlay, or else what is made now: a change in the meantime makes it old."""
    return kept if kept is not None and kept[0] == version else (version, make())
