"""Fine-tuning of an image backbone, together with the head and the text tower that were trained while it was frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.convert import KerasTower, normalization
from maker.encoders.embedder import Tower, image_tower
from maker.graph.source import Source
from maker.progress import say
from maker.training.batches import captions_by_image, mean_captions
from maker.training.head import Head
from maker.training.image_side import Unfrozen
from maker.training.joint_text import AnyTextSide
from maker.training.loop import EncodedSplit, Run, fit, measure_recall
from maker.training.losses import Loss
from maker.training.options import TrainingOptions
from maker.training.precision import policy
from maker.training.safety_net import AVERAGE, FROZEN, HOW, TUNED, choose, described
from maker.workspace import temporary_folder

AVERAGE_SHARE = 0.5  # of the fine-tuned weights in the average (Wortsman et al., CVPR 2022, section 5)
MAX_WARM_UP_SHARE = 0.25  # of the epochs


@dataclass(frozen=True)
class Backbone:
    """A backbone that can be trained.

    Attributes:
        open: Loads the backbone.
        paths: The image files, by image number.
    """

    open: Callable[[], KerasTower]
    paths: Sequence[Path]


@dataclass(frozen=True)
class FineTuned:
    """The result of fine-tuning.

    Attributes:
        tower: The backbone to export.
        image: The image tower, with the weights that are exported.
        history: One entry per epoch.
        safety_net: Held-out figures of the frozen weights, the fine-tuned weights and their average, and which of them is `exported`.
    """

    tower: Tower
    image: Unfrozen
    history: list[dict[str, Any]]
    safety_net: dict[str, Any]


def frozen_phase(options: TrainingOptions) -> TrainingOptions:
    """The options of the epochs before unfreezing."""
    return replace(options, epochs=options.unfreeze_from - 1, unfreeze_from=0) if options.unfreeze_from else options


def fine_tune(
    text: AnyTextSide,
    head: Head,
    loss: Loss,
    backbone: Backbone,
    train: EncodedSplit,
    validation: EncodedSplit | None,
    options: TrainingOptions,
    run: Run,
) -> FineTuned:
    """Trains text tower, head and backbone together, and keeps the best of three sets of weights.

    The candidates are the frozen weights, the fine-tuned weights and their average.

    Args:
        text: The text tower, already trained with the frozen backbone.
        head: The head of the image tower, already trained with the frozen backbone.
        loss: The loss, whose temperature is already learnt.
        backbone: The backbone to unfreeze.
        train: The training captions.
        validation: The captions on which the candidates are compared; None compares nothing.
        options: Hyperparameters of the whole run.
        run: Where the run is saved and which devices it uses.

    Raises:
        TrainingError: The loss is not finite; or both the fine-tuned weights and the average are worse than the frozen weights, and
            `allow_worse` is not set.
    """
    replicas = run.replicas
    if replicas is None:
        model = backbone.open()
    else:
        with replicas.scope():
            model = backbone.open()
    image = Unfrozen(model, head, backbone.paths, options.augmentation, policy(options.mixed_precision))
    variables = [*text.variables, *image.variables]
    frozen = [v.numpy() for v in variables]
    say(f"unfreezing {model.name}: training {sum(v.size for v in frozen):,} weights from epoch {options.unfreeze_from} on")
    history = fit(text, image, train, validation, _phase(options, train), run, loss=loss, epochs_before=options.unfreeze_from - 1)
    tuned = [v.numpy() for v in variables]
    candidates = {
        FROZEN: frozen,
        AVERAGE: [(1 - AVERAGE_SHARE) * a + AVERAGE_SHARE * b for a, b in zip(frozen, tuned, strict=True)],
        TUNED: tuned,
    }

    def assign(name: str) -> None:
        for variable, value in zip(variables, candidates[name], strict=True):
            variable.assign(value)

    figures: dict[str, Any] = {}
    if validation is not None:
        for name in candidates:
            assign(name)
            figures[name] = measure_recall(text, image, validation)
    exported = choose(figures, options.allow_worse)
    assign(exported)
    figures |= {"exported": exported, "average_share": AVERAGE_SHARE, "how": HOW}
    say("  " + described(figures))
    with temporary_folder() as folder:
        converted = image.write(Path(folder, "unfrozen.tflite"))
        return FineTuned(image_tower(Source(converted.path), None, normalization(converted)), image, history, figures)


def _phase(options: TrainingOptions, train: EncodedSplit) -> TrainingOptions:
    """The options of the epochs after unfreezing. Images are the expensive part, so an epoch visits each once, with all its captions."""
    epochs = options.epochs - options.unfreeze_from + 1
    return replace(
        options,
        epochs=epochs,
        unfreeze_from=0,
        min_steps=0,
        learning_rate=options.unfreeze_rate,
        warm_up_epochs=min(options.warm_up_epochs, MAX_WARM_UP_SHARE * epochs),
        batch_size=options.unfreeze_batch_size,
        captions_per_image=max(1, round(mean_captions(captions_by_image(np.asarray(train.images))))),
    )
