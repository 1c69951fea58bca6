"""A second dual encoder over frozen image features, solved in closed form: its errors differ from those of the trained one.

Captions are bags of words, weighted by their rarity (TF-IDF), or features of a frozen text tower. Canonical correlation analysis with a
ridge on both sides (Hotelling, 1936; Vinod, 1976) finds the directions of captions and of image features that vary together. A direction
weighs as much as its correlation.
"""

from __future__ import annotations

import numpy as np

from maker.training.initialise import Start, decorrelating

IMAGE_RIDGE, WORD_RIDGE, SENTENCE_RIDGE = 1.5, 3.0, 1.0  # in units of the mean variance
LEAST, MOST_WORDS = 5, 3000  # captions that hold a word; words, the most frequent ones
MOST_CAPTIONS = 60_000
BLOCK = 4096  # captions
ITERATIONS = 6  # of the subspace iteration
TINY = 1e-9


def closed_form(features: np.ndarray, rows: np.ndarray, images: np.ndarray, known: int, table_rows: int, dimension: int) -> Start | None:
    """Solves for word vectors and an image head.

    Args:
        features: `(n, f)` float32, layer-normalised.
        rows: `(captions, t)` int32 rows of the embedding table, 0 for none.
        images: `(captions,)` the row of `features` that each caption describes.
        known: Number of leading table rows that are known words; rows of trigrams get zeros.
        table_rows: Number of rows of the embedding table.
        dimension: Dimension of the space.

    Returns:
        Embedding table and linear head; None if fewer words than dimensions are frequent enough.
    """
    if len(rows) > MOST_CAPTIONS:
        chosen = np.linspace(0, len(rows) - 1, MOST_CAPTIONS).astype(int)
        rows, images = rows[chosen], images[chosen]
    words, rarity = _frequent_words(rows, known)
    if len(words) < dimension or features.shape[1] < dimension:
        return None
    mean = features.mean(0)
    directions = decorrelating(features - mean, IMAGE_RIDGE)
    between, word_covariance = _covariances((features - mean) @ directions, rows, images, words, rarity)
    spread = np.trace(word_covariance) / len(words)
    lower = np.linalg.cholesky(word_covariance + WORD_RIDGE * spread * np.eye(len(words), dtype=np.float32))
    paired = np.linalg.solve(lower, between.T)
    axes = _leading(paired, dimension)
    from_images = paired.T @ axes  # as long as the correlations
    table = np.zeros((table_rows, dimension), np.float32)
    table[words] = np.linalg.solve(lower.T, axes) * np.linalg.norm(from_images, axis=0) * rarity[:, None]
    weights = (directions @ from_images).astype(np.float32)
    return Start(table, weights, -mean @ weights)


def closed_form_of_sentences(features: np.ndarray, sentences: np.ndarray, images: np.ndarray, dimension: int) -> tuple[Start, Start] | None:
    """Solves for the heads of a frozen image tower and of a frozen text tower.

    Args:
        features: `(n, f)` float32, layer-normalised.
        sentences: `(captions, g)` float32, layer-normalised.
        images: `(captions,)` the row of `features` that each caption describes.
        dimension: Dimension of the space.

    Returns:
        The linear heads of the images and of the sentences; None if either has fewer features than dimensions.
    """
    if min(features.shape[1], sentences.shape[1]) < dimension:
        return None
    means = features.mean(0), sentences.mean(0)
    directions = decorrelating(features - means[0], IMAGE_RIDGE), decorrelating(sentences - means[1], SENTENCE_RIDGE)
    of_image = np.zeros((len(features), sentences.shape[1]), np.float32)
    np.add.at(of_image, images, (sentences - means[1]) @ directions[1])
    left, strength, right = np.linalg.svd(((features - means[0]) @ directions[0]).T @ of_image / len(sentences), full_matrices=False)
    heads = []
    for mean, axes, leading in zip(means, directions, (left[:, :dimension], right[:dimension].T), strict=True):
        weights = (axes @ (leading * np.sqrt(strength[:dimension]))).astype(np.float32)
        heads.append(Start(None, weights, -mean @ weights))
    return heads[0], heads[1]


def _leading(matrix: np.ndarray, count: int) -> np.ndarray:
    """The leading left singular vectors, `(rows, count)`, by subspace iteration (Halko, Martinsson, Tropp, SIAM Review 2011)."""
    start = np.random.default_rng(0).standard_normal((matrix.shape[1], min(2 * count, *matrix.shape))).astype(np.float32)
    basis, _ = np.linalg.qr(matrix @ start)
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ (matrix.T @ basis))
    left, _, _ = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    return basis @ left[:, :count]


def _frequent_words(rows: np.ndarray, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Table rows of the words to use, ascending, and their inverse document frequencies (Spärck Jones, 1972)."""
    ordered = np.sort(rows, axis=1)
    first = np.diff(ordered, axis=1, prepend=0) > 0
    counts = np.bincount(ordered[first & (ordered < known)], minlength=known)
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_WORDS])
    words = most[(counts[most] >= LEAST) & (counts[most] < len(rows))]
    return words, np.log(len(rows) / counts[words])


def _covariances(
    whitened: np.ndarray, rows: np.ndarray, images: np.ndarray, words: np.ndarray, rarity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Between features `(n, f)` and words, `(f, w)`, and among the words, `(w, w)`."""
    place = np.full(int(max(rows.max(initial=0), words.max())) + 1, -1)
    place[words] = np.arange(len(words))
    by_image = np.zeros((len(whitened), len(words)), np.float32)
    products, total = np.zeros((len(words), len(words)), np.float32), np.zeros(len(words), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = place[rows[start : start + BLOCK]]
        captions, at = np.nonzero(part >= 0)
        bags = np.zeros((len(part), len(words)), np.float32)
        bags[captions, part[captions, at]] = rarity[part[captions, at]]
        bags /= np.maximum(np.linalg.norm(bags, axis=1, keepdims=True), TINY)
        np.add.at(by_image, images[start : start + BLOCK], bags)
        products += bags.T @ bags
        total += bags.sum(0)
    count = len(rows)
    mean = total / count
    described = np.bincount(images, minlength=len(whitened)).astype(np.float32)
    between = (whitened.T @ by_image - np.outer(whitened.T @ described, mean)) / count
    return between, products / count - np.outer(mean, mean)
