"""Truncates embeddings to their first dimensions, after checking that the towers were trained for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from maker.encoders.embedder import AnyTower
from maker.encoders.prefix import prefix, trained_prefixes
from maker.errors import BuildError, DataError
from maker.export.searcher_file import check_dimensions
from maker.index.build import are_normalized
from maker.progress import say
from task.format.manifest import Manifest


def check_trained(dimension: int | None, whole: int, lengths: Sequence[int], name: str) -> None:
    """Checks that towers were trained for a dimension.

    Args:
        dimension: The requested dimension; None for the whole embedding.
        whole: Dimension of the whole embedding.
        lengths: Smaller dimensions that the towers were trained for.
        name: Name of the towers in errors.

    Raises:
        BuildError: The towers were not trained for the dimension.
    """
    if dimension not in (None, whole, *lengths):
        trained = " or ".join(str(length) for length in (*lengths, whole))
        raise BuildError(
            f"--index-dimension {dimension}: {name} is trained for {trained} dimensions; pass one of these, or train with "
            f"--matryoshka {dimension}"
        )


def cut_embeddings(
    embeddings: np.ndarray,
    queries: np.ndarray | None,
    dimension: int,
    towers: Mapping[str, AnyTower],
    trained: Manifest | None,
    names: tuple[str, str] = ("embeddings", "embedder"),
) -> tuple[np.ndarray, np.ndarray | None]:
    """Truncates embeddings and queries to their first dimensions. If the embeddings have norm 1, the results have it, too.

    Logs a warning if it is unknown whether the towers were trained for the dimension.

    Args:
        embeddings: `(n, d)` float32.
        queries: `(q, d)` float32, or None.
        dimension: Number of dimensions to keep.
        towers: The towers that embed queries, by kind.
        trained: The manifest of the towers; None if they have none.
        names: Names of the embeddings and the towers in errors.

    Raises:
        BuildError: There are fewer dimensions, or the towers were not trained for this number.
        DataError: The towers have other dimensions than the embeddings, or a row has only zeros and cannot be normalised.
    """
    whole = embeddings.shape[1]
    if dimension > whole:
        raise BuildError(f"--index-dimension {dimension}: {names[0]} has {whole} dimensions; expected at most {whole}")
    check_dimensions(towers, whole)
    if trained is not None and trained.training:
        check_trained(dimension, whole, trained_prefixes(trained), names[1])
    if dimension == whole:
        return embeddings, queries
    if trained is None or not trained.training:
        say(f"warning: {names[0]} may not be trained for {dimension} of {whole} dimensions (--matryoshka); compare the figures of both")
    unit = are_normalized(embeddings)
    for name, rows in ((names[0], embeddings), ("queries", queries)):
        empty = ~rows[:, :dimension].any(1) if unit and rows is not None else np.zeros(0, np.bool_)
        if empty.any():
            raise DataError(f"{name}: row {int(empty.argmax())} has only zeros in its first {dimension} dimensions; keep more dimensions")
    return prefix(embeddings, dimension, unit), None if queries is None else prefix(queries, dimension, unit)
