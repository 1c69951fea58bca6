"""Groups of near-duplicates among the items of a searcher."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.data.duplicates import difference_hash
from maker.data.images import lies_within
from maker.data.items import image_of
from maker.data.pictures import load_picture
from maker.errors import DataError
from maker.progress import progress
from task.core import BaseOptions
from task.search import GraphEngine, SearchRequest

SIMILAR = 0.9  # cosine; two different photos of Flickr8k reach 0.87 at most in one of 150 cases, a stored copy 0.9 in three of four
NEIGHBOUR = 0.5  # cosine from which pictures are compared by their hash: a grey copy of a photo is farther than a copy of its kind
ALIKE = 6  # bits of 64 in which the hashes of a picture and its copy differ at most, if it was not cropped
ROUNDING = 1e-6  # of a cosine
NEIGHBOURS = 50  # of each item that are compared


@dataclass(frozen=True)
class Group:
    """Items that are near-duplicates, by a chain of pairs.

    Attributes:
        items: Their ids, ascending.
        similarities: The cosine of each with the first.
    """

    items: list[int]
    similarities: list[float]


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        groups: The groups, the largest first.
        metadata: The metadata of all items.
        unseen: How many pictures have no hash, because they cannot be read or are flat.
    """

    groups: list[Group]
    metadata: list[bytes]
    unseen: int


def find_duplicates(path: Path, images: Path | None = None, similarity: float = SIMILAR) -> Duplicates:
    """Groups the items of a searcher whose embeddings are nearly alike, or whose pictures are.

    Each item is compared with its nearest neighbours, which the searcher finds. Two items are near-duplicates if the cosine of their
    embeddings is at least `similarity`. With `images`, they also are if it is at least 0.5 and the hashes (dHash) of their pictures
    differ in at most 6 of 64 bits. The hash recognises copies that were made smaller, brighter or grey, but not cropped ones. Flat pictures
    have no hash.

    Args:
        path: The searcher.
        images: The folder that the paths in the metadata are relative to; None compares embeddings only.
        similarity: The least cosine, in (0, 1].

    Raises:
        TaskError: The searcher cannot be opened.
    """
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    try:
        ids, rows = engine.contents()
        metadata = [engine.item(int(item)) for item in ids]
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        directions = rows / np.maximum(norms, np.finfo(np.float32).tiny)
        hashes = np.zeros(len(ids), np.uint64) if images is None else _hashes(images, metadata)
        parents = np.arange(len(ids))
        request = SearchRequest(max_results=NEIGHBOURS)
        for item, row in enumerate(progress(rows, "compared")):
            others = np.array([neighbor.id for neighbor in engine.search_embedding(row, request).nearest_neighbors if neighbor.id > item])
            if len(others):
                cosines = directions[others] @ directions[item]
                alike = (cosines >= NEIGHBOUR) & (hashes[item] != 0) & (hashes[others] != 0)
                alike &= _different_bits(hashes[others], hashes[item]) <= ALIKE
                for other in others[(cosines >= similarity - ROUNDING) | alike]:
                    _join(parents, item, int(other))
        return Duplicates(_groups(parents, directions), metadata, 0 if images is None else int((hashes == 0).sum()))
    finally:
        engine.close()


def _hashes(images: Path, metadata: Sequence[bytes]) -> np.ndarray:
    """The hash of each item's picture, `(n,)` uint64; 0 where there is none."""
    hashes = np.zeros(len(metadata), np.uint64)
    for place, entry in enumerate(progress(metadata, "pictures")):
        name = image_of(entry)
        if name and lies_within(name):
            with suppress(DataError):  # counted by the caller
                hashes[place] = difference_hash(load_picture(images / name, 64))
    return hashes


def _different_bits(hashes: np.ndarray, other: np.uint64) -> np.ndarray:
    return np.unpackbits((hashes ^ other).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)


def _join(parents: np.ndarray, one: int, other: int) -> None:
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first


def _root(parents: np.ndarray, item: int) -> int:
    while parents[item] != item:
        parents[item] = parents[parents[item]]
        item = int(parents[item])
    return item


def _groups(parents: np.ndarray, directions: np.ndarray) -> list[Group]:
    members: dict[int, list[int]] = {}
    for item in range(len(parents)):
        members.setdefault(_root(parents, item), []).append(item)
    found = [
        Group(items, [float(cosine) for cosine in directions[items] @ directions[items[0]]]) for items in members.values() if len(items) > 1
    ]
    return sorted(found, key=lambda group: (-len(group.items), group.items[0]))
