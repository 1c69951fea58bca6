"""What engines answer whose items stay as they were built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from ..errors import InvalidArgumentError


class FixedItems(ABC):
    """The part of an engine that says that nothing can be added or removed."""

    @property
    @abstractmethod
    def items(self) -> int:
        """How many there are."""

    @abstractmethod
    def _unchangeable(self) -> InvalidArgumentError:
        """Why not, and what to do."""

    @property
    def built_items(self) -> int:
        """How many items there were from the start: all."""
        return self.items

    def has(self, item: int) -> bool:
        """Whether there is an item of that id."""
        return 0 <= item < self.items

    def add(self, vector: np.ndarray, metadata: bytes) -> int:
        """Refuses.

        Raises:
            InvalidArgumentError: Always.
        """
        raise self._unchangeable()

    def remove(self, item: int) -> None:
        """Refuses, as `add` does."""
        raise self._unchangeable()

    def save_overlay(self, path: Path) -> None:
        """Refuses, as `add` does."""
        raise self._unchangeable()
