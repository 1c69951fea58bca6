"""Options of a training run, their defaults and recipes."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from typing import Any

from maker.errors import TrainingError

CNN_SIZE = 96  # height and width of the input of an image tower from scratch
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
        epochs: Passes over the captions; an epoch makes several if there are too few for `min_steps`.
        min_steps: Training takes at least this many steps, so that a tower from scratch learns from few pictures too.
        captions_per_image: Captions of the same image in one batch.
        batch_size: Images per batch.
        learning_rate: Peak of the cosine schedule.
        warm_up_epochs: Epochs over which the learning rate rises to its peak.
        weight_decay: Weight decay of AdamW; it applies to matrices only.
        dimension: Dimension of the embeddings.
        matryoshka: Smaller dimensions, such as 64,32. The first dimensions of an embedding, normalised again, are trained as embeddings
            of their own, for --index-dimension.
        dropout: Dropout of the pooled word embeddings.
        feature_dropout: Dropout of frozen image features.
        mirrored_features: Train the head of a frozen image tower on mirrored images too. Their features have to be computed as well.
        word_dropout: Share of known words that each epoch replaces by their trigrams.
        pair_dropout: Share of known pairs of words that each epoch treats as unknown, so that unseen pairs of known words are understood.
        min_count: A word is known if it occurs at least this often.
        word_pairs: A pair of neighbouring words is known if it occurs at least this often. 0 knows no pairs of words, only pairs of
            characters of scripts without spaces.
        word_pooling: How the words of a sentence become its embedding: `average`, or `attention` to the whole sentence.
        ema: Decay of the averaged weights, which are evaluated and exported.
        patience: Stop after this many epochs without a better one on the validation split: by R@10, or by MRR if it has few images.
        loss: `info_nce`, `soft_targets` or `sigmoid`.
        phrase_weight: Weight of frequent phrases of one or two words as labels of the images whose captions hold them. It teaches short
            queries. 0 for none.
        second_weight: Weight of a second encoder in closed form, which is joined to the trained one. Only for frozen image towers with the
            words tower. 0 for none.
        hub_bias: How much images that resemble nearly every sentence lose, as a share of what exceeds the average. It takes one of the
            dimensions. Only for frozen image towers. 0 for none.
        teacher_weight: Weight of a teacher's answers as soft labels, beside the captions.
        start: Initial weights of the head of a frozen tower and of the words: `linear` for the closed-form solution, or `random`.
        unfreeze_from: The first epoch that also trains the image tower; 0 for never.
        unfreeze_rate: Peak of the cosine schedule after unfreezing.
        unfreeze_batch_size: Images per batch after unfreezing, each with all its captions.
        augmentation: How images are changed when the image tower is trained: `full` (crop, colour, mirror), `crop` (crop and colour),
            `shift` (by a few pixels) or `none`.
        mixed_precision: Compute in 16 bits, which is faster: float16 on GPUs, bfloat16 on CPUs.
        distribute: Split each batch: `mirrored` over the GPUs of this host, `multi_worker` over the hosts in TF_CONFIG, or `none`.
        allow_worse: Export a fine-tuned image tower even if it is worse on the held-out split than the frozen one.
        seed: Seed of initialisation, order and dropout.
    """

    epochs: int = 5
    min_steps: int = 0
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
    pair_dropout: float = 0.0
    min_count: int = 2
    word_pairs: int = 0
    word_pooling: str = "average"
    ema: float = 0.99
    patience: int = 3
    loss: str = "info_nce"
    phrase_weight: float = 0.3
    second_weight: float = 0.3
    hub_bias: float = 0.5
    teacher_weight: float = 1.0
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
                "the epochs before it train the head of the frozen tower, with which the fine-tuned one is compared"
            )
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("min_steps", 0, 1_000_000),
            ("batch_size", 2, 1 << 20),
            ("dimension", 2, 4096),
            ("dropout", 0, 0.99),
            ("feature_dropout", 0, 0.99),
            ("word_dropout", 0, 0.99),
            ("pair_dropout", 0, 0.99),
            ("ema", 0, 0.9999999),
            ("captions_per_image", 1, 1000),
            ("learning_rate", 1e-9, 10),
            ("warm_up_epochs", 0, 100_000),
            ("weight_decay", 0, 10),
            ("phrase_weight", 0, 1000),
            ("teacher_weight", 0, 1000),
            ("second_weight", 0, 1000),
            ("hub_bias", 0, 10),
            ("min_count", 1, 1 << 30),
            ("word_pairs", 0, 1 << 30),
            ("patience", 1, 100_000),
            ("unfreeze_from", 0, 100_000),
            ("unfreeze_rate", 1e-9, 10),
            ("unfreeze_batch_size", 2, 1 << 20),
            ("seed", 0, (1 << 31) - 1),
        ):
            if not low <= getattr(self, name) <= high:  # NaN is in no range
                raise TrainingError(f"{name} must be within [{low}, {high}], found {getattr(self, name)}")
        learnt = self.dimension - bool(self.hub_bias)
        if learnt < 2:
            raise TrainingError(f"dimension must be at least 3 with hub_bias, which takes one, found {self.dimension}")
        for length in self.matryoshka:
            if not 2 <= length < learnt:
                raise TrainingError(f"matryoshka: dimensions must be at least 2 and below {learnt}, those that are learnt, found {length}")
        object.__setattr__(self, "matryoshka", tuple(sorted(set(self.matryoshka))))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise TrainingError(f"{name} must be one of {', '.join(choices)}, found {getattr(self, name)!r}")

    def of_towers(self) -> TrainingOptions:
        """The same with the dimension that the towers learn: the hub bias takes one."""
        return replace(self, dimension=self.dimension - 1, hub_bias=0.0) if self.hub_bias else self


SCRATCH = {
    "epochs": 22,
    "min_steps": 300,
    "captions_per_image": 3,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "weight_decay": 1e-3,
    "dimension": 256,
    "dropout": 0.1,
    "word_dropout": 0.05,
    "pair_dropout": 0.1,
    "patience": 6,
    "phrase_weight": 3.0,
    "min_count": 3,
    "word_pairs": 3,
    "second_weight": 0.0,
    "hub_bias": 0.0,
    "augmentation": "shift",
}


# The hyperparameters of the Colab notebook that also apply to the towers of this project. Its ten passes over the images, with one of five
# captions each, are two passes over the captions.
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
    "phrase_weight": 0.0,
    "second_weight": 0.0,
    "hub_bias": 0.0,
    "start": "random",
}
RECIPES: dict[str, dict[str, Any]] = {"default": {}, "colab": COLAB}


def descriptions() -> dict[str, str]:
    """The description of each option, from the docstring of `TrainingOptions`."""
    _, _, attributes = (inspect.getdoc(TrainingOptions) or "").partition("Attributes:\n")
    found = re.finditer(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |\Z)", attributes, re.MULTILINE | re.DOTALL)
    return {entry[1]: " ".join(entry[2].split()).rstrip(".").replace("`", "") for entry in found}


def options_for(from_scratch: bool, recipe: str = "default", **given: Any) -> TrainingOptions:
    """Options with the defaults for a frozen image tower, or for one that is trained from scratch.

    Args:
        from_scratch: Whether the image tower is trained from scratch.
        recipe: A name in `RECIPES`, whose values override the defaults.
        given: Options that the caller chose; None means the default.

    Raises:
        TrainingError: A value is out of its range.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    return TrainingOptions(**{**(SCRATCH if from_scratch else {}), **RECIPES[recipe], **chosen})
