"""An index over the first dimensions of embeddings: which lengths may be asked for, and the cut."""

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
    """Looks at whether towers were trained for a length.

    Args:
        dimension: The length that is asked for; None for the whole.
        whole: Of the towers' embeddings.
        lengths: Those below it that they were trained for.
        name: What errors call the towers.

    Raises:
        BuildError: They were not.
    """
    if dimension not in (None, whole, *lengths):
        trained = " or ".join(str(length) for length in (*lengths, whole))
        raise BuildError(
            f"--index-dimension {dimension}: {name} is trained for {trained} dimensions; expected one of these, or a training with "
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
    """The first dimensions of embeddings and of queries, of norm 1 where the embeddings have that; says so where nobody trained for it.

    Args:
        embeddings: `(n, d)` float32.
        queries: `(q, d)` float32, or None.
        dimension: How many.
        towers: What embeds queries, by kind.
        trained: Their manifest; None where they have none. One without a training knows as little.
        names: What errors call embeddings and towers.

    Raises:
        BuildError: There are not as many dimensions, or the towers were not trained for it.
        DataError: The towers have other dimensions than the embeddings, or a row has nothing but zeros where it is to have norm 1.
    """
    whole = embeddings.shape[1]
    if dimension > whole:
        raise BuildError(f"--index-dimension {dimension}: {names[0]} has {whole} dimensions; expected at most those")
    check_dimensions(towers, whole)
    if trained is not None and trained.training:
        check_trained(dimension, whole, trained_prefixes(trained), names[1])
    if dimension == whole:
        return embeddings, queries
    if trained is None or not trained.training:
        say(f"{names[0]}: nothing says that it was trained to be cut to {dimension} of {whole} dimensions (--matryoshka); compare figures")
    unit = are_normalized(embeddings)
    for name, rows in ((names[0], embeddings), ("queries", queries)):
        empty = ~rows[:, :dimension].any(1) if unit and rows is not None else np.zeros(0, np.bool_)
        if empty.any():
            raise DataError(f"{name}: row {int(empty.argmax())} has only zeros in its first {dimension} dimensions; ask for more of them")
    return prefix(embeddings, dimension, unit), None if queries is None else prefix(queries, dimension, unit)
