"""The training loop: batches of images with some of their captions, AdamW, averaged weights, the best epoch kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maker.encoders.prefix import prefix
from maker.errors import TrainingError
from maker.progress import progress, say
from maker.training.average import Average
from maker.training.batches import batches, captions_by_image, prepared, rounds
from maker.training.checkpoint import Progress, load, save, take_from_chief
from maker.training.event_log import EventLog
from maker.training.frozen_text import AnyCaptions, AnyTextSide
from maker.training.image_side import ImageSide, embed
from maker.training.losses import Loss
from maker.training.metrics import ranks, recall
from maker.training.optimizer import adamw, schedule
from maker.training.options import TrainingOptions
from maker.training.precision import LossScale, policy
from maker.training.replicas import Replicas
from maker.training.vocabulary import Rows


@dataclass(frozen=True)
class Side:
    """Captions of one split.

    Attributes:
        captions: The captions.
        images: `(n,)` the image that each describes, by number.
    """

    captions: AnyCaptions
    images: np.ndarray


@dataclass(frozen=True)
class Run:
    """Where a run is kept and what it runs on.

    Attributes:
        checkpoint: Where it is kept after every epoch; a run that finds one goes on behind its last epoch and ends as an unbroken one
            would. None for nowhere.
        events: Folder of the TensorBoard log; None for none.
        replicas: The devices that share a batch.
    """

    checkpoint: Path | None = None
    events: Path | None = None
    replicas: Replicas | None = None


def fit(
    text: AnyTextSide,
    image: ImageSide,
    train: Side,
    validation: Side | None,
    options: TrainingOptions,
    run: Run | None = None,
    *,
    loss: Loss | None = None,
    epochs_before: int = 0,
) -> list[dict[str, Any]]:
    """Trains both towers in place and leaves the best epoch's averaged weights in them.

    Args:
        text: The text tower.
        image: The image tower.
        train: What is trained on.
        validation: What epochs are compared on, by text-to-image R@10; None keeps the last one.
        options: Rates and sizes.
        run: Where it is kept and what it runs on.
        loss: A loss whose temperature is learnt already; a new one where None.
        epochs_before: What the epochs are counted from.

    Returns:
        An entry an epoch: `epoch`, `loss`, `temperature`, `learning_rate` at its end and, with a validation side, `R@1`, `R@5`, `R@10`.

    Raises:
        TrainingError: There are fewer than two images or fewer than a replica needs, or the loss is not finite.
    """
    run = run or Run()
    replicas = run.replicas or Replicas()
    by_image = captions_by_image(train.images)
    if len(by_image) < 2 * replicas.count:
        needs = "a dual encoder needs at least two" + (f" on each of {replicas.count} replicas" if replicas.count > 1 else "")
        raise TrainingError(f"{len(by_image)} images to train on; {needs}")
    batch = min(options.batch_size, len(by_image)) // replicas.count * replicas.count
    steps = rounds(by_image, options.captions_per_image) * (len(by_image) // batch)
    rate = schedule(options, steps)
    with replicas.scope():
        loss = loss or Loss(options.loss, options.matryoshka)
        trained = [*text.variables, *image.variables, *loss.variables]
        averaged = Average([*trained, *image.untrained], options.ema)
        optimizer = adamw(rate, options.weight_decay, trained, [*text.decayed, *image.decayed])
        scale = LossScale(policy(options.mixed_precision))
    state = [*trained, *image.untrained, *averaged.variables, *optimizer.variables, *scale.variables]
    step = _step(text, image, loss, trained, averaged, optimizer, scale, options, replicas)

    kept = load(run.checkpoint, state) if run.checkpoint and replicas.is_chief else Progress()
    at = take_from_chief(kept, state, [*trained, *image.untrained], replicas)
    events = EventLog(run.events if replicas.is_chief else None)
    while at.epoch < options.epochs and (not at.epoch or at.epoch - at.best_epoch < options.patience):
        at.epoch += 1
        epoch = epochs_before + at.epoch
        rng = np.random.default_rng([options.seed, epoch])
        seen = train.captions.random_rows(options.word_dropout, rng)
        losses = []
        drawn = batches(by_image, batch, options.captions_per_image, rng)
        arguments = prepared(drawn, partial(_local, train, seen, image, replicas))
        for number, values in enumerate(progress(arguments, f"epoch {epoch}", total=steps), start=1 + (at.epoch - 1) * steps):
            shared = [replicas.distribute({i: v[name] for i, v in values.items()}) for name in range(4)]
            losses.append(float(step(tf.constant(number), *shared)))
        if not np.isfinite(losses).all():
            raise TrainingError(f"epoch {epoch}: the loss is not finite; lower --learning-rate ({options.learning_rate})")
        entry: dict[str, Any] = {"epoch": epoch, "loss": round(float(np.mean(losses)), 4), "temperature": round(loss.temperature, 4)}
        entry["learning_rate"] = float(f"{float(rate(at.epoch * steps)):.4g}")
        with averaged:
            if validation is not None:
                entry |= measure(text, image, validation)
        at.history.append(entry)
        (score,) = replicas.from_chief([np.array(entry.get("R@10", float(at.epoch)), np.float64)])
        if score > at.best_score:
            at.best_score, at.best_epoch, at.best_values = float(score), at.epoch, averaged.values()
        say("  " + "  ".join(f"{name} {value}" for name, value in entry.items()))
        events.epoch(entry, losses, epochs_before + at.epoch - 1)
        if run.checkpoint and replicas.is_chief:
            save(run.checkpoint, at, state)
    events.close()
    averaged.assign(at.best_values)
    return at.history


def _step(
    text: AnyTextSide,
    image: ImageSide,
    loss: Loss,
    trained: list[tf.Variable],
    averaged: Average,
    optimizer: Any,
    scale: LossScale,
    options: TrainingOptions,
    replicas: Replicas,
) -> Callable[..., tf.Tensor]:
    """A step over all replicas: of its number from 1 and each replica's images, rows, weights and the whole batch's pairs, the loss."""

    def gradients(number: tf.Tensor, images: tf.Tensor, rows: tf.Tensor, weights: tf.Tensor, same: tf.Tensor) -> Any:
        # Stateless noise: it depends on seed and step only, so that a resumed run draws what an unbroken one would.
        seed = tf.stack([tf.constant(options.seed), number])
        if replicas.count > 1:
            seed = tf.random.experimental.stateless_fold_in(seed, 3 + replicas.number())
        with tf.GradientTape() as tape:
            image_seed = tf.random.experimental.stateless_fold_in(seed, 2)
            texts = replicas.gather(text.forward(rows, weights, seed))
            value = loss(texts, replicas.gather(image.forward(images, image_seed)), same)
            # Each replica has the loss of the whole batch, and their gradients are summed.
            whole = scale.up(value / replicas.count if replicas.count > 1 else value)
        found = tape.gradient(whole, trained)
        after = replicas.sum([v / replicas.count for v in image.untrained]) if replicas.count > 1 else []
        return value, replicas.sum([tf.convert_to_tensor(g) for g in found]), after

    @tf.function(reduce_retracing=True)
    def step(number: tf.Tensor, images: Any, rows: Any, weights: Any, same: Any) -> tf.Tensor:
        value, found, after = replicas.run(gradients, (number, images, rows, weights, same))
        for variable, mean in zip(image.untrained, after, strict=False):
            variable.assign(mean)
        optimizer.apply_gradients(list(zip(scale.down(found), trained, strict=True)))
        loss.keep_in_bounds()
        averaged.update()
        return value

    return step


def _local(
    train: Side, seen: Rows, image: ImageSide, replicas: Replicas, drawn: tuple[np.ndarray, np.ndarray]
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """The step's arguments by local replica: its share of the images and of their captions, and the whole batch's pairs."""
    images, captions = drawn
    same = (train.images[captions][:, None] == images[None]).astype(np.float32)
    share = len(images) // replicas.count
    found = {}
    for number in replicas.local:
        own = slice(number * share, (number + 1) * share)
        described = captions[same[:, own].any(1)] if replicas.count > 1 else captions
        found[number] = image.load(images[own]), seen.rows[described], seen.weights[described], same
    return found


def measure(text: AnyTextSide, image: ImageSide, side: Side) -> dict[str, float]:
    """Text-to-image R@1, R@5, R@10 in percent among the side's images."""
    (whole,) = measure_prefixes(text, image, side, ())
    return {name: value for name, value in whole.items() if name != "dimension"}


def measure_prefixes(text: AnyTextSide, image: ImageSide, side: Side, lengths: Sequence[int]) -> list[dict[str, Any]]:
    """The same with `dimension`: of the whole embeddings, then of their prefixes from the longest to the shortest."""
    images, targets = np.unique(side.images, return_inverse=True)
    queries, items = text.embed(side.captions.rows()), embed(image, images)
    # Dividing a query by its norm moves none of its ranks; dividing items does.
    found = [{"dimension": queries.shape[1], **recall(ranks(queries, items, targets))}]
    for length in sorted(lengths, reverse=True):
        found.append({"dimension": length, **recall(ranks(queries[:, :length], prefix(items, length), targets))})
    return found
