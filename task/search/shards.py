"""Searches several searchers with the same towers as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..errors import InvalidArgumentError
from ..format.preparation import Preparation
from ..format.sound_format import SoundFormat
from ..processor.relevance import RelevanceCurve
from ..processor.results import SearchResult
from .engine import EMBEDDING, Engine
from .facts import SearchedFacts
from .fixed_items import FixedItems
from .lexical import LexicalPart
from .request import SearchRequest

PROBE = "a photo of two people and a dog"
LEAST = 4_000_000  # values that the search of a shard reads; one of fewer ends before a thread begins
TOLERANCE = 1e-3  # relative difference between embeddings of a probe; equal towers on one machine differ much less


class ShardedEngine(FixedItems):
    """Embeds a query once, searches every shard and merges the results by distance; thread-safe.

    Ids continue from shard to shard: the first id of the second shard is the number of items in the first. Shards are searched at the same
    time by threads of the engine, one a core, if each takes long enough. A shard always has the same thread, because each thread has an
    interpreter of its own.
    """

    def __init__(self, shards: Sequence[Engine], names: Sequence[str]) -> None:
        """Takes ownership of the shards.

        Args:
            shards: At least one.
            names: The name of each in errors.

        Raises:
            InvalidArgumentError: The shards have different dimensions, distances or towers.
        """
        self._shards, self._names = list(shards), list(names)
        _check(self._shards, self._names)
        self._starts = np.cumsum([0, *(shard.items for shard in shards)])
        takes_long = sum(shard.values_scanned for shard in shards) >= LEAST * len(shards)
        cores = min(_cores(), len(self._shards)) if takes_long else 1
        self._threads = [ThreadPoolExecutor(1, f"shards-{number}") for number in range(cores)] if cores > 1 else []

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""
        return self._shards[0].dimension

    @property
    def distance(self) -> str:
        """The distance: `dot_product`, which is negated, or `squared_l2`."""
        return self._shards[0].distance

    @property
    def preparation(self) -> Preparation:
        """How to bring an image to `image_size`."""
        return self._shards[0].preparation

    @property
    def user_info(self) -> str:
        """The text of the builder of the first shard."""
        return self._shards[0].user_info

    @property
    def items(self) -> int:
        """The number of items in all shards."""
        return int(self._starts[-1])

    def item(self, number: int) -> bytes:
        """The metadata of an item in `[0, items)`."""
        shard, place = self._located(number)
        return shard.item(place)

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence."""
        return self._shards[0].embed_text(text)

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image with the size of `image_size`."""
        return self._shards[0].embed_image(pixels)

    def image_size(self) -> tuple[int, int]:
        """The height and width of image queries, in pixels."""
        return self._shards[0].image_size()

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of a sound as `sound_format` says."""
        return self._shards[0].embed_audio(samples)

    @property
    def sound_format(self) -> SoundFormat:
        """Rate and number of samples of sound queries."""
        return self._shards[0].sound_format

    def search_text(self, query: str, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sentence."""
        vector = self.embed_text(query)
        return self.search_embedding(vector, request, "text") if vector.any() else SearchResult([])

    def search_image(self, pixels: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to an image."""
        return self.search_embedding(self.embed_image(pixels), request, "image")

    def search_audio(self, samples: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sound."""
        return self.search_embedding(self.embed_audio(samples), request, "audio")

    def search_embedding(self, vector: np.ndarray, request: SearchRequest, kind: str = EMBEDDING) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32, which is not normalised."""
        asked = [(shard, self._part(request, number)) for number, shard in enumerate(self._shards)]

        def search(every: int, first: int) -> list[SearchResult]:
            return [shard.search_embedding(vector, part, kind) for shard, part in asked[first::every]]

        results: list[SearchResult] = [SearchResult([])] * len(asked)
        if self._threads:
            every = len(self._threads)
            searched = [thread.submit(search, every, first) for first, thread in enumerate(self._threads)]
            for first, found in enumerate(searched):
                results[first::every] = found.result()
        else:
            results = search(1, 0)
        neighbors = [
            replace(neighbor, id=neighbor.id + start)
            for start, result in zip(self._starts.tolist(), results, strict=False)
            for neighbor in result.nearest_neighbors
        ]
        if self.relevance_curve(kind) is None:
            neighbors = [replace(neighbor, relevance=None) for neighbor in neighbors]
        return SearchResult(sorted(neighbors, key=lambda neighbor: neighbor.distance)[: request.max_results])

    def _part(self, request: SearchRequest, number: int) -> SearchRequest:
        """What a shard is asked for."""
        if request.allowed is None:
            return request
        start, end = self._starts[number : number + 2].tolist()
        first, last = np.searchsorted(request.allowed, (start, end))
        return replace(request, allowed=request.allowed[first:last] - start)

    def find(self, wanted: Collection[bytes]) -> dict[int, bytes]:
        """The items whose metadata is one of `wanted`, by id, ascending."""
        found = zip(self._starts.tolist(), self._shards, strict=False)
        return {start + number: content for start, shard in found for number, content in shard.find(wanted).items()}

    def embedding(self, number: int) -> np.ndarray:
        """The stored embedding of an item, `(d,)` float32."""
        shard, place = self._located(number)
        return shard.embedding(place)

    def _located(self, number: int) -> tuple[Engine, int]:
        """The shard of an item, and its id there."""
        shard = min(int(np.searchsorted(self._starts, number, side="right")) - 1, len(self._shards) - 1)
        return self._shards[shard], number - int(self._starts[shard])

    @cached_property
    def facts(self) -> SearchedFacts:
        """The facts of the items of all shards."""
        return SearchedFacts.of([part for shard in self._shards for part in shard.facts.parts])

    @property
    def lexical_parts(self) -> Sequence[LexicalPart]:
        """The words of the items of all shards."""
        return [part for shard in self._shards for part in shard.lexical_parts]

    @property
    def means(self) -> Mapping[str, np.ndarray]:
        """The means of the first shard."""
        return self._shards[0].means

    def relevance_curve(self, kind: str) -> RelevanceCurve | None:
        """The curve of all shards; None if they differ, because a curve is only valid for the items that it was fitted on."""
        first, *others = (shard.relevance_curve(kind) for shard in self._shards)
        return first if all(curve == first for curve in others) else None

    def close(self) -> None:
        """Closes the shards."""
        for thread in self._threads:
            thread.shutdown()
        for shard in self._shards:
            shard.close()

    def _unchangeable(self) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self._names[0]}: it is one of {len(self._names)} shards, which take no changes; open one of them alone."
        )


def _cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(shards: list[Engine], names: list[str]) -> None:
    first = shards[0]
    looks: tuple[tuple[str, Callable[[Engine], object]], ...] = (
        ("dimensions", lambda shard: shard.dimension),
        ("distance", lambda shard: shard.distance),
        ("image size", _image_size),
        ("text queries", lambda shard: _probe_text(shard) is not None),
    )
    for shard, name in zip(shards[1:], names[1:], strict=True):
        for what, look in looks:
            if look(shard) != look(first):
                raise InvalidArgumentError(
                    f"{name}: {what} {look(shard)}, but {names[0]} has {look(first)}; shards have to be made with the same towers."
                )
        for what, probe in (("a sentence", _probe_text), ("an image", _probe_image)):
            one, other = probe(first), probe(shard)
            if one is not None and other is not None and np.linalg.norm(one - other) > TOLERANCE * np.linalg.norm(one):
                raise InvalidArgumentError(
                    f"{name}: its tower embeds {what} differently from that of {names[0]}; shards have to be built with the same towers."
                )


def _probe_text(shard: Engine) -> np.ndarray | None:
    try:
        return shard.embed_text(PROBE)
    except InvalidArgumentError:
        return None


def _image_size(shard: Engine) -> tuple[int, int] | None:
    try:
        return shard.image_size()
    except InvalidArgumentError:
        return None


def _probe_image(shard: Engine) -> np.ndarray | None:
    size = _image_size(shard)
    if size is None:
        return None
    return shard.embed_image((np.arange(size[0] * size[1] * 3) * 7 % 256).astype(np.uint8).reshape(*size, 3))
