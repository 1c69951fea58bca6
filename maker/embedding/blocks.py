"""Long embedding work in blocks and worker processes. Finished blocks are on disk, so that an interrupted run resumes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeAlias

from maker.errors import DataError
from maker.graph.quiet_runtime import quiet_runtime
from maker.progress import progress

CURRENT = ".current"  # suffix of the file that names the item in hand
THREADS = 3  # of a pool of processes, and one to spare
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

    Raises:
        DataError: A worker process was killed.
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
        try:
            for _ in _in_workers(workers, open_encoder, str(encoder), embed_block, jobs):
                next(ticks)
        except BrokenProcessPool as error:
            raise DataError(f"{title}: {_what_broke(jobs)}") from error
    else:
        open_encoder(str(encoder))
        for job in jobs:
            embed_block(job)
            next(ticks)
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


def _in_workers(
    workers: int, open_encoder: Callable[[str], None], encoder: str, embed_block: Callable[[Job], None], jobs: Sequence[Job]
) -> Iterator[None]:
    """Runs the jobs in worker processes; yields after each."""
    _check_threads()
    context = multiprocessing.get_context("spawn")  # a forked process with the threads of TensorFlow deadlocks
    with _one_thread_each(), ProcessPoolExecutor(workers, context, _start_worker, (open_encoder, encoder)) as pool:
        try:
            with _main_module_hidden():
                done = pool.map(embed_block, jobs)
            yield from done
        except BaseException:  # an interrupted run starts no further block
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _check_threads() -> None:
    """Starts as many threads as a pool of processes needs. A pool that cannot start its own waits for ever.

    Raises:
        MemoryError: Too little memory is left.
    """
    leave = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(THREADS):
            thread = threading.Thread(target=leave.wait)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise MemoryError("too little memory is left to start worker processes") from error
    finally:
        leave.set()
        for thread in started:
            thread.join()


def _start_worker(open_encoder: Callable[[str], None], encoder: str) -> None:
    """Prepares a worker process, which ends when its parent does, even if the parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers when it is interrupted
    quiet_runtime()
    open_encoder(encoder)


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _what_broke(jobs: Sequence[Job]) -> str:
    """The reason why a worker process is gone, with the items that the workers had in hand."""
    notes = [target.with_suffix(CURRENT) for _, target in jobs if not target.exists()]
    items = [note.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0] for note in notes if note.exists()]
    where = f" while it worked on {' or '.join(filter(None, items))}" if any(items) else ""
    return (
        f"a worker process was killed{where}, probably because memory ran out; remove or scale down the item, or free memory, "
        "and run the same command again"
    )


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keeps worker processes from importing the main script, which would run it again if it has no `__main__` guard.

    `multiprocessing.spawn` imports what `__main__` names as its file or its spec. Workers only need this package.
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


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
