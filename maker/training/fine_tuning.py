"""Unfreezing an image backbone: it is trained on with the head and the text tower that were trained while it was frozen."""

from __future__ import annotations

import tempfile
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
from maker.training.frozen_text import AnyTextSide
from maker.training.head import Head
from maker.training.image_side import Unfrozen
from maker.training.loop import Run, Side, fit, measure
from maker.training.losses import Loss
from maker.training.options import TrainingOptions
from maker.training.precision import policy
from maker.training.safety_net import AVERAGE, FROZEN, HOW, TUNED, choose, described

SHARE = 0.5  # of the fine-tuned weights in the average (Wortsman et al., CVPR 2022, section 5)
WARM_UP_SHARE = 0.25  # of the epochs at most


@dataclass(frozen=True)
class Backbone:
    """A backbone that can be trained.

    Attributes:
        open: Loads it.
        paths: The images' files, by number.
    """

    open: Callable[[], KerasTower]
    paths: Sequence[Path]


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning came to.

    Attributes:
        tower: The backbone to export.
        image: The image tower with the weights that are exported.
        history: An entry an epoch.
        safety_net: Held-out figures of the frozen and the fine-tuned weights and of their average, and which of them is `exported`.
    """

    tower: Tower
    image: Unfrozen
    history: list[dict[str, Any]]
    safety_net: dict[str, Any]


def frozen_phase(options: TrainingOptions) -> TrainingOptions:
    """The options of the epochs before unfreezing."""
    return replace(options, epochs=options.unfreeze_from - 1, unfreeze_from=0) if options.unfreeze_from else options


def fine_tune(
    text: AnyTextSide, head: Head, loss: Loss, backbone: Backbone, train: Side, validation: Side | None, options: TrainingOptions, run: Run
) -> FineTuned:
    """Trains text tower, head and backbone together, and leaves the best of three sets of weights in them.

    Args:
        text: The text tower, trained with the frozen backbone.
        head: The image tower's head, trained likewise.
        loss: With the temperature learnt likewise.
        backbone: What is unfrozen.
        train: What is trained on.
        validation: What the weights are compared on; None compares nothing.
        options: Rates and sizes of the whole run.
        run: Where it is kept and what it runs on.

    Raises:
        TrainingError: Both the fine-tuned weights and their average with the frozen ones are worse than those, and `allow_worse` is not
            set; or the loss is not finite.
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
    say(f"unfreezing {model.name}: {sum(v.size for v in frozen):,} weights are trained from epoch {options.unfreeze_from} on")
    history = fit(text, image, train, validation, _phase(options, train), run, loss=loss, epochs_before=options.unfreeze_from - 1)
    tuned = [v.numpy() for v in variables]
    candidates = {
        FROZEN: frozen,
        AVERAGE: [(1 - SHARE) * a + SHARE * b for a, b in zip(frozen, tuned, strict=True)],
        TUNED: tuned,
    }

    def take(name: str) -> None:
        for variable, value in zip(variables, candidates[name], strict=True):
            variable.assign(value)

    figures: dict[str, Any] = {}
    if validation is not None:
        for name in candidates:
            take(name)
            figures[name] = measure(text, image, validation)
    exported = choose(figures, options.allow_worse)
    take(exported)
    figures |= {"exported": exported, "average_share": SHARE, "how": HOW}
    say("  " + described(figures))
    with tempfile.TemporaryDirectory() as folder:
        converted = image.write(Path(folder, "unfrozen.tflite"))
        return FineTuned(image_tower(Source(converted.path), None, normalization(converted)), image, history, figures)


def _phase(options: TrainingOptions, train: Side) -> TrainingOptions:
    """The options of the epochs from unfreezing on: it is the images that cost, so each is seen once an epoch with all its captions."""
    epochs = options.epochs - options.unfreeze_from + 1
    return replace(
        options,
        epochs=epochs,
        unfreeze_from=0,
        learning_rate=options.unfreeze_rate,
        warm_up_epochs=min(options.warm_up_epochs, WARM_UP_SHARE * epochs),
        batch_size=options.unfreeze_batch_size,
        captions_per_image=max(1, round(mean_captions(captions_by_image(np.asarray(train.images))))),
    )
