"""The base of engines whose items cannot be changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import InvalidArgumentError
from .facts import Fact, SearchedFacts
from .lexical import LexicalPart, LexicalSearch


class FixedItems(ABC):
    """Refuses to add or remove items."""

    @property
    @abstractmethod
    def items(self) -> int:
        """The number of items."""

    @abstractmethod
    def _unchangeable(self) -> InvalidArgumentError:
        """The error that says why, and what to do."""

    @property
    def built_items(self) -> int:
        """The number of items that the file was built with: all."""
        return self.items

    @property
    def values_scanned(self) -> int:
        """0: nothing in these files says it."""
        return 0

    @property
    def means(self) -> Mapping[str, np.ndarray]:
        """No means: nothing in these files says them."""
        return {}

    def has(self, item: int) -> bool:
        """Whether an item exists."""
        return 0 <= item < self.items

    @property
    def lexical_parts(self) -> Sequence[LexicalPart]:
        """Raises InvalidArgumentError."""
        raise InvalidArgumentError(
            "this file has no lexical index: it is an index for the Task Library; build a searcher with --lexical, or leave lexical='off'."
        )

    @cached_property
    def lexical(self) -> LexicalSearch:
        """The search by words. It raises the errors of `lexical_parts`."""
        return LexicalSearch(self.lexical_parts)

    def find(self, wanted: Collection[bytes]) -> dict[int, bytes]:
        """The items whose metadata is one of `wanted`, by id, ascending."""
        chosen = frozenset(wanted)
        return {number: content for number in range(self.items) if (content := self.item(number)) in chosen}

    @abstractmethod
    def item(self, number: int) -> bytes:
        """The metadata of an item."""

    def embedding(self, number: int) -> np.ndarray:
        """Raises InvalidArgumentError."""
        raise InvalidArgumentError(
            "this file does not give embeddings of its items: it is an index for the Task Library; build a searcher with maker build or "
            "maker index."
        )

    def present(self) -> np.ndarray:
        """The ids of all items."""
        return np.arange(self.items)

    @property
    def facts(self) -> SearchedFacts:
        """Raises InvalidArgumentError."""
        raise InvalidArgumentError(
            "this file has no facts to filter by: it is an index for the Task Library; build a searcher with maker build or maker index."
        )

    def add(self, vector: np.ndarray, metadata: bytes, facts: Mapping[str, Fact | None] | None = None, captions: Iterable[str] = ()) -> int:
        """Raises InvalidArgumentError."""
        raise self._unchangeable()

    def remove(self, item: int) -> None:
        """Raises InvalidArgumentError."""
        raise self._unchangeable()

    def save_overlay(self, path: Path) -> None:
        """Raises InvalidArgumentError."""
        raise self._unchangeable()
