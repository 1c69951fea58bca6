"""Embeds 20,000 drawn pictures in 40 shards on a Ray cluster of three nodes on this machine; `make bench-ray` runs it.

The first run embeds all of them with a tower of a few operators while nodes are killed twice, and is compared with a local run. Then one,
two and three actors embed some pictures with MobileNetV2. From these figures follows what 100,000,000 pictures would take.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from maker import embedder
from maker.collection.engines import Engine, Local
from maker.collection.ray_engine import Ray
from maker.export.encoder_file import write_encoder
from maker.pipeline import embed_shards
from tests.clusters.cluster import cluster, digests, draw_shards, memory_of_driver, run_and, seconds
from tests.conftest import DIMENSION, SIDE, PooledColours
from tests.outside_data import WEIGHTS, absent

TOWER = WEIGHTS / "mobilenet_v2_1.0_224_quant.tflite"
SHARDS = 40
TIMED = (6, 60)  # shards and pictures of each, for MobileNetV2
LARGE = 100_000_000  # pictures


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=Path("build/ray"))
    given = parser.parse_args()
    if not TOWER.exists():
        sys.stderr.write(f"bench-ray: {absent(TOWER)}\n")
        return 1
    shutil.rmtree(given.folder, ignore_errors=True)
    small = given.folder / "small.tflite"
    write_encoder(small, {"image": PooledColours()}, {"image": (1, SIDE, SIDE, 3)}, dimension=DIMENSION)
    draw_shards(given.folder / "pictures", SHARDS, given.pictures // SHARDS)
    draw_shards(given.folder / "timed", *TIMED)
    took = seconds(lambda: embed_shards(small, given.folder / "pictures", given.folder / "local", engine=Local(1)))
    say(f"{given.pictures:,} pictures in {SHARDS} shards, a small tower, {cores()} cores")
    say(f"one process: {took:.0f} s")
    with cluster(3) as nodes:

        def kill() -> None:
            nodes.kill()
            nodes.add()

        killed = given.folder / "killed"
        with memory_of_driver() as memory:
            at, took = [], 0.0

            def run() -> None:
                embed_shards(small, given.folder / "pictures", killed, engine=Ray())

            took = seconds(lambda: at.extend(run_and(run, killed, {8: kill, 24: kill})))
        same = digests(killed) == digests(given.folder / "local")
        say(f"Ray, three actors, a node killed after {' and '.join(map(str, at))} shards: {took:.0f} s")
        say(f"the files are {'' if same else 'NOT '}those of the local run, byte for byte")
        first, last = (max(part) / 1e6 for part in (memory[: len(memory) // 4], memory[-len(memory) // 4 :]))
        say(f"memory of the driver: at most {first:.0f} MB in the first quarter of the run, {last:.0f} MB in the last")
        tower = embedder(f"tflite:{TOWER}").file
        engines: dict[str, Engine] = {"one process": Local(1), **{f"Ray, {count} actors": Ray(actors=count) for count in (1, 2, 3)}}
        used = {}
        for name, engine in engines.items():
            made = given.folder / name.replace(" ", "-")
            begin = time.process_time()
            took = seconds(lambda engine=engine, made=made: embed_shards(tower, given.folder / "timed", made, engine=engine))  # type: ignore[misc]
            used[name] = time.process_time() - begin
            say(f"MobileNetV2 at 224 pixels, {name}: {TIMED[0] * TIMED[1] / took:.1f} pictures a second")
    say(on_paper(used["one process"], given.folder / "timed", given.folder / "one-process"))
    return 0 if same else 1


def on_paper(cpu_seconds: float, pictures: Path, made: Path) -> str:
    """What `LARGE` pictures would take, from the processor time and the sizes of a run of one process."""
    count = TIMED[0] * TIMED[1]
    each = cpu_seconds / count
    read, embeddings, names = (
        sum(path.stat().st_size for path in folder.glob(pattern)) / count * LARGE / 1e9
        for folder, pattern in ((pictures, "*.tar"), (made, "*.npy"), (made, "*.parquet"))
    )
    return (
        f"{1e3 * each:.1f} ms of processor time a picture; {LARGE:,} pictures: {LARGE * each / 3600:,.0f} core hours, {read:,.0f} GB read, "
        f"{embeddings:,.0f} GB of embeddings, {names:,.1f} GB of names"
    )


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(text: str) -> None:
    """Prints at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
