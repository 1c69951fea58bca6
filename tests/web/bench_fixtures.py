"""What `make bench-page` measures: sites with two image encoders, and drawn photos as phones take them.

python tests/web/bench_fixtures.py FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from maker.preview.site import preview

sys.path.append(str(Path(__file__).parents[2]))
from tests.written_searcher import run  # noqa: E402 - a script is not run from the root

DATA = Path(os.environ.get("POCKET_SEARCHER_DATA", "../shared/data"))
TOWERS = {"MobileNetV2": "mobilenet_v2_1.0_224_quant.tflite", "EfficientNet-Lite2": "efficientnet_lite2_260_int8.tflite"}
SCENES, PHOTOS = 240, 40
SIZES = {"large": (4032, 3024), "small": (1024, 768), "least": (400, 300)}  # pixels: what a phone takes, what it sends, and for many


def make(folder: Path) -> None:
    """Makes everything that is not there yet."""
    scenes = folder / "scenes"
    if not scenes.exists():
        run("sample", scenes, "--scenes", SCENES, "--held-out", 40)
    for name, weights in TOWERS.items():
        searcher = folder / f"{name}.tflite"
        if not searcher.exists():
            captions, encoder = scenes / "captions.tsv", f"tflite:{DATA / 'weights' / weights}"
            run("build", "--images", scenes, "--captions", captions, "--image-encoder", encoder, "--output", searcher)
        preview(searcher, scenes, folder / name, overwrite=True)
    drawn = sorted(scenes.rglob("*.png"))[:PHOTOS]
    for name, size in SIZES.items():
        (folder / name).mkdir(exist_ok=True)
        for number, scene in enumerate(drawn):
            path = folder / name / f"{number:03}.jpg"
            if not path.exists():
                write_photo(scene, size, path, number)


def write_photo(scene: Path, size: tuple[int, int], path: Path, seed: int) -> None:
    """A scene with the grain of a camera, so that its file is as large as that of a photo."""
    with Image.open(scene) as image:
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(np.float32)
    grain = np.random.default_rng(seed).normal(0, 4, (size[1], size[0], 1)).astype(np.float32)
    Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(path, quality=88)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
