"""Asymmetric hashing: rows are codes, and a query's distance to a row is a sum of looked-up shares."""

from __future__ import annotations

import numpy as np

from .scann_messages import AsymmetricHashingProto, DistanceMeasure, LookupType

CODES = 256  # that a byte can hold
ROWS_AT_ONCE = 1024  # whose shares stay in the cache, in calls long enough for other threads to run beside them
STEPS = {LookupType.INT8: 255, LookupType.INT16: 2047}  # a share's largest value in the quantised tables


class Codebooks:
    """The codebooks of an index.

    Attributes:
        subspaces: How many there are; a row has as many codes.
        dimension: Length of a query, all subspaces together.
        distance: What the sums are.
    """

    def __init__(self, hashing: AsymmetricHashingProto) -> None:
        """Takes the codebooks over.

        Raises:
            ValueError: They cannot be used.
        """
        distance, lookup = hashing.query_distance, hashing.lookup_type
        self.distance = DistanceMeasure.SQUARED_L2_DISTANCE if distance is None else distance
        self._lookup = LookupType.FLOAT if lookup is None else lookup
        if self._lookup is LookupType.INT8_LUT16:
            raise ValueError("its lookup type is INT8_LUT16, which the on-device search has no table for")
        entries = {len(book) for book in hashing.subspace}
        if len(entries) != 1 or not 1 <= max(entries) <= CODES:
            raise ValueError(f"its codebooks have {sorted(entries)} entries, expected one number of at most {CODES}")
        self.subspaces = len(hashing.subspace)
        self._widths = [book.shape[1] for book in hashing.subspace]
        self.dimension = sum(self._widths)
        # Books of fewer dimensions are filled up with zeros, which add nothing to either distance.
        self._books = np.zeros((self.subspaces, entries.pop(), max(self._widths)), np.float32)
        for target, book in zip(self._books, hashing.subspace, strict=True):
            target[:, : book.shape[1]] = book
        self._slots = np.arange(max(self._widths)) < np.array(self._widths)[:, None]
        self._norms = np.einsum("sed,sed->se", self._books, self._books)

    def table(self, query: np.ndarray) -> LookupTable:
        """The shares of a query, `(d,)` float32."""
        parts = np.zeros(self._slots.shape, np.float32)
        parts[self._slots] = query
        products = np.einsum("sed,sd->se", self._books, parts)
        if self.distance is DistanceMeasure.DOT_PRODUCT:
            return LookupTable(-products, self._lookup)
        return LookupTable(np.einsum("sd,sd->s", parts, parts)[:, None] + self._norms - 2 * products, self._lookup)


class LookupTable:
    """What each code of each subspace adds to the distance of a row."""

    def __init__(self, shares: np.ndarray, lookup: LookupType) -> None:
        """Quantises the shares, `(subspaces, entries)` float32, as the lookup type says.

        The integer kinds drop the fraction of a step and give half a step back for each subspace, as the Task Library does.
        """
        self._entries = shares.shape[1]
        self._starts = np.arange(len(shares), dtype=np.intp) * self._entries  # of the type that `take` does not convert
        self._step, self._base = np.float32(1), np.float32(0)
        if lookup in STEPS:
            low, high = shares.min(), shares.max()
            steps = np.float32(STEPS[lookup])
            self._step = (high - low) / steps
            self._base = np.float32(len(shares)) * (low + self._step / 2)
            scale = steps / (high - low) if high > low else np.float32(0)
            shares = np.trunc((shares - low) * scale)
        self._shares = np.ascontiguousarray(shares).reshape(-1)

    def distances(self, codes: np.ndarray) -> np.ndarray:
        """Distances of rows, `(n, subspaces)` uint8; `(n,)` float32.

        Raises:
            ValueError: A code has no entry.
        """
        if self._entries < CODES and codes.size and codes.max() >= self._entries:
            raise ValueError(f"a row has the code {codes.max()}, but a codebook has {self._entries} entries")
        found = np.empty(len(codes), np.float32)
        for start in range(0, len(codes), ROWS_AT_ONCE):
            piece = codes[start : start + ROWS_AT_ONCE]
            self._shares.take(piece + self._starts).sum(axis=1, out=found[start : start + ROWS_AT_ONCE])
        return found * self._step + self._base
