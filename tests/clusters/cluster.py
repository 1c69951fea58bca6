"""A Ray cluster of several nodes on this machine, each with processes of its own, and shards of drawn pictures."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STORE = 100_000_000  # bytes of the object store of each node
SIDE = 160  # pixels of a picture


@contextmanager
def cluster(nodes: int) -> Iterator[Nodes]:
    """A head without CPUs, to which this process is connected, and nodes of one CPU each."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False})
    try:
        running = Nodes(made)
        for _ in range(nodes):
            running.add()
        ray.init(made.address, log_to_driver=False, logging_level="error")
        yield running
    finally:
        ray.shutdown()
        made.shutdown()


class Nodes:
    """The nodes with CPUs of a cluster."""

    def __init__(self, made: Any) -> None:
        self._cluster = made
        self._nodes: list[Any] = []

    def add(self) -> None:
        """Starts a node."""
        self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=STORE))

    def kill(self) -> None:
        """Kills the oldest node, with whatever runs on it."""
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)


def draw_shards(folder: Path, shards: int, pictures: int) -> None:
    """Tar files of drawn JPEGs; the third picture of each is damaged."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for shard in range(shards):
        with tarfile.open(folder / f"pictures-{shard:05d}.tar", "w") as archive:
            for number in range(pictures):
                content = b"\xff\xd8 damaged" if number == 2 else drawn(rng)
                member = tarfile.TarInfo(f"{shard:05d}-{number:05d}.jpg")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def drawn(rng: np.random.Generator) -> bytes:
    """A JPEG of smooth colours."""
    colours = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    made = io.BytesIO()
    colours.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(made, "JPEG")
    return made.getvalue()


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of shards."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".npy", ".parquet"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run_and(work: Callable[[], object], folder: Path, steps: dict[int, Callable[[], None]]) -> list[int]:
    """Runs work, and does something as soon as a number of shards is finished. Gives the numbers at which it was done.

    The work is in another thread: Ray starts nodes in the main thread only.
    """
    done: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        for wanted, step in steps.items():
            while len(list(folder.glob("*.npy"))) < wanted and not running.done():
                time.sleep(0.01)
            if not running.done():
                done.append(len(list(folder.glob("*.npy"))))
                step()
        running.result()
    return done


@contextmanager
def memory_of_driver() -> Iterator[list[int]]:
    """The resident memory of this process in bytes, ten times a second."""
    found, leave = list[int](), threading.Event()

    def watch() -> None:
        while not leave.wait(0.1):
            found.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        leave.set()
        watcher.join()


def seconds(work: Callable[[], object]) -> float:
    """How long work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
