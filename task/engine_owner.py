"""The life cycle of searchers and embedders: they own an engine until they are closed."""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, Generic, TypeVar

from typing_extensions import Self

from .errors import InvalidArgumentError
from .search.engine import Embedder

EngineT = TypeVar("EngineT", bound=Embedder)


class EngineOwner(Generic[EngineT]):
    """Owns an engine and closes it; a context manager."""

    _noun: ClassVar[str]  # its name in errors

    def __init__(self, engine: EngineT) -> None:
        """Takes ownership of the engine."""
        self._engine: EngineT | None = engine

    @property
    def engine(self) -> EngineT:
        """The engine.

        Raises:
            InvalidArgumentError: The searcher or embedder is closed.
        """
        if self._engine is None:
            raise InvalidArgumentError(f"the {self._noun} is closed.")
        return self._engine

    def close(self) -> None:
        """Releases the file and the interpreters; a second call does nothing."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the file."""
        self.close()
