"""200 pictures of odd shapes, prepared by `task` and by the processor of the checkpoint's library."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from maker.encoders.embedder import embedder_manifest
from task.format.preparation import preparation_of
from task.vision import TensorImage
from task.vision.resize import prepare

COUNT, COSINE = 200, 0.9995
HERE = Path(__file__).parent


def make(folder: Path) -> list[Path]:
    """Draws pictures: tall, wide, tiny, large, grey, with a palette, with edges and with noise."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    paths = []
    for number in range(COUNT):
        width, height = (int(side) for side in np.exp(random.uniform(np.log(20), np.log(1500), 2)))
        if number % 5:  # most are no more than three times as long as wide
            height = int(np.clip(height, width / 3, width * 3))
        across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
        colours = random.uniform(0, 255, (3, 3))
        values = colours[0] + (colours[1] - colours[0]) * across[None, :, None] + (colours[2] - colours[0]) * down[..., None] / 2
        values = values + random.normal(0, random.uniform(0, 12), (height, width, 3))
        image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(image)
        for _ in range(int(random.integers(1, 12))):
            corners = [int(v) for v in random.uniform(0, 1, 4) * [width, height, width, height]]
            draw.line(corners, fill=tuple(int(c) for c in random.integers(0, 256, 3)), width=int(random.integers(1, 30)))
        image = image.convert(("RGB", "L", "P")[(number % 10 == 3) + 2 * (number % 10 == 7)])
        path = folder / f"{number:03}.png"
        image.save(path)
        paths.append(path)
    return paths


def compared(checkpoint: Path, encoder: Path, python: str) -> list[str]:
    """Prints how alike the pictures are; returns what is too far."""
    folder = checkpoint.parent / "odd"
    paths = sorted(folder.glob("*.png")) or make(folder)
    target = checkpoint / "odd.npy"
    if not target.exists():
        subprocess.run([python, HERE / "reference_pictures.py", checkpoint, folder, target], check=True)
    described = embedder_manifest(encoder).query["image"]
    about = json.loads((checkpoint / "texts.json").read_text())
    mean, std = (np.array(about[name], np.float32) for name in ("mean", "std"))
    wanted = np.load(target, mmap_mode="r")
    cosines = []
    for path, right in zip(paths, wanted, strict=True):
        pixels = TensorImage.create_from_file(str(path)).buffer
        found = (prepare(pixels, described["height"], described["width"], preparation_of(described)) / 255 - mean) / std
        right = np.asarray(right, np.float64).transpose(1, 2, 0)
        cosines.append(float((found * right).sum() / np.linalg.norm(found) / np.linalg.norm(right)))
    print(f"{checkpoint.name}: smallest cosine of {COUNT} odd pictures {min(cosines):.5f}, median {np.median(cosines):.6f}", flush=True)
    return [f"picture {paths[int(np.argmin(cosines))].name}: cosine {min(cosines):.5f}"] if min(cosines) < COSINE else []
