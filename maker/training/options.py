"""What a training run is told."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from maker.errors import TrainingError

CNN_SIZE = 64  # height and width of what an image tower from scratch sees
LOSSES = ("info_nce", "soft_targets", "sigmoid")
STARTS = ("linear", "random")
POOLINGS = ("average", "attention")
AUGMENTATIONS = ("none", "shift", "crop", "full")
DISTRIBUTIONS = ("none", "mirrored", "multi_worker")
CHOICES = {"loss": LOSSES, "start": STARTS, "word_pooling": POOLINGS, "augmentation": AUGMENTATIONS, "distribute": DISTRIBUTIONS}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of a training run.

    Attributes:
        epochs: Passes over the captions.
        captions_per_image: Captions of an image that are in a batch together.
        batch_size: Images a batch.
        learning_rate: Peak of the cosine schedule.
        warm_up_epochs: Epochs over which the rate rises to its peak.
        weight_decay: AdamW's, of matrices.
        dimension: Length of an embedding.
        matryoshka: Lengths below it, as in 64,32: an embedding's first so many dimensions, of norm 1 again, are trained to be one of their
            own, for --index-dimension.
        dropout: Of the averaged words' dimensions.
        feature_dropout: Of frozen image features.
        mirrored_features: Train a frozen tower's head on the mirrored images too, whose features are computed as well.
        word_dropout: Share of known words that a step replaces by their trigrams.
        min_count: How often a word has to be seen to be known.
        word_pairs: How often a pair of neighbouring words has to be seen to be known; 0 knows only pairs of characters that are
            written without spaces.
        word_pooling: How a sentence's words become its embedding: `average`, or `attention` to the sentence as a whole.
        ema: Decay of the averaged weights, which are what is evaluated and exported.
        patience: Epochs without a better R@10 on the validation split after which training stops.
        loss: `info_nce`, `soft_targets` or `sigmoid`.
        start: Of a frozen tower's head and the words: `linear` for the closed-form solution, `random`.
        unfreeze_from: The epoch from which on the image tower is trained too; 0 for never.
        unfreeze_rate: Peak of the cosine schedule of the epochs after unfreezing.
        unfreeze_batch_size: Images a batch after unfreezing; all their captions are in it.
        augmentation: Of the images of a tower that is trained: `full` (crop, colour, mirrored or not), `crop` (the same, never mirrored),
            `shift` (by a few pixels) or `none`.
        mixed_precision: Compute in 16 bits where that is faster: float16 on GPUs, bfloat16 without.
        distribute: Share each batch: `mirrored` between the GPUs of this host, `multi_worker` between the hosts of TF_CONFIG, or `none`.
        allow_worse: Export an unfrozen tower also where it is worse on the held-out split than the frozen one.
        seed: Of initialisation, order and dropout.
    """

    epochs: int = 5
    captions_per_image: int = 1
    batch_size: int = 512
    learning_rate: float = 2e-3
    warm_up_epochs: float = 1.0
    weight_decay: float = 0.02
    dimension: int = 128
    matryoshka: tuple[int, ...] = ()
    dropout: float = 0.25
    feature_dropout: float = 0.5
    mirrored_features: bool = False
    word_dropout: float = 0.1
    min_count: int = 2
    word_pairs: int = 0
    word_pooling: str = "average"
    ema: float = 0.99
    patience: int = 3
    loss: str = "info_nce"
    start: str = "linear"
    unfreeze_from: int = 0
    unfreeze_rate: float = 3e-4
    unfreeze_batch_size: int = 64
    augmentation: str = "full"
    mixed_precision: bool = False
    distribute: str = "none"
    allow_worse: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            TrainingError: A value is out of its range.
        """
        if self.unfreeze_from == 1 or self.unfreeze_from > self.epochs:
            raise TrainingError(
                f"unfreeze_from must be within [2, {self.epochs}], the epochs of the run, or 0 for never, found {self.unfreeze_from}; "
                "what comes before it trains the frozen tower that the unfrozen one is compared with"
            )
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch_size", 2, 1 << 20),
            ("dimension", 2, 4096),
            ("dropout", 0, 0.99),
            ("feature_dropout", 0, 0.99),
            ("word_dropout", 0, 0.99),
            ("ema", 0, 0.9999999),
            ("captions_per_image", 1, 1000),
            ("learning_rate", 1e-9, 10),
            ("warm_up_epochs", 0, 100_000),
            ("weight_decay", 0, 10),
            ("min_count", 1, 1 << 30),
            ("word_pairs", 0, 1 << 30),
            ("patience", 1, 100_000),
            ("unfreeze_from", 0, 100_000),
            ("unfreeze_rate", 1e-9, 10),
            ("unfreeze_batch_size", 2, 1 << 20),
            ("seed", 0, (1 << 31) - 1),
        ):
            if not low <= getattr(self, name) <= high:  # false for NaN too
                raise TrainingError(f"{name} must be within [{low}, {high}], found {getattr(self, name)}")
        for length in self.matryoshka:
            if not 2 <= length < self.dimension:
                raise TrainingError(f"matryoshka: lengths must be within [2, {self.dimension}), the whole embedding, found {length}")
        object.__setattr__(self, "matryoshka", tuple(sorted(set(self.matryoshka))))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise TrainingError(f"{name} must be one of {', '.join(choices)}, found {getattr(self, name)!r}")


SCRATCH = {
    "epochs": 4,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "weight_decay": 1e-3,
    "dropout": 0.1,
    "word_dropout": 0.05,
    "min_count": 3,
    "word_pairs": 3,
    "augmentation": "shift",
}


# What the Colab's notebook trains with, as far as it carries over: the towers are this project's. Ten passes over the images with one
# caption each are two over the captions.
COLAB = {
    "epochs": 2,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "warm_up_epochs": 0.0,
    "weight_decay": 1e-3,
    "dropout": 0.1,
    "feature_dropout": 0.1,
    "word_dropout": 0.0,
    "ema": 0.0,
    "loss": "soft_targets",
    "start": "random",
}
RECIPES: dict[str, dict[str, Any]] = {"default": {}, "colab": COLAB}


def descriptions() -> dict[str, str]:
    """What each option is, as the docstring of `TrainingOptions` says it."""
    _, _, attributes = (inspect.getdoc(TrainingOptions) or "").partition("Attributes:\n")
    found = re.finditer(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |\Z)", attributes, re.MULTILINE | re.DOTALL)
    return {entry[1]: " ".join(entry[2].split()).rstrip(".").replace("`", "") for entry in found}


def options_for(from_scratch: bool, recipe: str = "default", **given: Any) -> TrainingOptions:
    """Options with the defaults that suit a frozen tower, or an image tower that is trained from scratch.

    Args:
        from_scratch: Whether the image tower is trained.
        recipe: A name in `RECIPES`, whose values come before the defaults.
        given: Options that were chosen; None stands for the default.

    Raises:
        TrainingError: A value is out of its range.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    return TrainingOptions(**{**(SCRATCH if from_scratch else {}), **RECIPES[recipe], **chosen})
