"""Makes a teacher of the features of a larger text tower, in the space of the training images."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maker.data.splits import Splits
from maker.progress import say
from maker.training.frozen_text import TextFeatures
from maker.training.image_side import ImageFeatures, embed
from maker.training.loop import Run, fit, loss_of, measure_recall
from maker.training.metrics import ranks, recall
from maker.training.options import TrainingOptions
from maker.training.prepare import Prepared, prepare
from maker.training.teacher import Teacher, best_temperature


@dataclass(frozen=True)
class TeacherFeatures:
    """What a larger encoder makes of sentences and images.

    Attributes:
        texts: Embeddings of all captions, of the sentences below, and of phrases that are labels.
        phrases: Phrases of the captions, which the student learns as sentences of their own.
        file_sentences: Further sentences of a text file.
        images: `(n, d)` float32 embeddings of the images, by image number, in the same space. None if the encoder embeds text only: then a
            head for each side is trained on the captions first, beside words, as with `words+tflite:`.
    """

    texts: TextFeatures
    phrases: list[str]
    file_sentences: list[str]
    images: np.ndarray | None


@dataclass(frozen=True)
class Taught:
    """A teacher that is ready, and what the manifest says of it."""

    teacher: Teacher
    described: dict[str, Any]


def learn_teacher(
    source: TeacherFeatures,
    student: Prepared,
    splits: Splits,
    rows: dict[str, int],
    pictures: ImageFeatures,
    options: TrainingOptions,
    run: Run,
) -> Taught:
    """Embeds captions, sentences and images with the teacher.

    Args:
        source: What the teacher makes of them.
        student: The captions, as the student reads them.
        splits: The captions.
        rows: The number of each image.
        pictures: The features of the images; only for a teacher that embeds text only.
        options: Hyperparameters.
        run: Where the run is saved and which devices it uses.
    """
    texts = [*source.phrases, *source.file_sentences]
    if source.images is not None:
        images, captions, held_out, sentences = _as_they_are(source, source.images, splits, texts)
        measured: dict[str, Any] = {}
        validation = student.validation
        if validation is not None:
            items, targets = np.unique(validation.images, return_inverse=True)
            measured = dict(recall(ranks(held_out, images[items], targets)))
    else:
        images, captions, held_out, sentences, measured = _trained(source, splits, rows, pictures, options, run, texts)
    asked = (held_out, student.validation.images) if student.validation is not None else (captions, student.train.images)
    temperature = best_temperature(asked[0], images, asked[1], options.seed)
    score = f"R@10 {measured['R@10']} %, " if measured else ""
    say(f"teacher: {score}temperature {temperature:.3f}, {len(texts)} sentences beside the captions")
    described = {**measured, "temperature": round(temperature, 4), "phrases": len(source.phrases), "sentences": len(source.file_sentences)}
    return Taught(Teacher(captions, images, student.read(texts).rows(), sentences, temperature), described)


def _as_they_are(
    source: TeacherFeatures, images: np.ndarray, splits: Splits, texts: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit-norm embeddings of the images, the training captions, the held-out captions and the sentences."""

    def of(sentences: list[str]) -> np.ndarray:
        return _normalised(source.texts.values[[source.texts.rows[text] for text in sentences]])

    return _normalised(images), of([c.text for c in splits.train]), of([c.text for c in splits.validation]), of(texts)


def _trained(
    source: TeacherFeatures,
    splits: Splits,
    rows: dict[str, int],
    pictures: ImageFeatures,
    options: TrainingOptions,
    run: Run,
    texts: list[str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """The same and the teacher's R@k, after training its heads."""
    say("training the teacher")
    prepared = prepare(splits, rows, options, replace(source.texts, with_words=True))
    start, *text_starts = prepared.starts(pictures.scaled(), options)
    own = replace(run, checkpoint=run.checkpoint and run.checkpoint.with_stem(f"{run.checkpoint.stem}-teacher"), events=None)
    with run.replicas.scope() if run.replicas else nullcontext():
        text = prepared.text_side(options, *text_starts)
        image = pictures.side(pictures.head(options, start))
        loss = loss_of(options, prepared.train)
    fit(text, image, prepared.train, prepared.validation, replace(options, unfreeze_from=0), own, loss=loss)
    measured = measure_recall(text, image, prepared.validation) if prepared.validation is not None else {}
    held_out = text.embed(prepared.validation.captions.rows()) if prepared.validation is not None else np.zeros((0, options.dimension))
    sentences = text.embed(prepared.read(texts).rows()) if texts else np.zeros((0, options.dimension), np.float32)
    return embed(image, np.arange(len(pictures.values))), text.embed(prepared.train.captions.rows()), held_out, sentences, measured


def _normalised(vectors: np.ndarray) -> np.ndarray:
    values = np.asarray(vectors, np.float32).reshape(len(vectors), -1)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
