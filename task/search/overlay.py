"""Items that were added to or removed from an open searcher, searched beside its graph."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Collection, Mapping

import numpy as np

from ..errors import InvalidArgumentError
from ..format.facts import Column, values_of
from ..format.lexical import LexicalIndex
from ..format.overlay_file import INT8, MOST_ADDED, MOST_IDS, OverlayContent, quantise
from .added_rows import FIRST_CAPACITY, AddedRows
from .facts import AddedFacts, CheckedFacts
from .lexical import LexicalPart
from .nearest import among_nearest, nearest
from .products import products
from .words import terms, texts_of

MANY = 50_000  # added items, from which on a line says that an index is faster
NO_WORDS = np.empty(0, np.uint32)
LARGEST = float(np.finfo(np.float32).max)


class Overlay:
    """Added rows and hidden items; thread-safe. Writers wait for each other, readers never wait.

    Rows that a file stores in 8 bits are rounded as soon as they are added, so that a search finds the same before and after it is saved.

    Attributes:
        base_items: Number of items in the base; ids from this one on belong to the overlay.
        changed: Whether an item was ever added or removed.
        version: The number of changes.
    """

    def __init__(self, base_items: int, dimension: int, distance: str, rows: str = INT8) -> None:
        """Starts without added or removed items.

        Args:
            base_items: Number of items in the base.
            dimension: Of the embeddings.
            distance: `dot_product` or `squared_l2`.
            rows: How rows are stored, `int8` or `float32`.
        """
        self.base_items, self.changed = base_items, False
        self._rounds = rows == INT8
        self._l2 = distance == "squared_l2"
        self._lock = threading.Lock()
        self._next_id = base_items
        self._metadata: list[bytes] = []  # in the order in which they were added
        self._space = self._added = AddedRows.allocate(0, dimension)
        self._facts: dict[int, Mapping[str, object]] = {}  # by id
        self._added_facts = AddedFacts({}, {}, range(base_items, base_items))
        self._hidden: np.ndarray | None = None  # (base_items,) bool
        self._dead = 0
        self._terms: dict[int, np.ndarray] = {}  # numbers of words by id, where words are indexed
        self.version = 0

    @property
    def next_id(self) -> int:
        """The id of the next added item."""
        return self._next_id

    @property
    def facts(self) -> AddedFacts:
        """The facts of the added items."""
        return self._added_facts

    def add(self, vector: np.ndarray, metadata: bytes, facts: CheckedFacts, terms: np.ndarray | None = None) -> int:
        """Adds an item, `(d,)` float32, and returns its id; `terms` are the numbers of its words, where words are indexed."""
        with self._lock:
            if self._next_id >= min(MOST_IDS, self.base_items + MOST_ADDED):
                raise InvalidArgumentError("there are no ids left; fold the overlay in with `maker index --update`.")
            for name, kind in facts.types.items():
                if self._added_facts.types.get(name, kind) != kind:  # another thread added the column meanwhile
                    raise InvalidArgumentError(f"facts: {name!r} is a {kind}, but the column has type {self._added_facts.types[name]}.")
            self._append(vector[None], None, np.array([self._next_id], np.int64), [metadata])
            self._facts[self._next_id] = facts.values
            if terms is not None:
                self._terms[self._next_id] = terms
            self._next_id += 1
            self._show_facts(facts.types)
            self.changed = True
            self.version += 1
            item, count = self._next_id - 1, len(self._added)
        if count == MANY:
            _say_many(count)
        return item

    def remove(self, item: int) -> None:
        """Hides an item permanently.

        Raises:
            InvalidArgumentError: The item does not exist, or it was already removed.
        """
        with self._lock:
            if not self._has(item):
                raise InvalidArgumentError(
                    f"there is no item {item} to remove; ids go from 0 to {self._next_id - 1}, removed ones left out."
                )
            if item < self.base_items:
                if self._hidden is None:
                    self._hidden = np.zeros(self.base_items, np.bool_)
                self._hidden[item] = True
            else:
                self._added.remove(item)
                self._dead += 1
                self._facts.pop(item, None)
                self._terms.pop(item, None)
            self.changed = True
            self.version += 1

    def metadata(self, item: int) -> bytes:
        """The metadata of an added item. A search that runs while the item is removed can still read it.

        Raises:
            IndexError: The item does not exist.
        """
        order = self._added.order(item)
        if order < 0:
            raise IndexError(f"item {item} of {self._next_id}")
        return self._metadata[order]

    def embedding(self, item: int) -> np.ndarray:
        """The embedding of an added item that exists, `(d,)` float32."""
        added = self._added
        return added.rows[added.places[added.order(item)]].copy()

    def has(self, item: int) -> bool:
        """Whether an item, in the base or added, exists and was not removed."""
        with self._lock:
            return self._has(item)

    def shown(self, ids: np.ndarray) -> np.ndarray:
        """A mask: which of these items of the base were not removed."""
        return np.ones(len(ids), np.bool_) if self._hidden is None else ~self._hidden[ids]

    def without_removed(self, ids: np.ndarray) -> np.ndarray:
        """Those of the items of the base, `ids`, that were not removed."""
        return ids if self._hidden is None else ids[~self._hidden[ids]]

    def base(self) -> np.ndarray:
        """All items of the base that were not removed, ascending."""
        return np.arange(self.base_items) if self._hidden is None else np.flatnonzero(~self._hidden)

    def present(self) -> np.ndarray:
        """All items of the base and added ones that were not removed, ascending, int64."""
        with self._lock:
            return np.concatenate([self.base(), self._added.known[self._added.left()]])

    def find(self, wanted: Collection[bytes]) -> dict[int, bytes]:
        """The added items that were not removed whose metadata is one of `wanted`, by id, ascending."""
        chosen = frozenset(wanted)
        with self._lock:
            left = [order for order in self._added.left().tolist() if self._metadata[order] in chosen]
            return {int(self._added.known[order]): self._metadata[order] for order in left}

    def nearest(self, query: np.ndarray, count: int, ids: np.ndarray | None = None, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
        """The nearest among the added items.

        Args:
            query: `(d,)` float32; it is not quantised.
            count: Maximum number of results.
            ids: The added items to search, ascending; all if None.
            limit: Leave out items with a larger distance.

        Returns:
            Ids, int64, and their distances, float32; the nearest first.
        """
        added, dead = self._added, self._dead
        if ids is None:
            places, dots = added.scanned(query, self._l2, self.base_items)
        else:
            places = added.places_of(ids)
            dots = products(added.rows[places], query)
        distances = -dots
        if self._l2:
            distances = np.maximum(np.float32(query @ query) + 2 * distances + added.norms[places], 0)
        if dead:
            distances[~added.alive[places]] = np.inf
        near = np.flatnonzero(distances <= min(limit, LARGEST))
        near = near[among_nearest(distances[near], count)]
        near_ids = added.ids[near if isinstance(places, slice) else places[near]]
        best = nearest(near_ids, distances[near], count)
        return near_ids[best], distances[near[best]]

    def content(self, base: str) -> OverlayContent:
        """The content for a file; `base` is the fingerprint of the base."""
        with self._lock:
            left, added = self._added.left(), self._added
            places, ids = added.places[left], added.known[left]
            return OverlayContent(
                base=base,
                items=self.base_items,
                next_id=self._next_id,
                rows=added.rows[places],
                scales=added.scales[places] if self._rounds else None,
                ids=ids,
                metadata=[self._metadata[order] for order in left],
                facts=self._columns(ids),
                lexical=self._words(ids) if self._terms else None,
                removed=np.empty(0, np.int64) if self._hidden is None else np.flatnonzero(self._hidden),
            )

    def lexical_parts(self, base: LexicalIndex) -> list[LexicalPart]:
        """The words of the base, `base`, and of the added items."""
        with self._lock:
            parts = [LexicalPart(base, self._hidden)]
            if self._next_id > self.base_items:
                added = np.arange(self.base_items, self._next_id)
                gone = np.ones(len(added), np.bool_)
                gone[self._added.known[self._added.left()] - self.base_items] = False
                parts.append(LexicalPart(self._words(added), gone))
            return parts

    def load(self, content: OverlayContent, indexed: bool) -> None:
        """Takes a file's content over; only before the first change. `indexed` says whether the words of the base are indexed."""
        with self._lock:
            self._append(content.rows, content.scales, content.ids.astype(np.int64), list(content.metadata))
            self._next_id = content.next_id
            self._load_facts(content)
            if indexed:
                self._load_words(content)
            if len(content.removed):
                self._hidden = np.zeros(self.base_items, np.bool_)
                self._hidden[content.removed] = True
            self.changed = self._next_id > self.base_items or self._hidden is not None
            self.version += 1
            count = len(self._added)
        if count >= MANY:
            _say_many(count)

    def _show_facts(self, types: Mapping[str, str]) -> None:
        """Replaces what readers see of the facts, after a change; `types` are those of new columns."""
        known = {**self._added_facts.types, **types}  # columns stay in the order in which they came
        self._added_facts = AddedFacts(self._facts, known, range(self.base_items, self._next_id))

    def _columns(self, ids: np.ndarray) -> dict[str, Column]:
        return {name: self._added_facts.read(name).take(ids - self.base_items) for name in self._added_facts.types}

    def _load_facts(self, content: OverlayContent) -> None:
        values = {name: values_of(column) for name, column in content.facts.items()}
        for place, item in enumerate(content.ids.tolist()):
            self._facts[item] = {name: known[place] for name, known in values.items() if known[place] is not None}
        self._show_facts({name: column.type for name, column in content.facts.items()})

    def _words(self, ids: np.ndarray) -> LexicalIndex:
        """The words of some added items; no word is left out."""
        held = np.intersect1d(ids, np.array(list(self._terms), np.int64), assume_unique=True)
        known = [self._terms[item] for item in held.tolist()]
        items = np.repeat(np.searchsorted(ids, held), [len(terms) for terms in known])
        return LexicalIndex.of(np.concatenate([NO_WORDS, *known]), items, len(ids), leave_out=False)

    def _load_words(self, content: OverlayContent) -> None:
        if content.lexical is None:  # of a release that did not store them; it knew no captions
            for item, metadata in zip(content.ids.tolist(), content.metadata, strict=True):
                self._terms[item] = terms(texts_of(metadata, self._facts[item].values()))
            return
        words, places = content.lexical.pairs()
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(len(content.ids) + 1)).tolist()
        for item, start, end in zip(content.ids.tolist(), bounds[:-1], bounds[1:], strict=True):
            self._terms[item] = words[order[start:end]]

    def _append(self, rows: np.ndarray, scales: np.ndarray | None, ids: np.ndarray, metadata: list[bytes]) -> None:
        if not self._rounds:
            scales = np.ones(len(rows), np.float32)
        elif scales is None:
            rows, scales = quantise(rows)
        start, end = len(self._added), len(self._added) + len(ids)
        if end > len(self._space):
            self._space = self._added.grown(max(2 * len(self._space), end, FIRST_CAPACITY))
        space, new = self._space, slice(start, end)
        space.rows[new], space.scales[new], space.norms[new] = rows, scales, np.einsum("nd,nd->n", rows, rows)
        space.ids[new], space.known[new], space.places[new], space.alive[new] = ids, ids, np.arange(start, end), True
        self._metadata.extend(metadata)
        self._added = space.first(end)
        regrouped = self._added.regrouped()
        if regrouped is not self._added:
            self._space = self._added = regrouped

    def _has(self, item: int) -> bool:
        if not 0 <= item < self._next_id:
            return False
        if item < self.base_items:
            return self._hidden is None or not self._hidden[item]
        added = self._added
        order = added.order(item)
        return order >= 0 and bool(added.alive[added.places[order]])


def _say_many(count: int) -> None:
    warnings.warn(
        f"{count:,} items were added; make one file of them and the searcher, which has an index and is faster: `maker index --update`",
        stacklevel=2,
    )
