"""Trains an encoder, or takes the one that an earlier run with the same inputs left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maker.data.captions import Caption
from maker.data.rejects import Rejects
from maker.data.splits import Splits
from maker.embedding.features import Features, image_features
from maker.embedding.pixels import image_pixels
from maker.embedding.project import project, write_head
from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import SCRATCH, ImageEncoder, backbone, parse_spec
from maker.errors import DataError
from maker.export.encoder_file import write_encoder
from maker.training.options import CNN_SIZE, TrainingOptions

if TYPE_CHECKING:
    from maker.training.train import Trained

CACHE_VERSION = 3  # of what training makes of the same inputs


@dataclass(frozen=True)
class EncoderFiles:
    """A trained encoder, and for a frozen tower the two halves by which cached features are used.

    Attributes:
        encoder: `embed_text` and `embed_image`.
        backbone: `embed_image` up to the features; None for a tower that was trained whole.
        head: From features to embeddings; None for a tower that was trained whole.
    """

    encoder: Path
    backbone: Path | None = None
    head: Path | None = None

    def embed(self, folder: Path, images: Sequence[str], work: Path, rejects: Rejects) -> Features:
        """Embeddings of a folder's images, computed once."""
        cache = work / "features"
        if self.backbone is None or self.head is None:
            return image_features(folder, images, self.encoder, cache, rejects)
        features = image_features(folder, images, self.backbone, cache, rejects)
        return Features(features.images, project(features.values, self.head), features.hashes)


def train_encoder(
    folder: Path,
    known: Sequence[str],
    splits: Splits,
    spec: str,
    model: ImageModelOptions,
    options: TrainingOptions,
    work: Path,
    rejects: Rejects,
) -> EncoderFiles:
    """Trains both towers.

    Args:
        folder: The training photos.
        known: All image files in it.
        splits: Captions, each of a known image.
        spec: The image tower's.
        model: How a model becomes an image tower.
        options: Rates and sizes.
        work: Where results are kept.
        rejects: Gets images that cannot be read.

    Raises:
        MakerError: An input cannot be used.
    """
    kind, _ = parse_spec(spec)
    captioned = {c.image for c in (*splits.train, *splits.validation)}
    wanted = [image for image in known if image in captioned]
    inputs = [CACHE_VERSION, spec, asdict(options), _texts(splits.train), _texts(splits.validation), [_status(folder / i) for i in wanted]]
    if kind == SCRATCH:
        key = _digest(inputs)
        files = EncoderFiles(work / f"encoder-{key}.tflite")
        unreadable = work / f"rejects-{key}.tsv"
        if not files.encoder.exists():
            found = Rejects()
            readable, pixels = image_pixels(folder, wanted, CNN_SIZE, found)
            splits = _readable(splits, readable)
            from maker.training.train import train_scratch

            rows = {image: row for row, image in enumerate(readable)}
            trained = train_scratch(splits, rows, pixels, options, _checkpoint(work, key))
            _write(trained, files.encoder, spec, splits)
            found.write(unreadable)
            _checkpoint(work, key).unlink()
        rejects.read(unreadable)
        return files
    tower = backbone(spec, model, work)
    frozen = work / "backbone.tflite"
    write_encoder(frozen, {"image": ImageEncoder(tower, [])}, {"image": tower.input_shape}, normalize=False, dimension=tower.dimension)
    features = image_features(folder, known, frozen, work / "features", rejects)
    key = _digest([*inputs, hashlib.sha256(frozen.read_bytes()).hexdigest()])
    head = work / f"head-{key}.tflite"
    files = EncoderFiles(work / f"encoder-{key}.tflite", frozen, head)
    if not (files.encoder.exists() and head.exists()):
        splits = _readable(splits, features.images)
        from maker.training.train import train_frozen

        trained = train_frozen(splits, features.rows(), features.values, tower, options, _checkpoint(work, key))
        write_head(head, trained.image.head, tower.dimension)
        _write(trained, files.encoder, spec, splits)
        _checkpoint(work, key).unlink()
    return files


def _checkpoint(work: Path, key: str) -> Path:
    """Where an unfinished training run is kept."""
    return work / f"training-{key}.npz"


def _write(trained: Trained, encoder: Path, spec: str, splits: Splits) -> None:
    tower = trained.image.backbone
    size = trained.text.size
    write_encoder(
        encoder,
        {"text": trained.text, "image": trained.image},
        {"text": (1, size.max_bytes), "image": tower.input_shape},
        dimension=trained.described["options"]["dimension"],
        described={
            "text": {"spec": "words", "vocabulary": trained.described["vocabulary"], **asdict(size)},
            "image": {"spec": _portable(spec), "feature": tower.output.name},
        },
        training={**trained.described, "split": splits.how, "history": trained.history},
        words=trained.words,
    )


def _portable(spec: str) -> str:
    """A spec without the folders of the machine that it was built on."""
    kind, _, rest = spec.partition(":")
    path, mark, tensor = rest.partition("#")
    return f"{kind}:{Path(path).name}{mark}{tensor}" if rest else spec


def _readable(splits: Splits, images: Iterable[str]) -> Splits:
    """The captions whose image could be read."""
    held = set(images)
    train, validation = ([c for c in side if c.image in held] for side in (splits.train, splits.validation))
    if not train:
        raise DataError("none of the training captions' images can be read")
    return Splits(train, validation, splits.how)


def _texts(captions: Sequence[Caption]) -> list[tuple[str, str]]:
    return [(c.image, c.text) for c in captions]


def _status(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _digest(inputs: Any) -> str:
    return hashlib.sha256(json.dumps(inputs, ensure_ascii=False).encode()).hexdigest()[:16]
