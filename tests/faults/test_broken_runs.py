"""Builds that are killed, and runs that get no disk or memory: the next run ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, PooledColours
from PIL import Image

from maker.export.encoder_file import write_encoder
from tests.faults.broken_runs import KINDS, Command, Unbroken, can_mount

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]

PHOTOS = 300
AT_ONCE = 2  # runs
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250), "black": (5, 5, 5)}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, encoder, embeddings) -> Path:
    """Pictures with captions, an image tower, an encoder file, and embeddings with their names."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    lines = ["image\tsplit\tcaption"]
    for number in range(PHOTOS):
        name, colour = list(COLOURS.items())[number % len(COLOURS)]
        pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (20, 30, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:03}.png")
        lines.append(f"{number:03}.png\t{'train' if number % 10 else 'val'}\ta plain {name} picture {number % 17}")
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_encoder(folder / "image.tflite", {"image": PooledColours()}, {"image": (1, SIDE, SIDE, 3)}, dimension=DIMENSION)
    shutil.copyfile(encoder, folder / "encoder.tflite")
    np.save(folder / "e.npy", embeddings)
    (folder / "e.txt").write_text("".join(f"{number}.png\n" for number in range(len(embeddings))), encoding="utf-8")
    return folder


def arguments(verb: str, inputs: Path) -> list[str]:
    if verb == "build":
        given = ["--images", f"{inputs}/photos", "--captions", f"{inputs}/captions.tsv", "--image-encoder", f"tflite:{inputs}/image.tflite"]
        return ["build", *given, "--epochs", "2", "--no-report", "--output", "OUT/s.tflite", "--overwrite"]
    if verb == "embed":
        return ["embed", f"{inputs}/encoder.tflite", f"{inputs}/photos", "--kind", "image", "--output", "OUT/e.npy", "--overwrite"]
    given = ["--embeddings", f"{inputs}/e.npy", "--metadata", f"{inputs}/e.txt", "--embedder", f"{inputs}/encoder.tflite"]
    return ["index", *given, "--output", "OUT/s.tflite", "--overwrite"]


@pytest.mark.parametrize(("verb", "count"), [("build", 30), ("embed", 80), ("index", 90)])
def test_the_run_after_a_broken_one_ends_as_an_unbroken_one(tmp_path, inputs, verb, count, fault_count, fault_seed):
    command = Command(arguments(verb, inputs), inputs)
    unbroken = command.unbroken(tmp_path / "unbroken")

    def run(number: int) -> str:
        kind = KINDS[number % len(KINDS)]
        try:
            return f"{kind}: {command.broken(tmp_path / str(number), kind, random.Random(f'{fault_seed}-{number}'), unbroken)}"
        except AssertionError as error:
            return f"failed: {number} of seed {fault_seed}: {error}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(run, range(fault_count(count))))
    failed = [line for line in ended if line.startswith("failed")]
    assert not failed, "\n".join(failed)
    disk = "a small tmpfs" if can_mount() else "RLIMIT_FSIZE"
    sys.stdout.write(f"\n{verb}, {len(ended)} moments, disk by {disk}, {_summary(unbroken)}\n")
    for line, times in sorted(Counter(ended).items()):
        sys.stdout.write(f"  {times:3} {line}\n")


def _summary(unbroken: Unbroken) -> str:
    return f"unbroken: {unbroken.seconds:.1f} s, {unbroken.changes} changes, {unbroken.memory >> 20} MiB, {unbroken.disk >> 10} KiB"
