"""Damaged overlays, associated files and models."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import MakerError
from maker.export.verify import verify
from task.core import BaseOptions
from task.errors import TaskError
from task.format import archive, manifest, overlay_file
from task.processor import SearchOptions, SearchResult
from task.text import TextSearcher, TextSearcherOptions
from tests.faults.mutation import mutated

BASE, LEGACY, OVERLAY = "searcher.tflite", "legacy.tflite", "searcher.overlay"
QUERY = "a red kite"
WHERE = "stars >= 2 and note != 'x' and year(taken) > 2012 and 'sea' in tags"
VALUES = [None, True, -1, 0, 1, 2**31, 2**63, 1e308, float("nan"), float("inf"), "", "x", "\ud800", [], [[]], {}, {"": {}}, "9" * 5000]


def answered(path: Path, overlay: Path | None = None) -> str:
    """Opens a file, asks it whatever it answers, and changes it: `read`, or `refused` by an error of this project."""
    options = SearchOptions(max_results=7, overlay_file_name=None if overlay is None else str(overlay))
    try:
        with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=options)) as opened:
            vector = np.linspace(-1, 1, opened.engine.dimension, dtype=np.float32)
            opened.get_user_info()
            _ask(opened, vector)
            for change in (lambda: opened.add(vector, b"new", captions="a kite"), lambda: opened.remove(3)):
                with contextlib.suppress(TaskError):
                    change()
            _ask(opened, vector)
            with contextlib.suppress(TaskError):
                opened.save_overlay(str(path.with_name("saved.overlay")))
    except (TaskError, OSError) as error:
        if len(str(error)) > 3000:
            raise AssertionError(f"an error of {len(str(error))} characters") from error
        return "refused"
    return "read"


def _ask(opened: TextSearcher, vector: np.ndarray) -> None:
    _check(opened.search(QUERY), opened.items)
    _check(opened.search_embedding(vector), opened.items)
    with contextlib.suppress(TaskError):  # a Task Library file takes no filters
        _check(opened.search_embedding(vector, allowed=range(0, min(opened.items, 50), 2)), opened.items)
    with contextlib.suppress(TaskError):
        _check(opened.search_embedding(vector, where=WHERE), opened.items)
        assert all(count > 0 for counts in opened.facets(where=WHERE).values() for count in counts.values())
    for mode in ("only", "auto"):
        with contextlib.suppress(TaskError):
            _check(opened.search(QUERY, lexical=mode), opened.items, ascending=False)


def _check(result: SearchResult, items: int, ascending: bool = True) -> None:
    ids = [neighbor.id for neighbor in result.nearest_neighbors]
    distances = [neighbor.distance for neighbor in result.nearest_neighbors]
    assert len(set(ids)) == len(ids), f"an item twice: {ids}"
    assert np.isfinite(distances).all(), distances
    assert distances == sorted(distances) or not ascending
    assert all(item >= 0 for item in ids)


def changed_json(content: bytes, source: random.Random) -> bytes:
    """JSON with one value, anywhere in it, that is another, away, or of another type."""
    whole = json.loads(content)
    holder: Any = whole
    while True:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = source.choice(keys)
        if not isinstance(holder[key], dict | list) or not holder[key] or source.random() < 0.3:
            break
        holder = holder[key]
    if source.random() < 0.2:
        del holder[key]
    else:
        value = holder[key]
        nudged = [value + 1, value - 1, -value] if isinstance(value, int | float) and not isinstance(value, bool) else []
        holder[key] = source.choice([*VALUES, *nudged])
    return json.dumps(whole).encode()


def _changed_part(name: str, content: bytes, source: random.Random) -> bytes:
    if name.endswith(".json") and source.random() < 0.7:
        return changed_json(content, source)
    return mutated(content, source)


class Overlays:
    """An overlay is opened with its base, or refused."""

    def __init__(self, folder: Path) -> None:
        self.base, self.original = folder / BASE, (folder / OVERLAY).read_bytes()

    def case(self, source: random.Random) -> tuple[str, bytes]:
        if source.random() < 0.3:
            return OVERLAY, mutated(self.original, source)
        with zipfile.ZipFile(io.BytesIO(self.original)) as file:
            parts = {name: file.read(name) for name in file.namelist()}
        name = source.choice([*parts, overlay_file.FILE, overlay_file.FILE])
        parts[name] = _changed_part(name, parts[name], source)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as file:  # its CRCs fit, so that the parts themselves are read
            for name, content in parts.items():
                file.writestr(name, content)
        return OVERLAY, packed.getvalue()

    def check(self, path: Path) -> str:
        return answered(self.base, path)


class Tails:
    """A searcher or a Task Library file, damaged behind its model, is opened or refused, and `maker verify` tells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.originals = {name: (folder / name).read_bytes() for name in (BASE, LEGACY)}

    def case(self, source: random.Random) -> tuple[str, bytes]:
        name = source.choice((BASE, BASE, LEGACY))
        content = self.originals[name]
        model = content[: archive.model_size(content)]
        if source.random() < 0.4:
            return name, model + mutated(content[len(model) :], source)
        parts = _parts(content)
        changed = source.choice([*parts, *[part for part in parts if part.endswith(".json")] * 2])
        path = self.folder / f"case-{source.getrandbits(64):x}"
        path.write_bytes(model)
        for part, data in parts.items():
            archive.append(path, part, _changed_part(part, data, source) if part == changed else data)
        try:
            return name, path.read_bytes()
        finally:
            path.unlink()

    def check(self, path: Path) -> str:
        word = answered(path)
        if path.name == BASE and word == "read" and _differs(path.read_bytes(), self.originals[BASE]):
            assert _is_refused_by_verify(path), "maker verify does not see the damage"
        return word


class Models:
    """A searcher whose model is damaged: `maker verify` tells, before LiteRT, which may crash, opens it."""

    def __init__(self, folder: Path) -> None:
        self.original = (folder / BASE).read_bytes()

    def case(self, source: random.Random) -> tuple[str, bytes]:
        size = archive.model_size(self.original)
        while True:
            at = source.randrange(8, size)
            changed = bytearray(self.original)
            changed[at : min(at + source.choice((1, 1, 4, 64)), size)] = source.randbytes(min(source.choice((1, 1, 4, 64)), size - at))
            if changed != self.original:
                return BASE, bytes(changed)

    def check(self, path: Path) -> str:
        assert _is_refused_by_verify(path), "maker verify does not see the damage"
        return "refused"


def _parts(content: bytes) -> dict[str, bytes]:
    return {name: content[start : start + size] for name, (start, size) in archive.locate(content).items()}


def _differs(content: bytes, original: bytes) -> bool:
    """Whether a part differs that the manifest has a digest of."""
    parts, before = _parts(content), _parts(original)
    return {n: p for n, p in parts.items() if n != manifest.FILE} != {n: p for n, p in before.items() if n != manifest.FILE}


def _is_refused_by_verify(path: Path) -> bool:
    try:
        verify(path)
    except (MakerError, TaskError):
        return True
    return False
