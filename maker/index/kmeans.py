"""K-means: with ScaNN's trainer if it is installed, otherwise with the built-in one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np

from maker.errors import BuildError
from maker.index.options import Tree
from maker.progress import progress, say
from maker.workspace import temporary_folder

BLOCK = 8192  # embeddings per matrix product
MIN_SCANN_ROWS_PER_LEAF = 2  # with fewer rows, ScaNN's trainer returns fewer centroids


def train_centroids(embeddings: np.ndarray, tree: Tree, seed: int, trainer: str = "auto") -> tuple[np.ndarray, str]:
    """Trains the centroids of leaves on a sample.

    Args:
        embeddings: `(n, d)` float32, n >= tree.num_leaves; may be memory-mapped.
        tree: Number of leaves, sample size and iterations.
        seed: Seeds the sample and the initialisation.
        trainer: `scann`, `own` (built in), or `auto`: ScaNN if it is installed.

    Returns:
        `(num_leaves, d)` float32, and the name of the trainer that was used.

    Raises:
        BuildError: There are fewer embeddings than leaves, or `trainer` is `scann` and ScaNN failed.
    """
    if len(embeddings) < tree.num_leaves:
        raise BuildError(f"{len(embeddings)} embeddings cannot fill {tree.num_leaves} leaves; ask for fewer")
    rng = np.random.default_rng(seed)
    size = min(len(embeddings), max(tree.training_sample_size, tree.num_leaves))
    chosen = np.sort(rng.choice(len(embeddings), size, replace=False)) if size < len(embeddings) else slice(None)
    sample = np.ascontiguousarray(embeddings[chosen], np.float32)
    enough = size >= MIN_SCANN_ROWS_PER_LEAF * tree.num_leaves and tree.num_leaves > 1
    if trainer == "scann" or (trainer == "auto" and enough and importlib.util.find_spec("scann") is not None):
        try:
            return _scann_centroids(sample, tree), "scann"
        except BuildError as error:
            if trainer == "scann":
                raise
            say(f"{error}; using the built-in k-means")
    return _own_centroids(sample, tree, rng), "own"


def scann_tree(sample: np.ndarray, count: int) -> np.ndarray:
    """The centroids of ScaNN's tree, `(count, d)` float32, trained on all of a sample `(s, d)` float32.

    Raises:
        BuildError: ScaNN is not installed, or it failed.
    """
    if importlib.util.find_spec("scann") is None:
        raise BuildError('partitioner "scann": ScaNN is not installed; pip install scann (Linux only), or leave the partitioner at "own"')
    return _scann_centroids(np.ascontiguousarray(sample, np.float32), Tree(count, 1))


def assign_leaves(embeddings: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Finds the nearest leaf of each embedding by squared L2 distance.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        centroids: `(num_leaves, d)` float32.

    Returns:
        `(n,)` int32 in `[0, num_leaves)`. Ties go to the lower leaf.

    Raises:
        BuildError: The two d differ.
    """
    if embeddings.shape[1] != centroids.shape[1]:
        raise BuildError(f"embeddings have {embeddings.shape[1]} dimensions, centroids {centroids.shape[1]}")
    leaves = np.empty(len(embeddings), np.int32)
    transposed = np.ascontiguousarray(centroids.T)
    half_norms = 0.5 * np.einsum("ld,ld->l", centroids, centroids)
    for start in progress(range(0, len(embeddings), BLOCK), "assign leaves", quiet=len(embeddings) < 20 * BLOCK):
        scores = np.asarray(embeddings[start : start + BLOCK], np.float32) @ transposed
        scores -= half_norms
        leaves[start : start + BLOCK] = scores.argmax(1)
    return leaves


def _own_centroids(sample: np.ndarray, tree: Tree, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's k-means; an empty leaf takes half of the rows of the largest one."""
    count = tree.num_leaves
    centroids = sample[rng.choice(len(sample), count, replace=False)] if tree.random_init else _plus_plus(sample, count, rng)
    centroids = np.array(centroids, np.float32)
    for _ in progress(range(tree.training_iterations), "k-means", quiet=len(sample) * count < 20_000_000):
        leaves = assign_leaves(sample, centroids)
        sizes = np.bincount(leaves, minlength=count)
        order = np.argsort(leaves, kind="stable")
        starts = np.cumsum(sizes) - sizes
        filled = sizes > 0
        centroids[filled] = np.add.reduceat(sample[order], starts[filled], axis=0) / sizes[filled, None]
        for leaf in np.flatnonzero(~filled):
            largest = int(sizes.argmax())
            offset = 1e-3 * rng.standard_normal(sample.shape[1], np.float32) * np.abs(centroids[largest]).mean()
            centroids[leaf], centroids[largest] = centroids[largest] + offset, centroids[largest] - offset
            sizes[leaf], sizes[largest] = sizes[largest] // 2, sizes[largest] - sizes[largest] // 2
        if tree.spherical:
            centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    return centroids


def _plus_plus(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ seeding (Arthur, Vassilvitskii, SODA 2007)."""
    chosen = [int(rng.integers(len(sample)))]
    nearest = ((sample - sample[chosen[0]]) ** 2).sum(1)
    for _ in range(count - 1):
        total = nearest.sum()
        share = nearest / total if total > 0 else None
        chosen.append(int(rng.choice(len(sample), p=share)))
        nearest = np.minimum(nearest, ((sample - sample[chosen[-1]]) ** 2).sum(1))
    return sample[chosen]


def _scann_centroids(sample: np.ndarray, tree: Tree) -> np.ndarray:
    """Runs ScaNN in a separate process, because importing it would import TensorFlow."""
    with temporary_folder() as folder:
        source, target = Path(folder, "sample.npy"), Path(folder, "centroids.npy")
        np.save(source, sample)
        arguments = [source, target, tree.num_leaves, tree.training_iterations, tree.min_partition_size, int(tree.spherical)]
        command = [sys.executable, "-m", "maker.index.scann_trainer", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise BuildError(f"ScaNN could not train {tree.num_leaves} leaves on {len(sample)} embeddings: {last}")
        return np.load(target)
