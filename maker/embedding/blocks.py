"""Long embedding work in blocks and worker processes. Finished blocks are on disk, so that an interrupted run resumes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from maker.progress import progress

BLOCK = 64  # items per task; an interrupted run loses at most this many per worker
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Job: TypeAlias = tuple[list[str], Path]  # items, and the .npz to write


@contextmanager
def embedded_blocks(
    items: Sequence[str], encoder: Path, done: Path, title: str, open_encoder: Callable[[str], None], embed_block: Callable[[Job], None]
) -> Iterator[list[Path]]:
    """Embeds items. The context gives one file per block, in order, and deletes the files when it ends.

    Args:
        items: The items to embed, as strings.
        encoder: The model.
        done: Folder in which finished blocks are kept.
        title: Title of the progress bar.
        open_encoder: Called once per worker process, with the path of the encoder.
        embed_block: Writes the `.npz` of a block, atomically.
    """
    folder = done / "blocks"
    folder.mkdir(parents=True, exist_ok=True)
    files = {start: folder / f"{start:08d}.npz" for start in range(0, len(items), BLOCK)}
    jobs = [(list(items[start : start + BLOCK]), file) for start, file in files.items() if not file.exists()]
    workers = min(os.cpu_count() or 1, len(jobs))
    ticks = iter(progress(range(len(files)), title, quiet=len(items) < BLOCK))
    for _ in range(len(files) - len(jobs)):
        next(ticks)
    if workers > 1:
        context = multiprocessing.get_context("spawn")  # a forked process with the threads of TensorFlow deadlocks
        with _one_thread_each(), ProcessPoolExecutor(workers, context, open_encoder, (str(encoder),)) as pool:
            for _ in pool.map(embed_block, jobs):
                next(ticks)
    else:
        open_encoder(str(encoder))
        for job in jobs:
            embed_block(job)
            next(ticks)
    next(ticks, None)
    yield list(files.values())
    for file in files.values():
        file.unlink()
    folder.rmdir()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Limits NumPy in worker processes to one thread each: more threads than cores only slow each other down."""
    kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
