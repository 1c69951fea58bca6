"""Long embedding work in blocks and worker processes. Finished blocks are on disk, so that an interrupted run resumes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from maker.collection.engines import Engine, Local
from maker.errors import DataError
from maker.progress import progress

CURRENT = ".current"  # suffix of the file that names the item in hand
BLOCK = 64  # items per task; an interrupted run loses at most this many per worker
Job: TypeAlias = tuple[list[str], Path]  # items, and the .npz to write


@contextmanager
def embedded_blocks(
    items: Sequence[str], done: Path, title: str, embed_block: Callable[[Job], None], engine: Engine | None = None
) -> Iterator[list[Path]]:
    """Embeds items. The context gives one file per block, in order, and deletes the files when it ends.

    Args:
        items: The items to embed, as strings.
        done: Folder in which finished blocks are kept.
        title: Title of the progress bar.
        embed_block: Writes the `.npz` of a block, atomically. It is pickled once a worker.
        engine: Where to embed; None for worker processes of this machine.

    Raises:
        DataError: A worker process was killed.
    """
    folder = done / "blocks"
    folder.mkdir(parents=True, exist_ok=True)
    files = {start: folder / f"{start:08d}.npz" for start in range(0, len(items), BLOCK)}
    jobs = [(list(items[start : start + BLOCK]), file) for start, file in files.items() if not file.exists()]
    ticks = iter(progress(range(len(files)), title, quiet=len(items) < BLOCK))
    for _ in range(len(files) - len(jobs)):
        next(ticks)
    try:
        for _ in (engine or Local()).run(embed_block, jobs):
            next(ticks)
    except BrokenProcessPool as error:
        raise DataError(f"{title}: {_what_broke(jobs)}") from error
    next(ticks, None)
    yield list(files.values())
    for file in files.values():
        file.unlink()
    for left in folder.glob(f"*{CURRENT}"):
        left.unlink()
    folder.rmdir()


def remove_needless_blocks(features: Path, joined: str) -> None:
    """Removes blocks that were joined already, from runs that were killed before they could remove them.

    Args:
        features: The folder of all features.
        joined: The name of the file that stands for the blocks beside it.
    """
    for blocks in features.glob("*/blocks"):
        if (blocks.parent / joined).exists():
            shutil.rmtree(blocks)


def working_on(target: Path, item: str) -> None:
    """Notes which item of a block is embedded now: if the process is killed, the error can name it."""
    line = item.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n"
    # One write over the line before, without truncating: a process that is killed in between leaves one line or the other.
    descriptor = os.open(target.with_suffix(CURRENT), os.O_WRONLY | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _what_broke(jobs: Sequence[Job]) -> str:
    """The reason why a worker process is gone, with the items that the workers had in hand."""
    notes = [target.with_suffix(CURRENT) for _, target in jobs if not target.exists()]
    items = [note.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0] for note in notes if note.exists()]
    where = f" while it worked on {' or '.join(filter(None, items))}" if any(items) else ""
    return (
        f"a worker process was killed{where}, probably because memory ran out; remove or scale down the item, or free memory, "
        "and run the same command again"
    )
