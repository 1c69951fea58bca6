"""Runs jobs on a Ray cluster, with actors that open what they need once. Jobs and results are names and counts: data stays in files.

Jobs go to Ray's actors directly, not through Ray Data: a job is the name of a shard, so there are no blocks of data to move or to spill.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from maker.errors import DataError, UsageError
from maker.graph.quiet_runtime import quiet_runtime

LOST = 5  # workers that may be lost with the same job, or before they begin, before the run ends
STORE = 200_000_000  # bytes of the object store of a cluster that is started here
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class Ray:
    """Actors of a Ray cluster.

    Attributes:
        address: Of the cluster, `auto` or `HOST:PORT`. None takes the one of this process or of `RAY_ADDRESS`, else it starts one on this
            machine for the run.
        actors: Number of actors; None for as many as the cluster has room for at the start.
        cpus, gpus: What each actor asks for.
    """

    address: str | None = None
    actors: int | None = None
    cpus: float = 1
    gpus: float = 0

    def run(self, work: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Does the jobs in any order. A job whose actor is lost with its node is done by another.

        Raises:
            UsageError: Ray is not installed, or the cluster has no room for an actor.
            DataError: Too many actors were lost.
        """
        if jobs:
            with connected(self.address) as ray:
                yield from _Run(ray, self, work, jobs).results()

    def actors_for(self, ray: Any, jobs: int) -> int:
        """The number of actors to start.

        Raises:
            UsageError: The cluster has no room for one.
        """
        has = ray.cluster_resources()
        room = int(min([has.get(name, 0) / each for name, each in (("CPU", self.cpus), ("GPU", self.gpus)) if each], default=1))
        if room < 1:
            found = f"{has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g} GPUs"
            raise UsageError(f"an actor asks for {self.cpus:g} CPUs and {self.gpus:g} GPUs; the cluster has {found} together")
        return min(self.actors or room, jobs)


class _Run:
    """A run: the jobs that wait, and what each actor has in hand."""

    def __init__(self, ray: Any, engine: Ray, work: Callable[[Any], Any], jobs: Sequence[Any]) -> None:
        self._ray, self._jobs = ray, jobs
        self._waiting = deque(range(len(jobs)))
        self._lost = [0] * len(jobs)
        self._lost_at_start = 0
        self._in_hand: dict[Any, tuple[Any, int | None]] = {}  # by the reference of a result; no job for an actor that begins
        self._actor = ray.remote(_Actor).options(num_cpus=engine.cpus, num_gpus=engine.gpus, max_restarts=0)
        self._work = ray.put(work)
        for _ in range(engine.actors_for(ray, len(jobs))):
            self._start()

    def results(self) -> Iterator[tuple[int, Any]]:
        """The number of each job that is done, with its result."""
        left = len(self._jobs)
        try:
            while left:
                (done,), _ = self._ray.wait(list(self._in_hand), num_returns=1)
                actor, job = self._in_hand.pop(done)
                try:
                    result = self._ray.get(done)
                except self._ray.exceptions.RayTaskError as error:
                    raise (error.cause if isinstance(error.cause, BaseException) else error) from error
                except self._ray.exceptions.RayError as error:  # the actor, its node or its memory is gone
                    self._replace(actor, job, error)
                    continue
                self._give(actor)
                if job is None:
                    self._lost_at_start = 0
                else:
                    left -= 1
                    yield job, result
        finally:
            for actor, _ in self._in_hand.values():
                self._ray.kill(actor)

    def _start(self) -> None:
        """Starts an actor. It gets a job once it runs: none waits for an actor that the cluster has no room for."""
        actor = self._actor.remote(self._work, os.getcwd())
        self._in_hand[actor.begin.remote()] = actor, None

    def _give(self, actor: Any) -> None:
        """Gives an actor the next job, or lets it go."""
        if self._waiting:
            job = self._waiting.popleft()
            self._in_hand[actor.do.remote(self._jobs[job])] = actor, job
        else:
            self._ray.kill(actor)

    def _replace(self, actor: Any, job: int | None, error: Exception) -> None:
        """Takes back the job of a lost actor, and starts another actor."""
        self._ray.kill(actor)
        if job is None:
            self._lost_at_start += 1
            lost, where = self._lost_at_start, "before they began"
        else:
            self._lost[job] += 1
            self._waiting.appendleft(job)
            lost, where = self._lost[job], f"with {getattr(self._jobs[job], 'name', f'job {job}')}"
        if lost >= LOST:
            said = " ".join(str(error).split())[:300]
            raise DataError(f"{lost} Ray actors were lost {where}, perhaps because memory ran out; the last one: {said}") from error
        self._start()


class _Actor:
    """A worker: it keeps what it opens for its first job."""

    def __init__(self, work: Callable[[Any], Any], folder: str) -> None:
        begin_in(folder)
        self._work = work

    def begin(self) -> None:
        """Says that the actor runs."""

    def do(self, job: Any) -> Any:
        """Does a job."""
        return self._work(job)


def begin_in(folder: str) -> None:
    """Prepares the process of an actor. Relative paths count from the folder of the caller, if this machine has it."""
    if os.path.isdir(folder):
        os.chdir(folder)
    quiet_runtime()


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster. A connection that is made here ends with the context."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("the engine ray needs Ray: pip install 'pocket-searcher[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    own = {} if address or os.environ.get("RAY_ADDRESS") else {"object_store_memory": STORE, "include_dashboard": False}
    try:
        ray.init(address, log_to_driver=False, logging_level="error", **own)
    except ConnectionError as error:
        raise UsageError(f"--ray-address {address}: no Ray cluster answers ({' '.join(str(error).split())[:200]})") from error
    try:
        yield ray
    finally:
        ray.shutdown()
