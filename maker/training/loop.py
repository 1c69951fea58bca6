"""The training loop: batches of images with some of their captions and phrases, averaged weights; the best epoch wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from maker.encoders.prefix import prefix
from maker.errors import TrainingError
from maker.progress import progress, say
from maker.training.average import Average
from maker.training.batches import batches, captions_by_image, prefetch, rounds
from maker.training.checkpoint import Progress, load, save, take_from_chief
from maker.training.event_log import EventLog
from maker.training.image_side import ImageSide, embed
from maker.training.joint_text import AnyCaptions, AnyTextSide
from maker.training.losses import Loss
from maker.training.metrics import best_epoch, epoch_figures, ranks, recall, selects_by
from maker.training.optimizer import Optimizer, schedule
from maker.training.options import TrainingOptions
from maker.training.phrases import PhraseBatch, PhraseLabels
from maker.training.precision import LossScale, policy
from maker.training.replicas import Replicas
from maker.training.teacher import Teacher, TeacherBatch
from maker.training.vocabulary import Rows

EmbedImages: TypeAlias = Callable[[np.ndarray], np.ndarray]  # from image numbers to embeddings `(n, d)` float32
EmbedTexts: TypeAlias = Callable[[Rows], np.ndarray]  # from captions to embeddings `(n, d)` float32


@dataclass(frozen=True)
class EncodedSplit:
    """The captions of one split.

    Attributes:
        captions: The captions, as the text tower reads them.
        images: `(n,)` the number of the image that each caption describes.
        phrases: The phrases that are labels of the images; None to train with whole captions only.
        teacher: Gives soft labels for the captions and for further sentences; None to train without them.
    """

    captions: AnyCaptions
    images: np.ndarray
    phrases: PhraseLabels | None = None
    teacher: Teacher | None = None


@dataclass(frozen=True)
class Run:
    """Where a run is saved and which devices it uses.

    Attributes:
        checkpoint: The file to save to after every epoch. If it exists, the run resumes after its last epoch and ends with the weights
            of an uninterrupted run. None saves nothing.
        events: Folder of the TensorBoard log; None for none.
        replicas: The devices that share a batch; None for the default device.
    """

    checkpoint: Path | None = None
    events: Path | None = None
    replicas: Replicas | None = None


@dataclass(frozen=True)
class _Feed:
    """The arguments of the training steps of an epoch."""

    train: EncodedSplit
    image: ImageSide
    options: TrainingOptions
    replicas: Replicas

    @cached_property
    def by_image(self) -> list[np.ndarray]:
        return captions_by_image(self.train.images)

    @property
    def batch(self) -> int:
        """Images per batch: the same number for each replica."""
        count = self.replicas.count
        return min(self.options.batch_size, len(self.by_image)) // count * count

    @property
    def passes(self) -> int:
        """Passes over the captions in an epoch: one, or more of few captions, so that all epochs have `min_steps` together."""
        one = self._rounds * (len(self.by_image) // self.batch)
        return max(1, -(-self.options.min_steps // (self.options.epochs * one)))

    @property
    def _rounds(self) -> int:
        return rounds(self.by_image, self.options.captions_per_image)

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return self.passes * self._rounds * (len(self.by_image) // self.batch)

    def check(self) -> None:
        """Raises TrainingError unless each replica can have two images."""
        replicas = self.replicas.count
        if len(self.by_image) < 2 * replicas:
            needs = "a dual encoder needs at least two" + (f" on each of {replicas} replicas" if replicas > 1 else "")
            raise TrainingError(f"{len(self.by_image)} images to train on; {needs}")

    def arguments(self, epoch: int) -> Iterator[list[Any]]:
        """Images, rows, weights, the pairs of the whole batch and the parts of its `PhraseBatch` and `TeacherBatch`, for each step."""
        rng = np.random.default_rng([self.options.seed, epoch])
        label_rng = np.random.default_rng([self.options.seed, epoch, 1])  # drawn from in another thread
        shares = self.options.word_dropout, self.options.pair_dropout
        rows = self.train.captions.random_rows(*shares, rng)
        phrase_rows = self.train.phrases.captions.random_rows(*shares, rng) if self.train.phrases else None
        one_pass = partial(batches, self.by_image, self.batch, self.options.captions_per_image, rng)
        drawn = chain.from_iterable(one_pass() for _ in range(self.passes))
        for values in prefetch(drawn, partial(self._by_replica, rows, phrase_rows, label_rng)):
            parts = [list(part) for part in zip(*values.values(), strict=True)]
            yield [self.replicas.distribute(dict(zip(values, part, strict=True))) for part in parts]

    def _by_replica(
        self, rows: Rows, phrase_rows: Rows | None, rng: np.random.Generator, drawn: tuple[np.ndarray, np.ndarray]
    ) -> dict[int, tuple[np.ndarray, ...]]:
        """The arguments of each local replica: its share of the images and of their captions, and what belongs to the whole batch."""
        images, captions = drawn
        pairs = (self.train.images[captions][:, None] == images[None]).astype(np.float32)
        phrases = self.train.phrases.draw(images, phrase_rows, rng) if self.train.phrases and phrase_rows else None
        teacher = self.train.teacher.draw(images, captions, rng) if self.train.teacher else None
        of_batch = (pairs, *(phrases.parts() if phrases else ()), *(teacher.parts() if teacher else ()))
        share = len(images) // self.replicas.count
        values = {}
        for number in self.replicas.local:
            own = slice(number * share, (number + 1) * share)
            described = captions[pairs[:, own].any(1)] if self.replicas.count > 1 else captions
            values[number] = (self.image.load(images[own]), rows.rows[described], rows.weights[described], *of_batch)
        return values


def loss_of(options: TrainingOptions, train: EncodedSplit) -> Loss:
    """A new loss for captions; the parts that need phrases or a teacher only if the captions have them."""
    phrases, teacher = (options.phrase_weight if train.phrases else 0.0), (options.teacher_weight if train.teacher else 0.0)
    return Loss(options.loss, options.matryoshka, phrases, teacher)


def fit(
    text: AnyTextSide,
    image: ImageSide,
    train: EncodedSplit,
    validation: EncodedSplit | None,
    options: TrainingOptions,
    run: Run | None = None,
    *,
    loss: Loss | None = None,
    epochs_before: int = 0,
) -> list[dict[str, Any]]:
    """Trains both towers in place. They end with the averaged weights of the best epoch.

    Args:
        text: The text tower.
        image: The image tower.
        train: The training captions.
        validation: The captions on which epochs are compared, by text-to-image R@10, or by MRR if they describe few images; with None
            the last epoch counts as the best.
        options: Hyperparameters.
        run: Where the run is saved and which devices it uses.
        loss: A loss whose temperature is already learnt; a new one if None.
        epochs_before: The number of epochs before the first one.

    Returns:
        One entry per epoch: `epoch`, `loss`, `temperature`, `learning_rate` at its end and, with a validation split, `R@1`, `R@5`,
        `R@10` in percent, and `MRR`.

    Raises:
        TrainingError: There are fewer than two images per replica, or the loss is not finite.
    """
    run = run or Run()
    replicas = run.replicas or Replicas()
    feed = _Feed(train, image, options, replicas)
    feed.check()
    steps = feed.steps
    if feed.passes > 1:
        say(f"few pictures: each epoch makes {feed.passes} passes over the captions, so that training has {options.epochs * steps} steps")
    by = selects_by(len(np.unique(validation.images))) if validation is not None else "R@10"
    rate = schedule(options, steps)
    with replicas.scope():
        loss = loss or loss_of(options, train)
        trained = [*text.variables, *image.variables, *loss.variables]
        averaged = Average([*trained, *image.untrained], options.ema)
        optimizer = Optimizer(rate, options.weight_decay, trained, [*text.decayed, *image.decayed], image.kernels)
        scale = LossScale(policy(options.mixed_precision))
    state = [*trained, *image.untrained, *averaged.variables, *optimizer.variables, *scale.variables]
    step = _step(text, image, train, loss, trained, averaged, optimizer, scale, options, replicas)

    saved = load(run.checkpoint, state) if run.checkpoint and replicas.is_chief else Progress()
    at = take_from_chief(saved, state, [*trained, *image.untrained], replicas)
    events = EventLog(run.events if replicas.is_chief else None)
    while at.epoch < options.epochs and (not at.epoch or at.epoch - at.best_epoch < options.patience):
        at.epoch += 1
        epoch = epochs_before + at.epoch
        arguments = progress(feed.arguments(epoch), f"epoch {epoch}", total=steps)
        first = 1 + (at.epoch - 1) * steps
        losses = [float(step(tf.constant(number), *values)) for number, values in enumerate(arguments, first)]
        if not np.isfinite(losses).all():
            raise TrainingError(f"epoch {epoch}: the loss is not finite; lower --learning-rate ({options.learning_rate})")
        entry: dict[str, Any] = {"epoch": epoch, "loss": round(float(np.mean(losses)), 4), "temperature": round(loss.temperature, 4)}
        entry["learning_rate"] = float(f"{float(rate(at.epoch * steps)):.4g}")
        with averaged:
            if validation is not None:
                entry |= _measure_epoch(text, image, validation)
        at.history.append(entry)
        best = best_epoch(at.history, by) or entry  # nothing is held out: the last one
        (is_best,) = replicas.from_chief([np.array(best is entry, np.int32)])
        if is_best:
            at.best_epoch, at.best_values = at.epoch, averaged.values()
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
    train: EncodedSplit,
    loss: Loss,
    trained: list[tf.Variable],
    averaged: Average,
    optimizer: Optimizer,
    scale: LossScale,
    options: TrainingOptions,
    replicas: Replicas,
) -> Callable[..., tf.Tensor]:
    """A training step over all replicas.

    It takes the number of the step from 1, then for each replica its images, rows and weights, the pairs of the whole batch and the parts
    of its `PhraseBatch` and `TeacherBatch`, as `train` has them. It returns the loss.
    """
    phrase_parts = len(fields(PhraseBatch)) if train.phrases else 0

    def gradients(number: tf.Tensor, images: tf.Tensor, rows: tf.Tensor, weights: tf.Tensor, pairs: tf.Tensor, *parts: tf.Tensor) -> Any:
        # Stateless noise depends only on the seed and the step, so that a resumed run draws what an uninterrupted one would.
        seed = tf.stack([tf.constant(options.seed), number])
        if replicas.count > 1:
            seed = tf.random.experimental.stateless_fold_in(seed, 3 + replicas.number())
        with tf.GradientTape() as tape:
            image_seed = tf.random.experimental.stateless_fold_in(seed, 2)
            texts = replicas.gather(text.forward(rows, weights, seed))
            embedded = replicas.gather(image.forward(images, image_seed))
            value = loss(texts, embedded, pairs)
            if train.phrases:
                phrases = PhraseBatch(*parts[:phrase_parts])
                phrase_seed = tf.random.experimental.stateless_fold_in(seed, 1)
                value += loss.of_phrases(text.forward(phrases.rows, phrases.weights, phrase_seed), embedded, phrases)
            if train.teacher:
                taught = TeacherBatch(*parts[phrase_parts:])
                sentence_seed = tf.random.experimental.stateless_fold_in(seed, 8)
                sentences = text.forward(taught.rows, taught.weights, sentence_seed)
                value += loss.of_teacher(tf.concat([texts, sentences], 0), embedded, taught.targets)
            # Each replica computes the loss of the whole batch, and the gradients are summed.
            scaled = scale.up(value / replicas.count if replicas.count > 1 else value)
        by_variable = tape.gradient(scaled, trained)
        statistics = replicas.sum([v / replicas.count for v in image.untrained]) if replicas.count > 1 else []
        return value, replicas.sum([tf.convert_to_tensor(g) for g in by_variable]), statistics

    @tf.function(reduce_retracing=True)
    def step(number: tf.Tensor, *arguments: Any) -> tf.Tensor:
        value, by_variable, statistics = replicas.run(gradients, (number, *arguments))
        for variable, mean in zip(image.untrained, statistics, strict=False):
            variable.assign(mean)
        optimizer.apply(scale.down(by_variable))
        loss.keep_in_bounds()
        averaged.update()
        return value

    return step


def _measure_epoch(text: AnyTextSide, image: ImageSide, split: EncodedSplit) -> dict[str, float]:
    """What an entry of the history says of the split."""
    images, targets = np.unique(split.images, return_inverse=True)
    return epoch_figures(ranks(text.embed(split.captions.rows()), embed(image, images), targets))


def measure_recall(text: AnyTextSide, image: ImageSide, split: EncodedSplit) -> dict[str, float]:
    """Text-to-image R@1, R@5 and R@10 in percent, among the images of the split."""
    (whole,) = prefix_figures(text.embed, partial(embed, image), split, ())
    return {name: value for name, value in whole.items() if name != "dimension"}


def prefix_figures(embed_texts: EmbedTexts, embed_images: EmbedImages, split: EncodedSplit, lengths: Sequence[int]) -> list[dict[str, Any]]:
    """Text-to-image R@1, R@5 and R@10 in percent, with their `dimension`.

    Args:
        embed_texts: Embeds captions.
        embed_images: Embeds images by number, with norm 1.
        split: The captions; their images are the items.
        lengths: Dimensions of the prefixes to measure.

    Returns:
        One entry for the whole embeddings, then one for each prefix, the longest first.
    """
    images, targets = np.unique(split.images, return_inverse=True)
    queries, items = embed_texts(split.captions.rows()), embed_images(images)
    # Dividing a query by its norm does not change its ranks; dividing items does.
    figures = [{"dimension": queries.shape[1], **recall(ranks(queries, items, targets))}]
    for length in sorted(lengths, reverse=True):
        figures.append({"dimension": length, **recall(ranks(queries[:, :length], prefix(items, length), targets))})
    return figures
