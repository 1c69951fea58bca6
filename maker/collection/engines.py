"""Runs jobs one after the other, in worker processes, or on Ray. The rest of the project does long work through these engines alone."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from maker import interrupts
from maker.errors import UsageError
from maker.graph.quiet_runtime import quiet_runtime

THREADS = 3  # of a pool of processes, and one to spare
RESERVE = 48 << 20  # bytes: the stacks of these threads, 8 MB each, and as much for what they hold
AHEAD = 2  # jobs a worker that are begun or wait for one, so that none is idle
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
J = TypeVar("J")
R = TypeVar("R")


class Engine(Protocol):
    """Runs jobs."""

    def run(self, work: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Does each job, in any order.

        Args:
            work: Does a job. It is pickled once a worker, so that what it opens at its first job serves all jobs of the worker.
            jobs: The jobs, which can be pickled. Each names its input and its output; it may be done twice if a worker is lost.

        Yields:
            The number of a job that is done, and its result.
        """


@dataclass(frozen=True)
class Local:
    """Worker processes on this machine; this process itself for one worker.

    Attributes:
        workers: Number of processes; None for one a core.
    """

    workers: int | None = None

    def processes(self, jobs: int) -> int:
        """The number of processes for so many jobs; up to 1 for this process itself."""
        return min(self.workers or _cores(), jobs)

    def run(self, work: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Does the jobs in their order, and only a few of them ahead of who takes the results: results may be large.

        Raises:
            concurrent.futures.process.BrokenProcessPool: A worker process was killed.
        """
        workers = self.processes(len(jobs))
        if workers <= 1:
            yield from enumerate(map(work, jobs))
            return
        _check_memory()
        context = multiprocessing.get_context("spawn")  # a forked process with the threads of TensorFlow deadlocks
        with _one_thread_each(), ProcessPoolExecutor(workers, context, _start_worker, (work,)) as pool:
            try:
                begun: deque[Future[R]] = deque()
                for number in range(len(jobs)):
                    with interrupts.held(), _main_module_hidden():
                        begun.extend(pool.submit(_do, job) for job in jobs[number + len(begun) : number + AHEAD * workers])
                    yield number, begun.popleft().result()
            except BaseException:  # an interrupted run starts no further job
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def engine_of(name: str, *, workers: int | None, address: str | None = None, cpus: float = 1, gpus: float = 0) -> Engine:
    """The engine of a name, `local` or `ray`. What it does not need has to be left out.

    Raises:
        UsageError: The name is unknown, or a value is out of its range.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"at least 1 worker is needed, found {workers}")
    if name == "local":
        if (address, cpus, gpus) != (None, 1, 0):
            raise UsageError("a Ray address, CPUs and GPUs are for the engine ray; leave them out for local")
        return Local(workers)
    if name != "ray":
        raise UsageError(f"engine {name!r}: unknown; expected local or ray")
    from maker.collection.ray_engine import Ray

    if cpus < 0 or gpus < 0 or cpus + gpus <= 0:
        raise UsageError(f"an actor needs a CPU or a GPU, found {cpus:g} CPUs and {gpus:g} GPUs")
    return Ray(address, workers, cpus, gpus)


def _cores() -> int:
    """The number of cores that this process may use."""
    cores = os.cpu_count() or 1
    return min(cores, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else cores


def can_be_sent(work: Any) -> bool:
    """Whether worker processes can be given `work`: it can be pickled, and nothing in it is defined in the main script."""
    try:
        return b"__main__" not in pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False


_work: Callable[[Any], Any] | None = None  # of this worker process


def _do(job: Any) -> Any:
    assert _work is not None
    return _work(job)


def _check_memory() -> None:
    """Takes the memory of a pool of processes and gives it back, then starts as many threads as it needs.

    A thread that finds no memory while it starts leaves the pool waiting for ever, so there has to be more than enough.

    Raises:
        MemoryError: Too little memory is left.
    """
    leave = threading.Event()
    started: list[threading.Thread] = []
    try:
        bytearray(RESERVE)
        for _ in range(THREADS):
            thread = threading.Thread(target=leave.wait)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError) as error:
        raise MemoryError("too little memory is left to start worker processes") from error
    finally:
        leave.set()
        for thread in started:
            thread.join()


def _start_worker(work: Callable[[Any], Any]) -> None:
    """Prepares a worker process, which ends when its parent does, even if the parent is killed."""
    global _work
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers when it is interrupted
    interrupts.unblock(signal.SIGINT)
    quiet_runtime()
    _work = work


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


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
