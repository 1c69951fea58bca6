"""Batches of images with some of their captions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

T = TypeVar("T")
U = TypeVar("U")
AHEAD = 2  # batches that are prepared while a step runs


def captions_by_image(images: np.ndarray) -> list[np.ndarray]:
    """For each image that has captions, its number and then theirs.

    Args:
        images: `(captions,)` the image of each caption.
    """
    order = np.argsort(images, kind="stable")
    values, starts = np.unique(images[order], return_index=True)
    return [np.concatenate([[image], group]) for image, group in zip(values, np.split(order, starts[1:]), strict=True)]


def mean_captions(by_image: Sequence[np.ndarray]) -> float:
    """How many captions an image has."""
    return float(np.mean([len(group) - 1 for group in by_image]))


def rounds(by_image: Sequence[np.ndarray], captions: int) -> int:
    """How often an epoch shows each image, so that it shows about every caption once."""
    return max(1, round(mean_captions(by_image) / captions))


def batches(by_image: Sequence[np.ndarray], batch: int, captions: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """An epoch of `(images, captions)`: in every round each image once, with the next of its captions in a random order."""
    shuffled = [rng.permutation(g[1:]) for g in by_image]
    for turn in range(rounds(by_image, captions)):
        order = rng.permutation(len(by_image))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            texts = [
                np.take(shuffled[i], range(turn * captions, turn * captions + min(captions, len(shuffled[i]))), mode="wrap") for i in chosen
            ]
            yield np.array([by_image[i][0] for i in chosen]), np.concatenate(texts)


def prepared(items: Iterable[T], prepare: Callable[[T], U]) -> Iterator[U]:
    """What `prepare` makes of each item, in order; the next ones are made in a thread while one is used."""
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(1) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(prepare, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
