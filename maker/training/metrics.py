"""Retrieval metrics over embeddings."""

from __future__ import annotations

import numpy as np

CUTOFFS = (1, 5, 10)  # the k of R@k
BLOCK = 2048
DRAWS = 1000  # resamplings of a bootstrap


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
    """The bootstrap 95 % interval of R@k in percent; `ranks` from 0, other arguments as in `mean_interval`."""
    return mean_interval(100 * (ranks < k), groups, 2, draws, seed)


def mean_interval(values: np.ndarray, groups: np.ndarray, digits: int = 2, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval of a mean (Efron, Tibshirani, 1993, chapter 13), resampled by image.

    Args:
        values: `(q,)` one per query.
        groups: `(q,)` the image of each query. Captions of one image are not independent, so they are drawn together.
        digits: Decimals of the result.
        draws: Number of resamplings.
        seed: Seed of the resampling.

    Returns:
        The lower and the upper end.
    """
    _, number = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(number, values), np.bincount(number)
    chosen = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    return _ends(sums[chosen].sum(1) / sizes[chosen].sum(1), digits)


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


def retrieval(ranks: np.ndarray, groups: np.ndarray, limit: int | None = None) -> dict[str, object]:
    """R@1, R@5, R@10 in percent, the median rank (1 is best) and the mean reciprocal rank, each with its 95 % interval.

    Args:
        ranks: `(q,)` ranks from 0.
        groups: `(q,)` the image of each query.
        limit: Ranks are known only below `limit`; all others equal it. Then R@k ends at `limit`, a median beyond it is the text
            `> limit`, and the mean reciprocal rank becomes `MRR@limit`, where ranks from `limit` on count 0.
    """
    reciprocal = 1 / (ranks + 1) if limit is None else np.where(ranks < limit, 1 / (ranks + 1), 0)
    mean = "MRR" if limit is None else f"MRR@{limit}"
    figures: dict[str, object] = {}
    for k in [k for k in CUTOFFS if limit is None or k <= limit]:
        figures |= {f"R@{k}": round(100 * float((ranks < k).mean()), 2), f"R@{k}_interval": interval(ranks, groups, k)}

    def from_one(rank: float) -> float | str:
        return rank + 1 if limit is None or rank < limit else f"> {limit}"

    low, high = median_interval(ranks, groups)
    figures |= {"median_rank": from_one(float(np.median(ranks))), "median_rank_interval": (from_one(low), from_one(high))}
    return figures | {mean: round(float(reciprocal.mean()), 4), f"{mean}_interval": mean_interval(reciprocal, groups, 4)}


def by_language(ranks: np.ndarray, groups: np.ndarray, languages: np.ndarray, limit: int | None = None) -> dict[str, object]:
    """`retrieval` of all queries and, if there are several languages, of each one under `languages`."""
    figures = retrieval(ranks, groups, limit)
    names = sorted(set(languages))
    if len(names) > 1:
        figures["languages"] = {name: retrieval(ranks[languages == name], groups[languages == name], limit) for name in names}
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
