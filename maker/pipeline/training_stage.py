"""Trains an encoder, or takes the one that an earlier run with the same inputs left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maker.data.captions import Caption
from maker.data.rejects import Rejects
from maker.data.splits import Splits
from maker.embedding.features import Features, image_features
from maker.embedding.pixels import image_pixels
from maker.embedding.project import project, write_head
from maker.embedding.texts import embed_texts
from maker.encoders.convert import ImageModelOptions, open_keras
from maker.encoders.embedder import Tower
from maker.encoders.image import SCRATCH, ImageEncoder, Mirrored, backbone, parse_spec
from maker.encoders.prefix import prefix
from maker.encoders.token_tower import TokenEncoder
from maker.errors import DataError
from maker.evaluation.training_curves import draw_training_curves
from maker.export.encoder_file import write_encoder
from maker.pipeline.text_stage import FrozenTextTower
from maker.pipeline.training_run import TrainingRun, check_unfreezing, open_replicas
from maker.training.options import CNN_SIZE, TrainingOptions

if TYPE_CHECKING:
    from maker.training.train import Trained

CACHE_VERSION = 4  # of what training makes of the same inputs


@dataclass(frozen=True)
class EncoderFiles:
    """A trained encoder, and for a frozen tower the two halves by which cached features are used.

    Attributes:
        encoder: `embed_text` and `embed_image`.
        backbone: `embed_image` up to the features; None for a tower that was trained whole.
        head: From features to embeddings; None for a tower that was trained whole.
        text: The frozen text tower; None for learnt words.
        text_head: From its features to embeddings.
        dimension: How many of the embeddings' first dimensions are taken, of norm 1 again; None for all.
    """

    encoder: Path
    backbone: Path | None = None
    head: Path | None = None
    text: FrozenTextTower | None = None
    text_head: Path | None = None
    dimension: int | None = None

    @property
    def trained(self) -> list[Path]:
        """Those that training writes."""
        return [file for file in (self.encoder, self.head, self.text_head) if file]

    @property
    def curves(self) -> Path:
        """The picture of its training."""
        return self.encoder.with_suffix(".png")

    def embed(self, folder: Path, images: Sequence[str], work: Path, rejects: Rejects) -> Features:
        """Embeddings of a folder's images, computed once."""
        cache = work / "features"
        features = image_features(folder, images, self.backbone if self.backbone and self.head else self.encoder, cache, rejects)
        values = project(features.values, self.head) if self.backbone and self.head else features.values
        return replace(features, values=self._cut(values))

    def embed_texts(self, texts: Sequence[str], work: Path) -> np.ndarray:
        """`(n, d)` float32 embeddings of sentences; a frozen tower's features are computed once."""
        if self.text is None or self.text_head is None:
            return self._cut(embed_texts(texts, self.encoder))
        features = self.text.features(texts, work)
        return self._cut(project(features.values, self.text_head)[[features.rows[text] for text in texts]])

    def _cut(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings if self.dimension in (None, embeddings.shape[1]) else prefix(embeddings, self.dimension)


def train_encoder(
    folder: Path,
    known: Sequence[str],
    splits: Splits,
    spec: str,
    model: ImageModelOptions,
    options: TrainingOptions,
    work: Path,
    rejects: Rejects,
    text: FrozenTextTower | None = None,
) -> EncoderFiles | None:
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
        text: A frozen text tower; words are learnt where None.

    Returns:
        What was trained; None on a host that is not the chief, which is done when training is.

    Raises:
        MakerError: An input cannot be used.
    """
    kind, rest = parse_spec(spec)
    check_unfreezing(kind, spec, options)
    replicas = open_replicas(options)
    captioned = {c.image for c in (*splits.train, *splits.validation)}
    wanted = [image for image in known if image in captioned]
    inputs = [CACHE_VERSION, spec, _texts(splits.train), _texts(splits.validation), [_status(folder / i) for i in wanted]]
    inputs += [text.digest] if text else []
    texts = text.to_train_on((c.text for c in (*splits.train, *splits.validation)), work) if text else None
    if kind == SCRATCH:
        run = TrainingRun.of(work, inputs, options, replicas)
        files = EncoderFiles(work / f"encoder-{run.key}.tflite", text=text, text_head=_text_head(work, run, text))
        unreadable = work / f"rejects-{run.key}.tsv"
        if run.is_due(files.trained):
            found = Rejects()
            readable, pixels = image_pixels(folder, wanted, CNN_SIZE, found)
            splits = _readable(splits, readable)
            from maker.training.train import train_scratch

            rows = {image: row for row, image in enumerate(readable)}
            trained = train_scratch(splits, rows, pixels, options, run.start(), texts)
            if run.is_chief:
                found.write(unreadable)
                _write(trained, files, spec, splits)
                run.forget()
        if not run.is_chief:
            return None
        rejects.read(unreadable)
        return files
    tower = backbone(spec, model, work)
    frozen = work / "backbone.tflite"
    write_encoder(frozen, {"image": ImageEncoder(tower, [])}, {"image": tower.input_shape}, normalize=False, dimension=tower.dimension)
    features = image_features(folder, known, frozen, work / "features", rejects)
    run = TrainingRun.of(work, [*inputs, hashlib.sha256(frozen.read_bytes()).hexdigest()], options, replicas)
    encoder, head = work / f"encoder-{run.key}.tflite", work / f"head-{run.key}.tflite"
    text_head = _text_head(work, run, text)
    files = EncoderFiles(encoder, frozen, head, text, text_head)
    if options.unfreeze_from:
        files = replace(files, backbone=None, head=None)
    if run.is_due(files.trained):
        splits = _readable(splits, features.images)
        from maker.training.fine_tuning import Backbone
        from maker.training.train import train_frozen

        trainable = Backbone(lambda: open_keras(kind, rest, model), [folder / image for image in features.images])
        mirrored = _mirrored(folder, features, splits, tower, work) if options.mirrored_features else None
        trained = train_frozen(splits, features.rows(), features.values, tower, options, run.start(), trainable, texts, mirrored)
        if run.is_chief:
            if not options.unfreeze_from:
                write_head(head, trained.image.head, tower.dimension)
            _write(trained, files, spec, splits)
            run.forget()
    return files if run.is_chief else None


def _mirrored(folder: Path, features: Features, splits: Splits, tower: Tower, work: Path) -> np.ndarray:
    """Features of the training images' mirror images, in the places of theirs."""
    encoder = work / "backbone-mirrored.tflite"
    write_encoder(encoder, {"image": Mirrored(tower)}, {"image": tower.input_shape}, normalize=False, dimension=tower.dimension)
    found = image_features(folder, sorted({c.image for c in splits.train}), encoder, work / "features", Rejects())
    values, rows = np.array(features.values, np.float32), features.rows()
    values[[rows[image] for image in found.images]] = found.values
    return values


def _text_head(work: Path, run: TrainingRun, text: FrozenTextTower | None) -> Path | None:
    return work / f"text-head-{run.key}.tflite" if text else None


def _write(trained: Trained, files: EncoderFiles, spec: str, splits: Splits) -> None:
    tower = trained.image.backbone
    text = trained.text
    if isinstance(text, TokenEncoder):
        assert files.text is not None
        assert files.text_head is not None
        write_head(files.text_head, text.head, text.backbone.dimension)
        kind, shape = "tokens", text.backbone.input_shape
        described = {"spec": _portable(files.text.spec), "feature": text.backbone.output.name, "pool": text.backbone.pool}
    else:
        kind, shape = "text", (1, text.size.max_bytes)
        described = {"spec": "words", "vocabulary": trained.described["vocabulary"], **asdict(text.size)}
    draw_training_curves(files.curves, trained.history, trained.described["options"]["unfreeze_from"])
    write_encoder(
        files.encoder,
        {kind: text, "image": trained.image},
        {kind: shape, "image": tower.input_shape},
        dimension=trained.described["options"]["dimension"],
        described={
            "text": described,
            "image": {"spec": _portable(spec), "feature": tower.output.name},
        },
        training={**trained.described, "split": splits.how, "history": trained.history},
        words=trained.words,
        tokenizer=files.text.tower.tokenizer if files.text else None,
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
