"""Image features on disk: computed once per folder and tower, in blocks, by worker processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.data.duplicates import difference_hash
from maker.data.images import OUTSIDE, lies_within, load_image
from maker.embedding.blocks import Job, embedded_blocks, working_on
from maker.errors import DataError
from maker.workspace import Workspace, atomic, content_digest, digest, file_state
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.vision.resize import resize

SIGNATURE = "embed_image"
CACHE_VERSION = 3  # changes whenever the cached files would


@dataclass(frozen=True)
class Features:
    """The features of the images of a folder.

    Attributes:
        images: Relative paths of the images that could be read, in order.
        values: `(len(images), d)` float32; may be memory-mapped.
        hashes: Perceptual hash of each image, by `maker.data.duplicates.difference_hash`.
    """

    images: list[str]
    values: np.ndarray
    hashes: list[int]

    def rows(self) -> dict[str, int]:
        """The row in `values` of each image."""
        return {image: row for row, image in enumerate(self.images)}


def image_features(folder: Path, images: Sequence[str], encoder: Path, work: Workspace) -> Features:
    """The features of images, from the cache unless the files or the tower have changed.

    Args:
        folder: The folder that paths are relative to.
        images: Paths of the images.
        encoder: A `.tflite` with signature `embed_image`. Its digest is part of the cache key.
        work: Keeps the features and gets the images that cannot be read.

    Raises:
        DataError: None of the images can be read.
    """
    states = [[image, file_state(folder / image)] for image in images]
    done = work.features / digest("images", CACHE_VERSION, content_digest(encoder), states)
    if not (done / "features.npy").exists():
        _compute(folder, images, encoder, done)
    report = json.loads((done / "images.json").read_text(encoding="utf-8"))
    for image, reason in report["rejected"].items():
        work.rejects.add(image, reason)
    if not report["images"]:
        first = next(iter(report["rejected"].items()), ("", "no images"))
        raise DataError(f"{folder}: none of {len(images)} images can be read; {first[0]}: {first[1]}")
    return Features(report["images"], np.load(done / "features.npy", mmap_mode="r"), report["hashes"])


def _compute(folder: Path, images: Sequence[str], encoder: Path, done: Path) -> None:
    """Computes features and writes them to the folder `done`. Blocks of an interrupted run are reused."""
    # An empty path stands for one that a worker must not read.
    paths = [str(folder / image) if lies_within(image) else "" for image in images]
    values: list[np.ndarray] = []
    reasons: list[str] = []
    hashes: list[int] = []
    with embedded_blocks(paths, encoder, done, f"embed {folder.name}", _open_encoder, _embed_block) as files:
        for file in files:
            with np.load(file) as block:
                values.append(block["values"])
                hashes.extend(block["hashes"].tolist())
                reasons.extend(block["reasons"].tolist())
        kept = [image for image, reason in zip(images, reasons, strict=True) if not reason]
        rejected = {image: reason for image, reason in zip(images, reasons, strict=True) if reason}
        with atomic(done / "images.json") as temporary:
            temporary.write_text(json.dumps({"images": kept, "hashes": hashes, "rejected": rejected}, ensure_ascii=False), encoding="utf-8")
        with atomic(done / "features.npy") as temporary, open(temporary, "wb") as out:
            np.save(out, np.concatenate(values))


_runners: SignatureRunners | None = None  # of this worker process


def _open_encoder(encoder: str) -> None:
    global _runners
    options = BaseOptions(encoder, num_threads=1)
    _runners = SignatureRunners(ModelFile(options), options)


def _embed_block(job: Job) -> None:
    """Embeds a block of images and saves their `values`, `hashes` and `reasons`.

    `reasons` has one entry per image, empty if it could be read; the other two leave out images that could not.
    """
    assert _runners is not None
    paths, target = job
    _, height, width, _ = _runners.input_shape(SIGNATURE)
    dimension = _runners.output_size(SIGNATURE)
    values, hashes, reasons = [np.zeros((0, dimension), np.float32)], [], []
    for path in paths:
        working_on(target, path)
        try:
            image = load_image(Path(path)) if path else None
        except DataError as error:
            reasons.append(str(error))
            continue
        if image is None:
            reasons.append(OUTSIDE)
            continue
        features = _runners.run(SIGNATURE, resize(image, height, width)[None])["embedding"]
        if not np.isfinite(features).all():
            reasons.append("the image tower gives features that are not finite")
            continue
        values.append(features)
        hashes.append(difference_hash(image))
        reasons.append("")
    with atomic(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, values=np.concatenate(values), hashes=np.array(hashes, np.uint64), reasons=np.array(reasons, np.str_))
