"""What follows training over frozen image features: a second encoder in closed form is joined to the trained one, and hub bias is added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from maker.encoders.joint import JointTower
from maker.encoders.layers import Constant, Dense, Layer, LayerNorm, Scale, SideBySide, Unit
from maker.encoders.sentence_tower import TextEncoder
from maker.encoders.words import WordsTower
from maker.progress import say
from maker.training.closed_form import closed_form
from maker.training.head import Head, layer_normalise
from maker.training.hubs import CONSTANT, hub_bias, with_constant
from maker.training.image_side import FrozenFeatures, embed
from maker.training.joined import join, sums, unit
from maker.training.joint_text import AnyTextSide, JointText
from maker.training.loop import EmbedImages, EmbedTexts, EncodedSplit
from maker.training.options import TrainingOptions
from maker.training.prepare import AnyExported, Prepared
from maker.training.vocabulary import Rows


@dataclass(frozen=True)
class Finished:
    """Both towers as they are exported.

    Attributes:
        text: The text tower.
        image_head: The layers behind the image tower.
        embed_images: Embeds images by number, with norm 1.
        embed_texts: Embeds captions, with norm 1.
    """

    text: AnyExported
    image_head: Sequence[Layer]
    embed_images: EmbedImages
    embed_texts: EmbedTexts


def finish(text: AnyTextSide, image: FrozenFeatures, head: Head, prepared: Prepared, options: TrainingOptions) -> Finished:
    """Joins the second encoder and adds hub bias, as far as the options ask for it.

    Args:
        text: The trained text tower.
        image: The trained image tower.
        head: Its head.
        prepared: The captions, as the text tower reads them.
        options: Hyperparameters.
    """
    finished = Finished(prepared.exported(text), head.layers(), lambda numbers: embed(image, numbers), text.embed)
    if options.second_weight and isinstance(finished.text, WordsTower):
        finished = _with_second_encoder(finished, finished.text, image, head, prepared.train, options.second_weight)
    return _with_hub_bias(finished, text, prepared.train, options) if options.hub_bias else finished


def _with_second_encoder(
    finished: Finished, words: WordsTower, image: FrozenFeatures, head: Head, train: EncodedSplit, share: float
) -> Finished:
    used, described = np.unique(train.images, return_inverse=True)
    captions, dimension = train.captions.rows(), words.table.shape[1]

    def normalised(numbers: np.ndarray) -> np.ndarray:
        return layer_normalise(head.scaled(image.features(numbers)))

    second = closed_form(normalised(used), captions.rows, described, 1 + len(words.hashes), len(words.table), dimension)
    if second is None or second.table is None:
        say("no second encoder: the captions have too few frequent words for it")
        return finished
    weights, bias = second.weights, second.bias
    images = finished.embed_images(used), unit(normalised(used) @ weights + bias)
    joined = join((words.table, second.table), captions.rows, captions.weights, images, share, dimension)
    plain = LayerNorm(np.ones(len(weights), np.float32), np.zeros(len(weights), np.float32))
    solved: list[Layer] = [plain, Dense(weights, bias), Unit(), Scale(joined.factor)]
    trained: list[Layer] = [*head.layers(scaling=False), Unit()]
    return Finished(
        replace(words, table=joined.table),
        [*head.scaling, SideBySide([trained, solved]), Dense(joined.projection)],
        lambda numbers: joined.images(finished.embed_images(numbers), unit(normalised(numbers) @ weights + bias)),
        lambda rows: unit(sums(joined.table, rows.rows, rows.weights)),
    )


def _with_hub_bias(finished: Finished, text: AnyTextSide, train: EncodedSplit, options: TrainingOptions) -> Finished:
    rows = train.captions.rows()
    layer = hub_bias(finished.embed_texts(rows), finished.embed_images(np.unique(train.images)), options.hub_bias, options.seed)
    exported = _with_constant(finished.text, rows)

    def embed_texts(captions: Rows) -> np.ndarray:
        if isinstance(exported, WordsTower):
            return unit(sums(exported.table, captions.rows, captions.weights))
        if isinstance(exported, JointTower):
            assert isinstance(text, JointText)
            own = Rows(captions.rows[:, :1], captions.weights[:, :1])
            of_words = unit(sums(exported.words.table, captions.rows[:, 1:], captions.weights[:, 1:]))
            return unit(exported.factor * of_words + _padded(text.sentence.embed(own)))
        return _padded(finished.embed_texts(captions))

    return Finished(
        exported, [*finished.image_head, Unit(), layer], lambda numbers: unit(layer.apply(finished.embed_images(numbers))), embed_texts
    )


def _with_constant(text: AnyExported, captions: Rows) -> AnyExported:
    """The text tower with the dimension that meets the bias."""
    if isinstance(text, WordsTower):
        return replace(text, table=with_constant(text.table, captions.rows, captions.weights))
    if isinstance(text, TextEncoder):
        return replace(text, head=[*text.head, Unit(), Constant(CONSTANT)])
    words = with_constant(text.words.table, captions.rows[:, 1:], captions.weights[:, 1:])
    sentence = replace(text.sentence, head=[*text.sentence.head, Unit(), Constant(CONSTANT)])
    return replace(text, words=replace(text.words, table=words), sentence=sentence)


def _padded(embeddings: np.ndarray) -> np.ndarray:
    """Unit-norm embeddings with the constant of a frozen text tower."""
    return unit(np.pad(embeddings, ((0, 0), (0, 1)), constant_values=CONSTANT))
