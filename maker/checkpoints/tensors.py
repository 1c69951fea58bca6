"""The weights of a checkpoint: `.safetensors`, in one file or in several."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import EncoderError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


class Tensors:
    """Weights by name, as float32 arrays. It remembers which were asked for, so that forgotten ones can be refused."""

    def __init__(self, path: str, loaders: Mapping[str, Callable[[], np.ndarray]]) -> None:
        """Takes functions that load each tensor; `path` names the file in errors."""
        self.path = path
        self._loaders = loaders
        self._asked: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._loaders

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._loaders:
            raise EncoderError(f"{self.path}: has no tensor {name!r}; it is incomplete, or of another model than its config.json says")
        self._asked.add(name)
        return np.ascontiguousarray(self._loaders[name](), np.float32)

    def shaped(self, name: str, *shape: int) -> np.ndarray:
        """A tensor of the shape that the configuration says.

        Raises:
            EncoderError: It is missing or has another shape.
        """
        found = self[name]
        if found.shape != shape:
            raise EncoderError(f"{self.path}: tensor {name!r} has shape {list(found.shape)}, expected {list(shape)} by its config.json")
        return found

    def optional(self, name: str) -> np.ndarray | None:
        """A tensor, or None if there is none of that name."""
        return self[name] if name in self._loaders else None

    def loader(self, name: str, change: Callable[[np.ndarray], np.ndarray] | None = None) -> Callable[[], np.ndarray]:
        """What loads a tensor, and changes it."""
        load = self._loaders[name]
        return load if change is None else lambda: change(load())

    def ignore(self, names: Iterable[str]) -> None:
        """Leaves out tensors that embeddings do not need."""
        self._loaders = {name: load for name, load in self._loaders.items() if name not in set(names)}

    def refuse_unread(self, ignored: Callable[[str], bool]) -> None:
        """Checks that each tensor was asked for, or is one that embeddings do not need.

        Raises:
            EncoderError: One was not: the model has a part that this release does not know.
        """
        unread = sorted(name for name in self._loaders if name not in self._asked and not ignored(name))
        if unread:
            raise EncoderError(
                f"{self.path}: tensor {unread[0]!r} is of no known part of such a model ({len(unread)} in all); "
                "embeddings without it would be wrong"
            )


def read_tensors(path: Path) -> Tensors:
    """The weights of a `.safetensors` file, or of a folder with one or several of them.

    Raises:
        EncoderError: There are none, a file is damaged, or the library is missing.
    """
    if path.is_file():
        files = [path]
    elif (path / WEIGHTS).is_file():
        files = [path / WEIGHTS]
    elif (path / INDEX).is_file():
        files = _shards(path)
    else:
        others = sorted(p.name for p in path.glob("*.bin")) + sorted(p.name for p in path.glob("*.safetensors"))
        found = f"; found {', '.join(others[:3])}" if others else ""
        raise EncoderError(f"{path}: has neither {WEIGHTS} nor {INDEX}{found}; download the .safetensors of the checkpoint")
    loaders: dict[str, Callable[[], np.ndarray]] = {}
    for file in files:
        loaders |= _loaders(file)
    return Tensors(str(path), loaders)


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise EncoderError(f"{index}: cannot be read ({error!r}); download it again") from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise EncoderError(f"{index}: names {missing[0]}, which is not in the folder; download all {len(names)} parts")
    return [folder / name for name in names]


def _loaders(file: Path) -> dict[str, Callable[[], np.ndarray]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise EncoderError(f"{file}: reading a checkpoint needs the library safetensors: pip install safetensors") from error
    try:
        opened: Any = safe_open(file, framework="numpy")
        return {name: _loader(opened, name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise EncoderError(f"{file}: is not a whole .safetensors file ({error}); download it again") from error


def _loader(opened: Any, name: str) -> Callable[[], np.ndarray]:
    return lambda: np.asarray(opened.get_tensor(name)).astype(np.float32)
