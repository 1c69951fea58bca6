"""The life cycle that searchers and embedders share: an engine, until they are closed."""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, Generic, TypeVar

from typing_extensions import Self

from .errors import InvalidArgumentError
from .search.engine import Embedder

EngineT = TypeVar("EngineT", bound=Embedder)


class EngineOwner(Generic[EngineT]):
    """Holds an engine and closes it; a context manager."""

    _noun: ClassVar[str]  # what error messages call it

    def __init__(self, engine: EngineT) -> None:
        """Takes the engine over."""
        self._engine: EngineT | None = engine

    @property
    def engine(self) -> EngineT:
        """What answers the queries.

        Raises:
            InvalidArgumentError: The file was closed.
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
