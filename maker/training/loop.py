"""The training loop: batches of images with some of their captions, AdamW, averaged weights, the best epoch kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maker.errors import TrainingError
from maker.progress import progress, say
from maker.training.checkpoint import Progress, load, save
from maker.training.image_side import ImageSide, embed
from maker.training.losses import Loss
from maker.training.metrics import ranks, recall
from maker.training.options import TrainingOptions
from maker.training.text_side import TextSide
from maker.training.vocabulary import CaptionRows

FINAL_RATE = 0.02  # of the peak
CLIP_NORM = 5.0


@dataclass(frozen=True)
class Side:
    """Captions of one split.

    Attributes:
        captions: The captions.
        images: `(n,)` the image that each describes, by number.
    """

    captions: CaptionRows
    images: np.ndarray


def fit(
    text: TextSide, image: ImageSide, train: Side, validation: Side | None, options: TrainingOptions, checkpoint: Path | None = None
) -> list[dict[str, Any]]:
    """Trains both towers in place and leaves the best epoch's averaged weights in them.

    Args:
        text: The text tower.
        image: The image tower.
        train: What is trained on.
        validation: What epochs are compared on, by text-to-image R@10; None keeps the last one.
        options: Rates and sizes.
        checkpoint: Where the run is kept after every epoch; a run that finds one goes on behind its last epoch and ends as an unbroken
            one would.

    Returns:
        An entry an epoch: `epoch`, `loss`, `temperature` and, with a validation side, `R@1`, `R@5`, `R@10`.

    Raises:
        TrainingError: There are fewer than two images, or the loss is not finite.
    """
    by_image = _captions_by_image(train.images)
    if len(by_image) < 2:
        raise TrainingError(f"{len(by_image)} images to train on; a dual encoder needs at least two")
    batch = min(options.batch_size, len(by_image))
    steps = _rounds(by_image, options.captions_per_image) * (len(by_image) // batch)
    loss_of = Loss(options.loss)
    trained = [*text.variables, *image.variables, *loss_of.variables]
    averaged = _Average([*trained, *image.untrained], options.ema)
    decayed = {id(v) for v in (*text.decayed, *image.decayed)}
    optimizer = _optimizer(options, steps, trained, decayed)
    taken = tf.Variable(0, dtype=tf.int32, name="steps")
    state = [*trained, *image.untrained, *averaged.variables, *optimizer.variables, taken]

    @tf.function(reduce_retracing=True)
    def step(images: tf.Tensor, rows: tf.Tensor, weights: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
        # Stateless noise: it depends on seed and step only, so that a resumed run draws what an unbroken one would.
        seed = tf.stack([tf.constant(options.seed), taken.assign_add(1)])
        with tf.GradientTape() as tape:
            image_seed = tf.random.experimental.stateless_fold_in(seed, 2)
            loss = loss_of(text.forward(rows, weights, seed), image.forward(images, image_seed), same)
        gradients = tape.gradient(loss, trained)
        optimizer.apply_gradients([(tf.convert_to_tensor(g), v) for g, v in zip(gradients, trained, strict=True)])
        loss_of.keep_in_bounds()
        averaged.update()
        return loss

    run = load(checkpoint, state) if checkpoint else Progress()
    while run.epoch < options.epochs and (not run.epoch or run.epoch - run.best_epoch < options.patience):
        run.epoch += 1
        rng = np.random.default_rng([options.seed, run.epoch])
        seen = train.captions.random_rows(options.word_dropout, rng)
        losses = []
        batches = _batches(by_image, batch, options.captions_per_image, rng)
        for images, captions in progress(batches, f"epoch {run.epoch}", total=steps):
            same = (train.images[captions][:, None] == images[None]).astype(np.float32)
            arguments = images.astype(np.int32), seen.rows[captions], seen.weights[captions], same
            losses.append(float(step(*map(tf.constant, arguments))))
        if not np.isfinite(losses).all():
            raise TrainingError(f"epoch {run.epoch}: the loss is not finite; lower --learning-rate ({options.learning_rate})")
        entry = {"epoch": run.epoch, "loss": round(float(np.mean(losses)), 4), "temperature": round(loss_of.temperature, 4)}
        with averaged:
            if validation is not None:
                entry |= measure(text, image, validation)
        run.history.append(entry)
        score = entry.get("R@10", float(run.epoch))
        if score > run.best_score:
            run.best_score, run.best_epoch, run.best_values = score, run.epoch, averaged.values()
        say("  " + "  ".join(f"{name} {value}" for name, value in entry.items()))
        if checkpoint:
            save(checkpoint, run, state)
    averaged.assign(run.best_values)
    return run.history


def measure(text: TextSide, image: ImageSide, side: Side) -> dict[str, float]:
    """Text-to-image R@1, R@5, R@10 in percent among the side's images."""
    images, targets = np.unique(side.images, return_inverse=True)
    return recall(ranks(text.embed(side.captions.rows()), embed(image, images), targets))


def _captions_by_image(images: np.ndarray) -> list[np.ndarray]:
    """For each image that has captions, its number and then theirs."""
    order = np.argsort(images, kind="stable")
    values, starts = np.unique(images[order], return_index=True)
    return [np.concatenate([[image], group]) for image, group in zip(values, np.split(order, starts[1:]), strict=True)]


def _rounds(by_image: Sequence[np.ndarray], captions: int) -> int:
    """How often an epoch shows each image, so that it shows about every caption once."""
    return max(1, round(float(np.mean([len(g) - 1 for g in by_image])) / captions))


def _batches(
    by_image: Sequence[np.ndarray], batch: int, captions: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """An epoch of `(images, captions)`: in every round each image once, with the next of its captions in a random order."""
    shuffled = [rng.permutation(g[1:]) for g in by_image]
    for turn in range(_rounds(by_image, captions)):
        order = rng.permutation(len(by_image))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            texts = [
                np.take(shuffled[i], range(turn * captions, turn * captions + min(captions, len(shuffled[i]))), mode="wrap") for i in chosen
            ]
            yield np.array([by_image[i][0] for i in chosen]), np.concatenate(texts)


def _optimizer(options: TrainingOptions, steps: int, trained: list[tf.Variable], decayed: set[int]) -> Any:
    total, warm_up = options.epochs * steps, max(1, int(options.warm_up_epochs * steps))
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        0.0, max(1, total - warm_up), alpha=FINAL_RATE, warmup_target=options.learning_rate, warmup_steps=warm_up
    )
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay, global_clipnorm=CLIP_NORM)
    optimizer.exclude_from_weight_decay(var_list=[v for v in trained if id(v) not in decayed])
    optimizer.build(trained)
    return optimizer


class _Average:
    """An exponential moving average of variables; as a context it stands in for them."""

    def __init__(self, variables: list[tf.Variable], decay: float) -> None:
        self._variables = variables
        self._decay = decay
        self._step = tf.Variable(0.0)
        self._means = [tf.Variable(v) for v in variables]

    @property
    def variables(self) -> list[tf.Variable]:
        return [self._step, *self._means]

    def update(self) -> None:
        # A younger average forgets faster, so that it does not remember the initial weights.
        self._step.assign_add(1.0)
        decay = tf.minimum(self._decay, self._step / (self._step + 9.0))
        for mean, variable in zip(self._means, self._variables, strict=True):
            mean.assign(mean * decay + variable * (1.0 - decay))

    def values(self) -> list[np.ndarray]:
        return [mean.numpy() for mean in self._means]

    def assign(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def __enter__(self) -> None:
        self._kept = [v.numpy() for v in self._variables]
        self.assign(self.values())

    def __exit__(self, *_: object) -> None:
        self.assign(self._kept)
