"""Trains the towers of a searcher on captions and images."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from maker.data.splits import Splits
from maker.encoders.embedder import Tower
from maker.encoders.image import ImageEncoder
from maker.errors import TrainingError
from maker.training.fine_tuning import Backbone, fine_tune, frozen_phase
from maker.training.finishing import finish
from maker.training.frozen_text import TextFeatures
from maker.training.image_side import ImageFeatures, ScratchCnn, embed
from maker.training.loop import EmbedImages, EmbedTexts, Run, fit, loss_of, prefix_figures
from maker.training.metrics import selects_by
from maker.training.options import TrainingOptions
from maker.training.precision import policy
from maker.training.prepare import AnyExported, Prepared, prepare
from maker.training.teaching import TeacherFeatures, learn_teacher


@dataclass(frozen=True)
class Trained:
    """The result of a training run.

    Attributes:
        text: The text tower.
        image: The image tower.
        history: One entry per epoch.
        described: Options and sizes, for the manifest.
        words: Row of the embedding table by spelling; None if the text tower has no such table.
    """

    text: AnyExported
    image: ImageEncoder
    history: list[dict[str, Any]]
    described: dict[str, Any]
    words: dict[str, int] | None


def train_frozen(
    splits: Splits,
    rows: dict[str, int],
    features: np.ndarray,
    tower: Tower,
    options: TrainingOptions,
    run: Run | None = None,
    backbone: Backbone | None = None,
    texts: TextFeatures | None = None,
    variants: Sequence[np.ndarray] = (),
    teacher: TeacherFeatures | None = None,
) -> Trained:
    """Trains a text tower and a head over frozen image features, and from the epoch `unfreeze_from` on the image tower too.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: The row in `features` of each image.
        features: `(n, f)` float32.
        tower: The image tower that made the features; the head is exported behind it.
        options: Hyperparameters.
        run: Where the run is saved and which devices it uses.
        backbone: The image tower as a trainable model; needed with `unfreeze_from`.
        texts: Features of all captions by a frozen text tower; None trains the `words` tower.
        variants: `(n, f)` float32 other features of the same images, such as of mirrored ones; training draws one each time.
        teacher: What a larger encoder makes of the sentences; None to train without it.

    Raises:
        TrainingError: The captions are too few to learn from, the loss is not finite, or fine-tuning made the searcher worse.
    """
    if options.unfreeze_from or options.word_pooling == "attention":
        options = replace(options, second_weight=0.0, hub_bias=0.0)  # the first needs frozen features, both need a sum of words
    _seed(options.seed)
    run = run or Run()
    given, options = options, options.of_towers()
    prepared = prepare(splits, rows, options, texts, teacher.file_sentences if teacher else ())
    if options.unfreeze_from and prepared.validation is None and not options.allow_worse:
        raise TrainingError(
            "--unfreeze-from: nothing is held out, so the fine-tuned tower cannot be compared with the frozen one; pass more captions, "
            "captions of a split 'val', or --allow-worse"
        )
    pictures = ImageFeatures.of(features, variants, prepared.train.images, tower)
    train, taught = prepared.train, None
    if teacher:
        taught = learn_teacher(teacher, prepared, splits, rows, pictures, options, run)
        train = replace(train, teacher=taught.teacher)
    start, *text_starts = prepared.starts(pictures.scaled(), options)
    with _scope(run):
        text = prepared.text_side(options, *text_starts)
        head = pictures.head(options, start)
        loss = loss_of(options, train)
    frozen = pictures.side(head)
    history = fit(text, frozen, train, prepared.validation, frozen_phase(options), run, loss=loss)
    more: dict[str, Any] = {"teacher": taught.described} if taught else {}
    if not options.unfreeze_from:
        finished = finish(text, frozen, head, prepared, given)
        described = _describe(prepared, given, finished.embed_texts, finished.embed_images) | more
        return Trained(finished.text, ImageEncoder(tower, finished.image_head), history, described, prepared.words)
    assert backbone is not None
    unfrozen = replace(run, checkpoint=run.checkpoint and run.checkpoint.with_stem(f"{run.checkpoint.stem}-unfrozen"))
    tuned = fine_tune(text, head, loss, backbone, train, prepared.validation, options, unfrozen)
    more |= {"safety_net": tuned.safety_net}
    described = _describe(prepared, given, text.embed, partial(embed, tuned.image)) | more
    encoder = ImageEncoder(tuned.tower, head.layers())
    return Trained(prepared.exported(text), encoder, [*history, *tuned.history], described, prepared.words)


def _scope(run: Run) -> AbstractContextManager[Any]:
    return run.replicas.scope() if run.replicas else nullcontext()


def train_scratch(
    splits: Splits,
    rows: dict[str, int],
    pixels: np.ndarray,
    options: TrainingOptions,
    run: Run | None = None,
    texts: TextFeatures | None = None,
) -> Trained:
    """Trains a text tower and a small CNN.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: The row in `pixels` of each image.
        pixels: `(n, CNN_SIZE, CNN_SIZE, 3)` uint8.
        options: Hyperparameters.
        run: Where the run is saved and which devices it uses.
        texts: Features of all captions by a frozen text tower; None trains the `words` tower.

    Raises:
        TrainingError: The captions are too few to learn from, or the loss is not finite.
    """
    _seed(options.seed)
    run = run or Run()
    prepared = prepare(splits, rows, options, texts)
    with _scope(run):
        text = prepared.text_side(options, None, None)
        image = ScratchCnn(pixels, options.dimension, options.augmentation, policy(options.mixed_precision))
    history = fit(text, image, prepared.train, prepared.validation, options, run)
    described = _describe(prepared, options, text.embed, partial(embed, image))
    return Trained(prepared.exported(text), ImageEncoder(image.backbone(), []), history, described, prepared.words)


def _describe(prepared: Prepared, options: TrainingOptions, embed_texts: EmbedTexts, embed_images: EmbedImages) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    if prepared.validation is not None:
        measured["selected_by"] = selects_by(len(np.unique(prepared.validation.images)))
    if options.matryoshka and prepared.validation is not None:
        measured["prefixes"] = prefix_figures(embed_texts, embed_images, prepared.validation, options.matryoshka)
    return {
        "options": asdict(options),
        "captions": prepared.captions,
        "images": len(np.unique(prepared.train.images)),
        "vocabulary": len(prepared.vocabulary.hashes) if prepared.vocabulary else 0,
        **measured,
    }


def _seed(seed: int) -> None:
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
