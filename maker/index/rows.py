"""How rows are coded, and what they are read as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from maker.graph.int8 import int8_rows
from maker.index.build import Index

LEAST_STEP_CODE = 32  # a step coded in 8 bits is then at most 1/32 too wide
LEVELS, MIDDLE = 15, 7.5  # of 4 bits
MOST_CORRECTED = 0.2  # of a step
SPREADS = (0.25, 0.3, 0.335, 0.37, 0.42)  # steps tried, in standard deviations; Max's uniform quantiser of a Gaussian has 0.335 (IRE 1960)


@dataclass(frozen=True)
class Codes:
    """Some rows as they are stored.

    Attributes:
        rows: `(n, d)` int8 or float32, `(n, blocks)` uint8 entry numbers, or `(n, (d + 1) // 2)` uint8: dimension i in the low four
            bits, dimension i + (d + 1) // 2 in the high ones.
        steps: `(n,)` uint8 or float32 step of each row; None for float32 rows and entry numbers.
    """

    rows: np.ndarray
    steps: np.ndarray | None


@dataclass(frozen=True)
class Bases:
    """What 4-bit rows are counted from: each leaf's centroid, `(leaves, d)` int8 and `(leaves, 1)` float32 steps."""

    rows: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class RowCoder:
    """Codes an index's rows.

    An int8 row is `unit * steps * rows`. A 4-bit row is its leaf's centroid plus `unit * steps * (rows - 7.5)`: what is left beyond the
    centroid is smaller than the row, so that its steps are finer.

    Attributes:
        index: The index.
        unit: What a step of 1 stands for.
        step_type: uint8 where that widens no step by more than 1/32, else float32; None where rows have no steps.
        bases: For 4-bit rows of a partitioned index.
    """

    index: Index
    unit: float
    step_type: type | None
    bases: Bases | None = None

    @property
    def width(self) -> int:
        """Values a row."""
        dimension = self.index.embeddings.shape[1]
        if self.index.codebooks is not None:
            return len(self.index.codebooks.entries)
        return (dimension + 1) // 2 if self.index.scorer == "int4" else dimension

    @property
    def dtype(self) -> type:
        """Of the values."""
        return {"int8": np.int8, "float32": np.float32}.get(self.index.scorer, np.uint8)

    def encode(self, block: np.ndarray, first: int) -> Codes:
        """Codes rows.

        Args:
            block: `(n, d)` float32, in row order.
            first: The place of the first one in the index.
        """
        if self.index.codebooks is not None:
            return Codes(self.index.codebooks.encode(block), None)
        if self.index.scorer == "float32":
            return Codes(block, None)
        if self.index.scorer == "int4":
            return self._encode_nibbles(block, block - self._base(first, len(block)))
        _, wanted = int8_rows(block)
        steps = self._coded(wanted)
        scale = self._real(steps)
        return Codes(np.clip(np.rint(block * _inverse(scale)[:, None]), -127, 127).astype(np.int8), steps)

    def decode(self, codes: Codes, first: int) -> np.ndarray:
        """What the search will see, `(n, d)` float32."""
        if self.index.codebooks is not None:
            return self.index.codebooks.decode(codes.rows)
        if codes.steps is None:
            return codes.rows
        scale = self._real(codes.steps)[:, None]
        if self.index.scorer == "int8":
            return codes.rows * scale
        values = np.concatenate([codes.rows & 15, codes.rows >> 4], axis=1)[:, : self.index.embeddings.shape[1]]
        return ((values - np.float32(MIDDLE)) * scale + self._base(first, len(values))).astype(np.float32)

    def _encode_nibbles(self, block: np.ndarray, rest: np.ndarray) -> Codes:
        spread = rest.std(1)
        best = np.full(len(rest), np.inf, np.float32)
        steps = self._coded(spread)
        values = np.zeros(rest.shape, np.uint8)
        for multiple in SPREADS:
            tried = self._coded(np.float32(multiple) * spread)
            scale = self._real(tried)[:, None]
            coded = np.clip(np.rint(rest * _inverse(scale) + np.float32(MIDDLE)), 0, LEVELS)
            error = (((coded - np.float32(MIDDLE)) * scale - rest) ** 2).sum(1)
            better = error < best
            best[better], steps[better], values[better] = error[better], tried[better], coded[better].astype(np.uint8)
        # The step is then set so that the error is at right angles to the row: the part along it moves the dot products of the row's
        # own neighbours most (Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML 2020).
        found = values - np.float32(MIDDLE)
        along = np.einsum("nd,nd->n", block, found)
        wanted = np.einsum("nd,nd->n", block, rest)
        scale = self._real(steps)
        corrected = np.where(along > 0, wanted / np.where(along > 0, along, 1), scale)
        steps = self._coded(np.clip(corrected, (1 - MOST_CORRECTED) * scale, (1 + MOST_CORRECTED) * scale), np.rint)
        half = self.width
        high = np.zeros((len(rest), half), np.uint8)
        high[:, : rest[0].size - half] = values[:, half:]
        return Codes(values[:, :half] | (high << 4), steps)

    def _base(self, first: int, count: int) -> np.ndarray:
        if self.bases is None:
            return np.zeros((1, self.index.embeddings.shape[1]), np.float32)
        leaves = np.arange(first, first + count) // self.index.block
        return self.bases.rows[leaves] * self.bases.steps[leaves]

    def _coded(self, wanted: np.ndarray, round_: Callable[[np.ndarray], np.ndarray] = np.ceil) -> np.ndarray:
        if self.step_type is np.uint8:
            return np.clip(round_(wanted / self.unit - 1e-4), 0, 255).astype(np.uint8)
        return wanted.astype(np.float32)

    def _real(self, steps: np.ndarray) -> np.ndarray:
        return steps.astype(np.float32) * np.float32(self.unit)


def _inverse(scale: np.ndarray) -> np.ndarray:
    """1 / scale, and 0 where that is 0."""
    return np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0).astype(np.float32)


def row_coder(index: Index) -> RowCoder:
    """Looks at all rows once and chooses how their steps are coded."""
    if index.scorer not in ("int8", "int4"):
        return RowCoder(index, 1.0, None)
    bases = _bases(index) if index.scorer == "int4" and index.leaves is not None else None
    plain = RowCoder(index, 1.0, np.float32, bases)
    least, most, first = np.inf, 0.0, 0
    for block in index.row_blocks():
        if index.scorer == "int8":
            steps = int8_rows(block)[1]
        else:
            spread = (block - plain._base(first, len(block))).std(1)
            most = max(most, float(SPREADS[-1] * spread.max()))
            steps = SPREADS[0] * spread
        least, most, first = min(least, float(steps.min())), max(most, float(steps.max())), first + len(block)
    if most > 0 and least >= LEAST_STEP_CODE / 255 * most:
        return RowCoder(index, most / 255, np.uint8, bases)
    return plain


def fine_coder(index: Index) -> RowCoder | None:
    """What codes the rows by which the best ones are scored again; None where there are none."""
    return None if index.rescorer is None else row_coder(replace(index, scorer=index.rescorer, rescorer=None, codebooks=None))


def _bases(index: Index) -> Bases:
    means = np.empty((index.blocks, index.embeddings.shape[1]), np.float32)
    for leaf in range(index.blocks):
        members = index.order[leaf * index.block : (leaf + 1) * index.block]
        means[leaf] = np.asarray(index.embeddings[members], np.float32).mean(0)
    codes, steps = int8_rows(means)
    return Bases(codes, steps[:, None])
