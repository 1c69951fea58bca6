"""Features of images and sounds on disk: computed once per folder and tower, in blocks, by worker processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from maker.collection.engines import Engine
from maker.data.images import lies_within
from maker.embedding.blocks import Job, embedded_blocks, remove_needless_blocks, working_on
from maker.embedding.tower import ItemTower
from maker.errors import DataError
from maker.workspace import Workspace, atomic, content_digest, digest, file_state
from task.format.moment import file_of, moment_of

ENTRIES, VALUES = "images.json", "features.npy"
CACHE_VERSION = 4  # changes whenever the cached files would
VIEWS_VERSION = 2  # the same for those of several views


@dataclass(frozen=True)
class Features:
    """The features of the items of a folder: images, or sounds.

    Attributes:
        images: Names of the items that could be read, in order: relative paths, maybe with a part of a recording, as in
            `task.format.moment`.
        values: `(len(images), d)` float32, half of the whole of each image, half of its crops if there are any; may be
            memory-mapped.
        hashes: Perceptual hash of each item, by `maker.data.duplicates.difference_hash`.
        whole: `(len(images), d)` float32, of the whole image alone; None if it is the only view.
    """

    images: list[str]
    values: np.ndarray
    hashes: list[int]
    whole: np.ndarray | None = None

    def rows(self) -> dict[str, int]:
        """The row in `values` of each image."""
        return {image: row for row, image in enumerate(self.images)}


@dataclass(frozen=True)
class _Known:
    """What a tower made of one item: a row of `_embed_block` and the hash, or the reason for none."""

    values: np.ndarray | None
    hash: int
    reason: str


State: TypeAlias = tuple[int, ...]  # of a file, see `file_state`; empty if there is no file
NOT_WITHIN: State = (-1,)  # of a path that leads out of the folder


def image_features(folder: Path, images: Sequence[str], encoder: Path, work: Workspace, views: int = 1) -> Features:
    """The features of images or sounds. Those that the same tower has made of the same files before are not computed again.

    They are looked up in the work folder and in the other work folders beside it, so that a second searcher of the same photos, or one of a
    few photos more, costs what is new.

    Args:
        folder: The folder that paths are relative to.
        images: Names of the items.
        encoder: A `.tflite` with signature `embed_image` or `embed_audio`, which says what the items are. Its digest is part of the key.
        work: Keeps the features and gets the items that cannot be read.
        views: Number of views of each image, as `maker.embedding.views.views_of` makes them. The time is proportional to it.

    Raises:
        DataError: None of the images can be read.
    """
    states = [_state(folder, image) for image in images]
    tower = f"images-{digest(CACHE_VERSION, content_digest(encoder), *([VIEWS_VERSION, views] if views > 1 else []))}"
    remove_needless_blocks(work.features, VALUES)
    known = _known(work, tower)
    missing = [place for place, state in enumerate(states) if state not in known]
    if missing:
        done = work.features / f"{tower}-{digest([states[place] for place in missing])}"
        if (done / VALUES).exists():  # but it could not be read
            shutil.rmtree(done)
        _compute(
            folder, [images[place] for place in missing], [states[place] for place in missing], ItemTower(encoder, views), done, work.engine
        )
        made = _read(done)
        known |= made
        if all(result.values is None for result in made.values()):
            shutil.rmtree(done)  # only rejected images: there is nothing to keep
    results = [known[state] for state in states]
    for image, result in zip(images, results, strict=True):
        if result.reason:
            work.rejects.add(image, result.reason)
    kept = [(image, result) for image, result in zip(images, results, strict=True) if result.values is not None]
    if not kept:
        first, reason = (images[0], results[0].reason) if images else ("", "no images")
        raise DataError(f"{folder}: none of {len(images)} items can be read; {first}: {reason}")
    rows = _stacked([result.values for _, result in kept if result.values is not None])
    values, whole = (rows, None) if views == 1 else np.split(rows, 2, axis=1)
    return Features([image for image, _ in kept], values, [result.hash for _, result in kept], whole)


def _state(folder: Path, name: str) -> State:
    """The state of an item's file; of a part of a recording, with where it begins and ends, in milliseconds."""
    if not lies_within(name):
        return NOT_WITHIN
    state, moment = tuple(file_state(folder / file_of(name)) or ()), moment_of(name)
    return (*state, round(1000 * moment.start), round(1000 * moment.end)) if moment and state else state


def _stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    """`(n, d)` float32 of `(d,)` rows; still memory-mapped if they are all rows of one file, in order."""
    whole = rows[0].base
    if isinstance(whole, np.memmap) and whole.shape[0] == len(rows) and whole.ndim == 2:
        step = whole.strides[0]
        start = whole.__array_interface__["data"][0]
        if all(row.__array_interface__["data"][0] == start + number * step for number, row in enumerate(rows)):
            return whole
    return np.stack(rows)


def _known(work: Workspace, tower: str) -> dict[State, _Known]:
    """The features that the work folder and those beside it have of a tower.

    Rejected images are tried again: a plugin for their format may have been installed since, or memory may have been short.
    """
    known: dict[State, _Known] = {}
    neighbours = sorted(work.folder.parent.glob(f"*{work.folder.suffix}/features")) if work.folder.suffix else []
    for features in (*neighbours, work.features):
        for done in sorted(features.glob(f"{tower}-*/{VALUES}")):
            known |= {state: made for state, made in _read(done.parent).items() if made.values is not None}
    return known


def _read(done: Path) -> dict[State, _Known]:
    """The entries of a finished folder; none of one that is damaged or being removed."""
    try:
        entries = json.loads((done / ENTRIES).read_text(encoding="utf-8"))
        values = np.load(done / VALUES, mmap_mode="r")
        rows = iter(values)
        return {
            tuple(state): _Known(None, 0, reason) if reason else _Known(next(rows), code, "")
            for state, reason, code in zip(entries["states"], entries["reasons"], entries["hashes"], strict=True)
        }
    except (OSError, ValueError, KeyError, StopIteration, RuntimeError):
        return {}


def _compute(folder: Path, images: Sequence[str], states: Sequence[State], tower: ItemTower, done: Path, engine: Engine | None) -> None:
    """Computes features and writes them to the folder `done`. Blocks of an interrupted run are reused."""
    # An empty path stands for one that a worker must not read.
    paths = ["" if state == NOT_WITHIN else str(folder / image) for image, state in zip(images, states, strict=True)]
    reasons: list[str] = []
    hashes: list[int] = []
    with embedded_blocks(paths, done, f"embed {folder.name}", partial(_embed_block, tower), engine) as files:
        for file in files:
            with np.load(file) as block:
                reasons.extend(block["reasons"].tolist())
                codes = iter(block["hashes"].tolist())
                hashes.extend(0 if reason else next(codes) for reason in block["reasons"].tolist())
        with atomic(done / ENTRIES) as temporary:
            temporary.write_text(json.dumps({"states": states, "reasons": reasons, "hashes": hashes}), encoding="utf-8")
        with atomic(done / VALUES) as temporary:
            _join(files, reasons.count(""), temporary)


def _join(files: Sequence[Path], rows: int, target: Path) -> None:
    """Writes the values of blocks to one `.npy`, block by block: they may be more than memory holds."""
    values: np.ndarray | None = None
    place = 0
    for file in files:
        with np.load(file) as block:
            made = block["values"]
        if values is None:
            values = np.lib.format.open_memmap(target, "w+", np.float32, (rows, made.shape[1]))
        values[place : place + len(made)] = made
        place += len(made)


def _embed_block(tower: ItemTower, job: Job) -> None:
    """Embeds a block of items and saves their `values`, `hashes` and `reasons`, as `ItemTower.embed` gives them."""
    paths, target = job
    made = tower.embed([Path(path) if path else None for path in paths], lambda path: working_on(target, str(path or "")))
    with atomic(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, values=made.values, hashes=made.hashes, reasons=np.array(made.reasons, np.str_))
