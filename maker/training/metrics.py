"""Retrieval figures over embeddings."""

from __future__ import annotations

import numpy as np

CUTS = (1, 5, 10)
BLOCK = 2048
DRAWS = 1000  # resamplings of a bootstrap


def ranks(queries: np.ndarray, items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How many items are nearer to each query than its target, by dot product.

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32.
        targets: `(q,)` the item that answers each query.

    Returns:
        `(q,)` int; 0 is best. Items that tie with the target count as half, so that a constant model does not score.
    """
    found = np.empty(len(queries), np.float64)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK] @ items.T
        own = scores[np.arange(len(scores)), targets[start : start + BLOCK]][:, None]
        found[start : start + BLOCK] = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return found


def interval(found: np.ndarray, groups: np.ndarray, cut: int, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval of R@cut in percent; arguments as in `mean_interval`."""
    return mean_interval(100 * (found < cut), groups, 2, draws, seed)


def mean_interval(values: np.ndarray, groups: np.ndarray, digits: int = 2, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval of a mean (Efron, Tibshirani, 1993, chapter 13), drawn by image.

    Args:
        values: `(q,)` one a query.
        groups: `(q,)` the image of each query: captions of one image are not independent.
        digits: What the ends are rounded to.
        draws: Resamplings.
        seed: Of the resampling.
    """
    _, number = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(number, values), np.bincount(number)
    chosen = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    return _ends(sums[chosen].sum(1) / sizes[chosen].sum(1), digits)


def median_interval(values: np.ndarray, groups: np.ndarray, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The same of the median."""
    _, number = np.unique(groups, return_inverse=True)
    order = np.argsort(values, kind="stable")
    ascending, number, count = values[order], number[order], number.max() + 1
    rng = np.random.default_rng(seed)
    medians = np.empty(draws)
    for draw in range(draws):
        # How often each query was drawn; the median lies where half of them are behind.
        times = np.bincount(rng.integers(0, count, count), minlength=count)[number].cumsum()
        medians[draw] = ascending[np.searchsorted(times, [(times[-1] - 1) // 2, times[-1] // 2], "right")].mean()
    return _ends(medians, 1)


def retrieval(found: np.ndarray, groups: np.ndarray, limit: int | None = None) -> dict[str, object]:
    """R@1, R@5, R@10 in percent, the median rank (1 is best) and the mean reciprocal rank, each with its 95 % interval.

    Args:
        found: `(q,)` ranks from 0.
        groups: `(q,)` the image of each query.
        limit: Only ranks below it are known, the others are at `limit`: R@k stops there, a median beyond it is the text `> limit`, and the
            mean reciprocal rank is `MRR@limit`, to which ranks beyond add nothing.
    """
    reciprocal = 1 / (found + 1) if limit is None else np.where(found < limit, 1 / (found + 1), 0)
    mean = "MRR" if limit is None else f"MRR@{limit}"
    figures: dict[str, object] = {}
    for cut in [cut for cut in CUTS if limit is None or cut <= limit]:
        figures |= {f"R@{cut}": round(100 * float((found < cut).mean()), 2), f"R@{cut}_interval": interval(found, groups, cut)}

    def from_one(rank: float) -> float | str:
        return rank + 1 if limit is None or rank < limit else f"> {limit}"

    low, high = median_interval(found, groups)
    figures |= {"median_rank": from_one(float(np.median(found))), "median_rank_interval": (from_one(low), from_one(high))}
    return figures | {mean: round(float(reciprocal.mean()), 4), f"{mean}_interval": mean_interval(reciprocal, groups, 4)}


def by_language(found: np.ndarray, groups: np.ndarray, languages: np.ndarray, limit: int | None = None) -> dict[str, object]:
    """`retrieval` of all queries and, where there are several languages, of each in `languages`."""
    figures = retrieval(found, groups, limit)
    names = sorted(set(languages))
    if len(names) > 1:
        figures["languages"] = {name: retrieval(found[languages == name], groups[languages == name], limit) for name in names}
    return figures


def image_to_text(images: np.ndarray, texts: np.ndarray, described: np.ndarray, languages: np.ndarray) -> dict[str, object]:
    """`retrieval` of images among captions by their nearest caption and, where there are several languages, among those of each.

    Args:
        images: `(n, d)` float32.
        texts: `(q, d)` float32.
        described: `(q,)` the image that each caption describes; every image has one.
        languages: `(q,)` of the captions.
    """
    figures = retrieval(nearest_positive_ranks(images, texts, described), np.arange(len(images)))
    names = sorted(set(languages))
    if len(names) > 1:
        parts: dict[str, object] = {}
        for name in names:
            used, within = np.unique(described[languages == name], return_inverse=True)
            parts[name] = retrieval(nearest_positive_ranks(images[used], texts[languages == name], within), used)
        figures["languages"] = parts
    return figures


def _ends(drawn: np.ndarray, digits: int) -> tuple[float, float]:
    low, high = np.percentile(drawn, (2.5, 97.5))
    return round(float(low), digits), round(float(high), digits)


def nearest_positive_ranks(queries: np.ndarray, items: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """How many items are nearer to each query than the nearest that answers it.

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32.
        positives: `(n,)` the query that each item answers.

    Returns:
        `(q,)` float; 0 is best. Queries that nothing answers are at n.
    """
    found = np.empty(len(queries), np.float64)
    for row, query in enumerate(queries):
        scores = items @ query
        own = scores[positives == row]
        found[row] = (scores > own.max()).sum() if len(own) else len(items)
    return found


def recall(found: np.ndarray) -> dict[str, float]:
    """R@1, R@5 and R@10 in percent: queries whose target is among the first k."""
    return {f"R@{cut}": round(100 * float((found < cut).mean()), 2) for cut in CUTS}
