"""Asymmetric hashing: rows are stored as codes; the distance of a query to a row is a sum of entries of a look-up table."""

from __future__ import annotations

import numpy as np

from .scann_messages import AsymmetricHashingProto, DistanceMeasure, LookupType

CODES = 256  # of a byte
ROWS_AT_ONCE = 1024  # their table entries stay in the cache, and other threads can run during calls of this length
MAX_CODE = {LookupType.INT8: 255, LookupType.INT16: 2047}  # of a quantised table entry


class Codebooks:
    """The codebooks of an index.

    Attributes:
        subspaces: Number of codebooks, and of codes in a row.
        dimension: Dimension of queries, over all subspaces.
        distance: The distance that the sums are.
    """

    def __init__(self, hashing: AsymmetricHashingProto) -> None:
        """Takes the codebooks.

        Raises:
            ValueError: The codebooks cannot be used.
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
        # Codebooks with fewer dimensions are padded with zeros, which change neither distance.
        self._books = np.zeros((self.subspaces, entries.pop(), max(self._widths)), np.float32)
        for target, book in zip(self._books, hashing.subspace, strict=True):
            target[:, : book.shape[1]] = book
        self._slots = np.arange(max(self._widths)) < np.array(self._widths)[:, None]
        self._norms = np.einsum("sed,sed->se", self._books, self._books)

    def table(self, query: np.ndarray) -> LookupTable:
        """The look-up table of a query, `(d,)` float32."""
        parts = np.zeros(self._slots.shape, np.float32)
        parts[self._slots] = query
        products = np.einsum("sed,sd->se", self._books, parts)
        if self.distance is DistanceMeasure.DOT_PRODUCT:
            return LookupTable(-products, self._lookup)
        return LookupTable(np.einsum("sd,sd->s", parts, parts)[:, None] + self._norms - 2 * products, self._lookup)


class LookupTable:
    """The share of each code of each subspace in the distance of a row."""

    def __init__(self, shares: np.ndarray, lookup: LookupType) -> None:
        """Quantises the shares, `(subspaces, entries)` float32, to the lookup type.

        Integer types round down and add half a scale per subspace, as the Task Library does.
        """
        self._entries = shares.shape[1]
        self._starts = np.arange(len(shares), dtype=np.intp) * self._entries  # a type that `take` does not have to convert
        self._scale, self._base = np.float32(1), np.float32(0)
        if lookup in MAX_CODE:
            low, high = shares.min(), shares.max()
            most = np.float32(MAX_CODE[lookup])
            self._scale = (high - low) / most
            self._base = np.float32(len(shares)) * (low + self._scale / 2)
            inverse = most / (high - low) if high > low else np.float32(0)
            shares = np.trunc((shares - low) * inverse)
        self._shares = np.ascontiguousarray(shares).reshape(-1)

    def distances(self, codes: np.ndarray) -> np.ndarray:
        """The distances of rows, `(n, subspaces)` uint8, as `(n,)` float32.

        Raises:
            ValueError: A code is not in its codebook.
        """
        if self._entries < CODES and codes.size and codes.max() >= self._entries:
            raise ValueError(f"a row has the code {codes.max()}, but a codebook has {self._entries} entries")
        found = np.empty(len(codes), np.float32)
        for start in range(0, len(codes), ROWS_AT_ONCE):
            piece = codes[start : start + ROWS_AT_ONCE]
            self._shares.take(piece + self._starts).sum(axis=1, out=found[start : start + ROWS_AT_ONCE])
        return found * self._scale + self._base
