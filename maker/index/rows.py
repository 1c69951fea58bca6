"""Quantises the rows of an index, and decodes them as the search graph does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from maker.graph.int8 import int8_rows
from maker.index.build import BLOCK, Index
from maker.index.rounding import Rounding

LEAST_SCALE_CODE = 32  # a uint8 scale that is at least 32 is at most 1/32 too large after rounding up
MOST_VALUES = 64_000_000  # to round by queries: it would take longer than the rest of the build
LARGEST_INT8 = 127
RIDGES = {"int8": 0.3, "int4": 1.0}  # of `Rounding`: with large steps, errors that other queries meet cost more
LARGEST_INT4, MIDDLE = 15, 7.5
MOST_CORRECTED = 0.2  # relative change of a scale
# 4-bit scales to try, in standard deviations of a row; 0.335 is optimal for a Gaussian (Max, IRE Transactions on Information Theory, 1960).
SPREADS = (0.25, 0.3, 0.335, 0.37, 0.42)


@dataclass(frozen=True)
class QuantisedRows:
    """Some rows as the file stores them.

    Attributes:
        codes: `(n, d)` int8 or float32, `(n, blocks)` uint8 codebook entries, or `(n, (d + 1) // 2)` uint8 4-bit codes: dimension i in the
            low four bits, dimension i + (d + 1) // 2 in the high ones.
        scales: `(n,)` uint8 or float32 scale of each row, in units of `RowCoder.scale_unit`; None for float32 and product rows.
    """

    codes: np.ndarray
    scales: np.ndarray | None


@dataclass(frozen=True)
class QuantisedCentroids:
    """The centroids that rows are residuals of: `(leaves, d)` int8 codes and `(leaves, 1)` float32 scales."""

    codes: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True)
class RowCoder:
    """Quantises and decodes the rows of an index.

    An int8 row is `scale_unit * scales * codes`, a 4-bit row `scale_unit * scales * (codes - 7.5)`. In a partitioned index, the centroid of
    the leaf is added to that: the residual is smaller than the row, so its scale is finer.

    Attributes:
        index: The index.
        scale_unit: The value of a stored scale of 1.
        scale_type: uint8 if this makes no scale more than 1/32 larger, otherwise float32; None if rows have no scales.
        centroids: For int8 and 4-bit rows of a partitioned index, otherwise None.
    """

    index: Index
    scale_unit: float
    scale_type: type | None
    centroids: QuantisedCentroids | None = None

    @property
    def dimension(self) -> int:
        """Dimension of the rows, after the projection of the index if it has one."""
        return self.index.dimension

    @property
    def width(self) -> int:
        """Number of codes per row; two 4-bit codes count as one."""
        if self.index.codebooks is not None:
            return len(self.index.codebooks.entries)
        return (self.dimension + 1) // 2 if self.index.scorer == "int4" else self.dimension

    @property
    def dtype(self) -> type:
        """The dtype of the codes."""
        return {"int8": np.int8, "float32": np.float32}.get(self.index.scorer, np.uint8)

    def row_blocks(self) -> Iterator[np.ndarray]:
        """The rows to encode in their order, 8,192 at a time, float32."""
        return self.index.row_blocks()

    def encode(self, rows: np.ndarray, first: int) -> QuantisedRows:
        """Quantises rows.

        Args:
            rows: `(n, d)` float32, consecutive rows of the index.
            first: The number of the first one.
        """
        return self._encode(rows, np.arange(first, first + len(rows)))

    def scales(self, rows: np.ndarray, first: int) -> np.ndarray | None:
        """The scales that `encode` gives, without the codes where they take longer."""
        if self.index.scorer != "int8":
            return self.encode(rows, first).scales
        return self._stored(int8_rows(rows - self._centroids_of(np.arange(first, first + len(rows))))[1])

    def stored(self, numbers: np.ndarray) -> np.ndarray:
        """The rows with these numbers as the search scores them, `(n, d)` float32."""
        rows = np.asarray(self.index.scanned[self.index.order[numbers]], np.float32)
        return self._decode(self._encode(rows, numbers), numbers)

    def to_nearest(self) -> RowCoder:
        """The coder of the same index that rounds to the nearest, which is many times faster."""
        return self if self.rounding is None else replace(self, index=replace(self.index, moments=None))

    def _encode(self, rows: np.ndarray, numbers: np.ndarray) -> QuantisedRows:
        if self.index.codebooks is not None:
            return QuantisedRows(self.index.codebooks.encode(rows), None)
        if self.index.scorer == "float32":
            return QuantisedRows(rows, None)
        if self.index.scorer == "int4":
            return self._encode_int4(rows, rows - self._centroids_of(numbers))
        residuals = rows - self._centroids_of(numbers)
        scales = self._stored(int8_rows(residuals)[1])
        residuals *= _inverse(self._real(scales))[:, None]
        if self.rounding is not None:
            return QuantisedRows(self.rounding.codes(residuals, rows, -LARGEST_INT8, LARGEST_INT8).astype(np.int8), scales)
        np.rint(residuals, out=residuals)
        return QuantisedRows(np.clip(residuals, -LARGEST_INT8, LARGEST_INT8, out=residuals).astype(np.int8), scales)

    def decode(self, quantised: QuantisedRows, first: int) -> np.ndarray:
        """The rows that the search scores, `(n, d)` float32; `first` is the number of the first one in the index."""
        return self._decode(quantised, np.arange(first, first + len(quantised.codes)))

    def _decode(self, quantised: QuantisedRows, numbers: np.ndarray) -> np.ndarray:
        if self.index.codebooks is not None:
            return self.index.codebooks.decode(quantised.codes)
        if quantised.scales is None:
            return quantised.codes
        scales = self._real(quantised.scales)[:, None]
        if self.index.scorer == "int8":
            return (quantised.codes * scales + self._centroids_of(numbers)).astype(np.float32)
        codes = np.concatenate([quantised.codes & 15, quantised.codes >> 4], axis=1)[:, : self.dimension]
        return ((codes - np.float32(MIDDLE)) * scales + self._centroids_of(numbers)).astype(np.float32)

    @cached_property
    def rounding(self) -> Rounding | None:
        """Rounds the values of int8 and 4-bit rows; None for to the nearest."""
        moments, projection = self.index.moments, self.index.projection
        if moments is None or self.index.scorer not in RIDGES or len(self.index.order) * self.dimension > MOST_VALUES:
            return None
        return Rounding(moments if projection is None else moments.projected(projection), RIDGES[self.index.scorer])

    def _encode_int4(self, rows: np.ndarray, residuals: np.ndarray) -> QuantisedRows:
        codes, scales = self._least_error(residuals)
        if self.rounding is not None:
            values = residuals * _inverse(self._real(scales))[:, None]
            codes = (self.rounding.codes(values, rows, -MIDDLE, LARGEST_INT4 - MIDDLE) + np.float32(MIDDLE)).astype(np.uint8)
        scales = self._corrected(scales, codes, rows, residuals)
        half = self.width
        high = np.zeros((len(codes), half), np.uint8)
        high[:, : codes.shape[1] - half] = codes[:, half:]
        return QuantisedRows(codes[:, :half] | (high << 4), scales)

    def _least_error(self, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(n, d)` uint8 codes and `(n,)` scales: of the scales tried, those with the least squared error of each row."""
        spread = residuals.std(1)
        least = np.full(len(residuals), np.inf, np.float32)
        scales = self._stored(spread)
        codes = np.zeros(residuals.shape, np.uint8)
        for multiple in SPREADS:
            stored = self._stored(np.float32(multiple) * spread)
            real = self._real(stored)[:, None]
            rounded = np.clip(np.rint(residuals * _inverse(real) + np.float32(MIDDLE)), 0, LARGEST_INT4)
            error = (((rounded - np.float32(MIDDLE)) * real - residuals) ** 2).sum(1)
            better = error < least
            least[better], scales[better], codes[better] = error[better], stored[better], rounded[better].astype(np.uint8)
        return codes, scales

    def _corrected(self, scales: np.ndarray, codes: np.ndarray, rows: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """Scales that make the error orthogonal to the row.

        Error parallel to the row changes the dot products with the row's own neighbours most (Guo et al., "Accelerating Large-Scale
        Inference with Anisotropic Vector Quantization", ICML 2020).
        """
        along = np.einsum("nd,nd->n", rows, codes - np.float32(MIDDLE))
        wanted = np.einsum("nd,nd->n", rows, residuals)
        real = self._real(scales)
        orthogonal = np.where(along > 0, wanted / np.where(along > 0, along, 1), real)
        return self._stored(np.clip(orthogonal, (1 - MOST_CORRECTED) * real, (1 + MOST_CORRECTED) * real), np.rint)

    def _centroids_of(self, numbers: np.ndarray) -> np.ndarray:
        """The centroid of the leaf of each row with these numbers, `(n, d)`; zeros `(1, d)` without leaves."""
        if self.centroids is None:
            return np.zeros((1, self.dimension), np.float32)
        leaves = numbers // self.index.block
        return self.centroids.codes[leaves] * self.centroids.scales[leaves]

    def _stored(self, scales: np.ndarray, round_: Callable[[np.ndarray], np.ndarray] = np.ceil) -> np.ndarray:
        """Real scales as they are stored."""
        if self.scale_type is np.uint8:
            return np.clip(round_(scales / self.scale_unit - 1e-4), 0, 255).astype(np.uint8)
        return scales.astype(np.float32)

    def _real(self, scales: np.ndarray) -> np.ndarray:
        """Stored scales as real ones."""
        return scales.astype(np.float32) * np.float32(self.scale_unit)


def _inverse(scale: np.ndarray) -> np.ndarray:
    """1 / scale; 0 if the scale is 0."""
    return np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0).astype(np.float32)


def row_coder(index: Index) -> RowCoder:
    """The coder of an index; reads all rows once to choose how their scales are stored."""
    if index.scorer not in ("int8", "int4"):
        return RowCoder(index, 1.0, None)
    centroids = None if index.leaves is None else _centroids(index)
    plain = RowCoder(index, 1.0, np.float32, centroids)
    least, most, first = np.inf, 0.0, 0
    for block in plain.row_blocks():
        residuals = block - plain._centroids_of(np.arange(first, first + len(block)))
        if index.scorer == "int8":
            scales = int8_rows(residuals)[1]
        else:
            spread = residuals.std(1)
            most = max(most, float(SPREADS[-1] * spread.max()))
            scales = SPREADS[0] * spread
        least, most, first = min(least, float(scales.min())), max(most, float(scales.max())), first + len(block)
    if most > 0 and least >= LEAST_SCALE_CODE / 255 * most:
        return RowCoder(index, most / 255, np.uint8, centroids)
    return plain


def fine_coder(index: Index) -> RowCoder | None:
    """The coder of the rows that rescore the best ones; None if the index has none."""
    fine = _fine(index)
    return None if fine is None else row_coder(fine)


def approximate_fine_coder(index: Index) -> RowCoder | None:
    """Like `fine_coder`, but scales are float32 in any case: it reads no rows."""
    fine = _fine(index)
    return None if fine is None else RowCoder(fine, 1.0, np.float32)


def _fine(index: Index) -> Index | None:
    """An index that scans the rows that rescore those of another one. They are not residuals."""
    whole = replace(index, rescorer=None, codebooks=None, leaves=None, projection=None, projected=None, rest=None)
    if index.rest is not None:
        return replace(whole, scorer="int4" if index.rescorer == "rest4" else "int8", projection=index.rest)
    return None if index.rescorer is None else replace(whole, scorer=index.rescorer)


def _centroids(index: Index) -> QuantisedCentroids:
    means = np.empty((index.blocks, index.dimension), np.float32)
    at_a_time = max(1, BLOCK // index.block)
    for first in range(0, index.blocks, at_a_time):
        part = means[first : first + at_a_time]
        members = index.order[first * index.block : (first + len(part)) * index.block]
        starts = np.arange(0, len(members), index.block)
        np.add.reduceat(np.asarray(index.scanned[members], np.float32), starts, axis=0, out=part)
        part /= np.minimum(index.block, len(members) - starts)[:, None]
    codes, scales = int8_rows(means)
    return QuantisedCentroids(codes, scales[:, None])
