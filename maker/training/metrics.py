"""Retrieval metrics over embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CUTOFFS = (1, 5, 10)  # the k of R@k
BLOCK = 2048
DRAWS = 1000  # resamplings of a bootstrap
FEW_IMAGES = 100  # below this, a bootstrap promises too narrow an interval: of ten hits in ten tries it makes 100 to 100 %
NORMAL_95 = 1.96  # the two-sided 95 % quantile of the normal distribution


def ranks(queries: np.ndarray, items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The rank of each query's target among the items, by dot product (higher is nearer).

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32.
        targets: `(q,)` the item that answers each query.

    Returns:
        `(q,)` float64 from 0, the best. Items that tie with the target count half, so that a constant model scores low.
    """
    found = np.empty(len(queries), np.float64)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK] @ items.T
        target = scores[np.arange(len(scores)), targets[start : start + BLOCK]][:, None]
        found[start : start + BLOCK] = (scores > target).sum(1) + ((scores == target).sum(1) - 1) / 2
    return found


def interval(ranks: np.ndarray, groups: np.ndarray, k: int, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of R@k in percent; `ranks` from 0, other arguments as in `mean_interval`."""
    return mean_interval(100 * (ranks < k), groups, 2, draws, seed, largest=100)


def mean_interval(
    values: np.ndarray, groups: np.ndarray, digits: int = 2, draws: int = DRAWS, seed: int = 0, largest: float | None = None
) -> tuple[float, float]:
    """The 95 % interval of a mean: by bootstrap over images (Efron, Tibshirani, 1993, chapter 13), or of few images by Wilson's score.

    Wilson's interval (1927) takes the images as independent tries. It is that of a share, and no interval that is too narrow for another
    mean of values between 0 and `largest`, whose variance is at most a share's.

    Args:
        values: `(q,)` one per query.
        groups: `(q,)` the image of each query. Captions of one image are not independent, so they are drawn together.
        digits: Decimals of the result.
        draws: Number of resamplings.
        seed: Seed of the resampling.
        largest: The largest value that is possible, if the smallest is 0. Then fewer than `FEW_IMAGES` images get Wilson's interval.

    Returns:
        The lower and the upper end.
    """
    if largest is not None and len(np.unique(groups)) < FEW_IMAGES:
        low, high = _wilson(float(np.mean(values)) / largest, len(np.unique(groups)))
        return round(largest * low, digits), round(largest * high, digits)
    _, number = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(number, values), np.bincount(number)
    chosen = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    return _ends(sums[chosen].sum(1) / sizes[chosen].sum(1), digits)


def _wilson(share: float, tries: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share."""
    squared = NORMAL_95**2 / tries
    middle, half = share + squared / 2, NORMAL_95 * math.sqrt(share * (1 - share) / tries + squared / (4 * tries))
    return max(0.0, (middle - half) / (1 + squared)), min(1.0, (middle + half) / (1 + squared))


def chance(k: int, items: int, positives: np.ndarray | None = None) -> float:
    """R@k in percent of results in random order.

    Args:
        k: The number of results.
        items: The number of items.
        positives: `(q,)` how many items answer each query; None for one each.
    """
    k = min(k, items)
    if positives is None:
        return 100 * k / items
    # The first k results hold no positive with the probability C(n - p, k) / C(n, k).
    missed = [math.prod(max(0, items - int(p) - i) / (items - i) for i in range(k)) for p in positives]
    return 100 * (1 - float(np.mean(missed)))


def few_images(retrieval: Mapping[str, Any]) -> str:
    """A warning in words if figures of `retrieval` with `images` come from few images; else empty."""
    images = retrieval["images"]
    if images >= FEW_IMAGES:
        return ""
    by_chance = retrieval.get("R@10_chance")
    beside = f" and a random order reaches R@10 {by_chance:.0f} %" if by_chance is not None and by_chance >= 5 else ""
    return f"only {images} held-out images, fewer than {FEW_IMAGES}: the figures are rough{beside}"


def median_interval(values: np.ndarray, groups: np.ndarray, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval of a median; arguments as in `mean_interval`."""
    _, number = np.unique(groups, return_inverse=True)
    order = np.argsort(values, kind="stable")
    ascending, number, count = values[order], number[order], number.max() + 1
    rng = np.random.default_rng(seed)
    medians = np.empty(draws)
    for draw in range(draws):
        # Cumulated counts of the drawn queries, in ascending order of their values: the median is where they reach half.
        times = np.bincount(rng.integers(0, count, count), minlength=count)[number].cumsum()
        medians[draw] = ascending[np.searchsorted(times, [(times[-1] - 1) // 2, times[-1] // 2], "right")].mean()
    return _ends(medians, 1)


def retrieval(
    ranks: np.ndarray, groups: np.ndarray, limit: int | None = None, *, items: int, positives: np.ndarray | None = None
) -> dict[str, object]:
    """R@1, R@5, R@10 in percent, the median rank (1 is best) and the mean reciprocal rank, each with its 95 % interval.

    `R@k_chance` is what a random order of the items reaches.

    Args:
        ranks: `(q,)` ranks from 0.
        groups: `(q,)` the image of each query.
        limit: Ranks are known only below `limit`; all others equal it. Then R@k ends at `limit`, a median beyond it is the text
            `> limit`, and the mean reciprocal rank becomes `MRR@limit`, where ranks from `limit` on count 0.
        items: The number of items that were ranked.
        positives: `(q,)` how many items answer each query; None for one each.
    """
    reciprocal = 1 / (ranks + 1) if limit is None else np.where(ranks < limit, 1 / (ranks + 1), 0)
    mean = "MRR" if limit is None else f"MRR@{limit}"
    figures: dict[str, object] = {}
    for k in [k for k in CUTOFFS if limit is None or k <= limit]:
        figures |= {f"R@{k}": round(100 * float((ranks < k).mean()), 2), f"R@{k}_interval": interval(ranks, groups, k)}
        figures[f"R@{k}_chance"] = round(chance(k, items, positives), 2)

    def from_one(rank: float) -> float | str:
        return rank + 1 if limit is None or rank < limit else f"> {limit}"

    low, high = median_interval(ranks, groups)
    figures |= {"median_rank": from_one(float(np.median(ranks))), "median_rank_interval": (from_one(low), from_one(high))}
    return figures | {mean: round(float(reciprocal.mean()), 4), f"{mean}_interval": mean_interval(reciprocal, groups, 4, largest=1)}


def by_language(ranks: np.ndarray, groups: np.ndarray, languages: np.ndarray, limit: int | None = None, *, items: int) -> dict[str, object]:
    """`retrieval` of all queries and, if there are several languages, of each one under `languages`."""
    figures = retrieval(ranks, groups, limit, items=items)
    names = sorted(set(languages))
    if len(names) > 1:
        parts = {name: languages == name for name in names}
        figures["languages"] = {name: retrieval(ranks[part], groups[part], limit, items=items) for name, part in parts.items()}
    return figures


def image_to_text(images: np.ndarray, texts: np.ndarray, described: np.ndarray, languages: np.ndarray) -> dict[str, object]:
    """`retrieval` with images as queries and captions as items; the best-ranked caption of an image counts.

    If there are several languages, `languages` holds the same among the captions of each one.

    Args:
        images: `(n, d)` float32.
        texts: `(q, d)` float32.
        described: `(q,)` the image that each caption describes; every image has a caption.
        languages: `(q,)` the language of each caption.
    """
    figures = _captions_found(images, texts, described)
    names = sorted(set(languages))
    if len(names) > 1:
        parts: dict[str, object] = {}
        for name in names:
            used, within = np.unique(described[languages == name], return_inverse=True)
            parts[name] = _captions_found(images[used], texts[languages == name], within)
        figures["languages"] = parts
    return figures


def _captions_found(images: np.ndarray, texts: np.ndarray, described: np.ndarray) -> dict[str, object]:
    """`retrieval` with images as queries; arguments as in `image_to_text`."""
    found = nearest_positive_ranks(images, texts, described)
    return retrieval(found, np.arange(len(images)), items=len(texts), positives=np.bincount(described, minlength=len(images)))


def _ends(drawn: np.ndarray, digits: int) -> tuple[float, float]:
    low, high = np.percentile(drawn, (2.5, 97.5))
    return round(float(low), digits), round(float(high), digits)


def nearest_positive_ranks(queries: np.ndarray, items: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The rank of the best positive of each query among the items, by dot product (higher is nearer).

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32.
        positives: `(n,)` the query that each item answers.

    Returns:
        `(q,)` float64 from 0, the best. Queries without a positive have rank n.
    """
    found = np.empty(len(queries), np.float64)
    for row, query in enumerate(queries):
        scores = items @ query
        answers = scores[positives == row]
        found[row] = (scores > answers.max()).sum() if len(answers) else len(items)
    return found


def recall(ranks: np.ndarray) -> dict[str, float]:
    """R@1, R@5 and R@10 in percent: the share of queries with a rank, from 0, below k."""
    return {f"R@{k}": round(100 * float((ranks < k).mean()), 2) for k in CUTOFFS}


def epoch_figures(ranks: np.ndarray) -> dict[str, float]:
    """R@1, R@5 and R@10 in percent, and the mean reciprocal rank, by which the epochs of few images are compared."""
    return {**recall(ranks), "MRR": round(float((1 / (ranks + 1)).mean()), 4)}


def selects_by(images: int) -> str:
    """The figure that the best epoch is chosen by. Among few images, R@10 is near 100 % in every epoch and tells nothing."""
    return "MRR" if images < FEW_IMAGES else "R@10"


def best_epoch(history: Sequence[Mapping[str, Any]], by: str) -> Mapping[str, Any] | None:
    """The selected entry of a training history: the first with the largest `by`, and of equal ones the largest MRR; None if none has it."""
    measured = [entry for entry in history if by in entry]
    return max(measured, key=lambda entry: (entry[by], entry.get("MRR", 0.0)), default=None)
