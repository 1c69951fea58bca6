"""Batches of images with some of their captions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

T = TypeVar("T")
U = TypeVar("U")
PREFETCHED = 2  # batches that are prepared while a step runs


def captions_by_image(images: np.ndarray) -> list[np.ndarray]:
    """Groups captions by image.

    Args:
        images: `(captions,)` the number of the image that each caption describes.

    Returns:
        For each image that has captions: the number of the image, then the numbers of its captions.
    """
    order = np.argsort(images, kind="stable")
    values, starts = np.unique(images[order], return_index=True)
    return [np.concatenate([[image], group]) for image, group in zip(values, np.split(order, starts[1:]), strict=True)]


def mean_captions(by_image: Sequence[np.ndarray]) -> float:
    """The mean number of captions of an image."""
    return float(np.mean([len(group) - 1 for group in by_image]))


def rounds(by_image: Sequence[np.ndarray], captions: int) -> int:
    """How many times an epoch visits each image, so that it visits each caption about once."""
    return max(1, round(mean_captions(by_image) / captions))


def batches(by_image: Sequence[np.ndarray], batch: int, captions: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch, as `(images, captions)`. Each round visits each image once, with the next of its shuffled captions."""
    shuffled = [rng.permutation(g[1:]) for g in by_image]
    for number in range(rounds(by_image, captions)):
        order = rng.permutation(len(by_image))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            first = number * captions
            texts = [np.take(shuffled[i], range(first, first + min(captions, len(shuffled[i]))), mode="wrap") for i in chosen]
            yield np.array([by_image[i][0] for i in chosen]), np.concatenate(texts)


def prefetch(items: Iterable[T], prepare: Callable[[T], U]) -> Iterator[U]:
    """Yields `prepare(item)` for each item, in order. A thread prepares the next ones while the caller uses one."""
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(1) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(prepare, item))
                if len(waiting) > PREFETCHED:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
