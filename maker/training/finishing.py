"""What follows training over frozen image features: a second encoder in closed form is joined to the trained one, and hub bias is added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maker.encoders.joint import JointTower
from maker.encoders.layers import Constant, Dense, Layer, LayerNorm, Scale, SideBySide, Unit
from maker.encoders.sentence_tower import TextEncoder
from maker.encoders.words import WordsTower
from maker.progress import say
from maker.training.closed_form import closed_form, closed_form_of_sentences
from maker.training.frozen_text import FrozenText
from maker.training.head import Head, layer_normalise
from maker.training.hubs import CONSTANT, hub_bias, with_constant
from maker.training.image_side import FrozenFeatures, embed
from maker.training.initialise import Start
from maker.training.joined import join, reduced, sums, unit
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
        embed_sentences: Embeds captions by the pretrained text tower and its head alone, with norm 1; None without one.
    """

    text: AnyExported
    image_head: Sequence[Layer]
    embed_images: EmbedImages
    embed_texts: EmbedTexts
    embed_sentences: EmbedTexts | None = None


def finish(text: AnyTextSide, image: FrozenFeatures, head: Head, prepared: Prepared, options: TrainingOptions) -> Finished:
    """Joins the second encoder and adds hub bias, as far as the options ask for it.

    Args:
        text: The trained text tower.
        image: The trained image tower.
        head: Its head.
        prepared: The captions, as the text tower reads them.
        options: Hyperparameters.
    """
    sentences = text.sentence if isinstance(text, JointText) else text if isinstance(text, FrozenText) else None
    finished = Finished(
        prepared.exported(text), head.layers(), lambda numbers: embed(image, numbers), text.embed, sentences.embed if sentences else None
    )
    if options.second_weight and isinstance(finished.text, WordsTower):
        finished = _with_second_words(finished, finished.text, image, head, prepared.train, options.second_weight)
    elif options.second_weight:
        finished = _with_second_sentences(finished, image, head, prepared, options.second_weight)
    return _with_hub_bias(finished, prepared.train, options) if options.hub_bias else finished


def _with_second_words(
    finished: Finished, words: WordsTower, image: FrozenFeatures, head: Head, train: EncodedSplit, share: float
) -> Finished:
    used, described = np.unique(train.images, return_inverse=True)
    captions, dimension, seen = train.captions.rows(), words.table.shape[1], _seen(image, head)
    second = closed_form(seen(used), captions.rows, described, 1 + len(words.hashes), len(words.table), dimension)
    if second is None or second.table is None:
        say("no second encoder: the captions have too few frequent words for it")
        return finished
    images = finished.embed_images(used), _embedded(seen(used), second)
    joined = join((words.table, second.table), captions.rows, captions.weights, images, share, dimension)
    return Finished(
        replace(words, table=joined.table),
        _image_head(head, second, joined.factor, joined.projection),
        lambda numbers: joined.images(finished.embed_images(numbers), _embedded(seen(numbers), second)),
        lambda rows: unit(sums(joined.table, rows.rows, rows.weights)),
    )


def _seen(image: FrozenFeatures, head: Head) -> Callable[[np.ndarray], np.ndarray]:
    """The features of images by number, as the second encoder takes them."""
    return lambda numbers: layer_normalise(head.scaled(image.features(numbers)))


def _embedded(features: np.ndarray, second: Start) -> np.ndarray:
    """Unit-norm embeddings of layer-normalised features by a head of the second encoder."""
    return unit(features @ second.weights + second.bias)


def _image_head(head: Head, second: Start, factor: float, projection: np.ndarray) -> Sequence[Layer]:
    """The trained head and the second one side by side, projected."""
    trained: list[Layer] = [*head.layers(scaling=False), Unit()]
    return [*head.scaling, SideBySide([trained, _solved(second, factor)]), Dense(projection)]


def _solved(second: Start, factor: float) -> list[Layer]:
    """A head of the second encoder, whose embeddings have the norm `factor`."""
    plain = LayerNorm(np.ones(len(second.weights), np.float32), np.zeros(len(second.weights), np.float32))
    return [plain, Dense(second.weights, second.bias), Unit(), Scale(factor)]


def _with_second_sentences(finished: Finished, image: FrozenFeatures, head: Head, prepared: Prepared, share: float) -> Finished:
    """Joins the second encoder to a pretrained text tower and its head, and to the words beside it, if there are any.

    The sum of trained words and sentences, of about the norm `length`, stands for its normalised value, so that both can be projected one
    by one.
    """
    tower, embed_trained, texts, captions = finished.text, finished.embed_sentences, prepared.texts, prepared.train.captions.rows()
    assert not isinstance(tower, WordsTower)
    assert embed_trained is not None
    assert texts is not None
    used, described = np.unique(prepared.train.images, return_inverse=True)
    seen = _seen(image, head)

    def read(rows: Rows) -> np.ndarray:
        return layer_normalise(np.asarray(texts.values[rows.rows[:, 0]], np.float32))

    of_sentences = embed_trained(captions)
    of_words = tower.factor * _embed_words(tower, captions) if isinstance(tower, JointTower) else np.zeros_like(of_sentences)
    length, dimension = float(np.linalg.norm(of_words + of_sentences, axis=1).mean()), of_sentences.shape[1]
    told = read(captions)
    seconds = closed_form_of_sentences(seen(used), told, described, dimension)
    if seconds is None:
        say(f"no second encoder: a tower has fewer features than the {dimension} dimensions")
        return finished
    (image_start, text_start), factor = seconds, float(np.sqrt(share))

    def images(numbers: np.ndarray) -> np.ndarray:
        return np.concatenate([finished.embed_images(numbers), factor * _embedded(seen(numbers), image_start)], axis=1)

    second = factor * _embedded(told, text_start)
    both = np.concatenate([(of_words + of_sentences) / length, second], axis=1)
    text_projection, image_projection = reduced(both, images(used), dimension)

    def embed_sentences(rows: Rows) -> np.ndarray:
        return unit(np.concatenate([embed_trained(rows), length * factor * _embedded(read(rows), text_start)], axis=1) @ text_projection)

    def joined(sentence: TextEncoder) -> TextEncoder:
        trained: list[Layer] = [*sentence.head, Unit()]
        return replace(sentence, head=[SideBySide([trained, _solved(text_start, length * factor)]), Dense(text_projection)])

    exported: TextEncoder | JointTower
    if isinstance(tower, JointTower):
        words = replace(tower.words, table=tower.words.table @ text_projection[:dimension])
        sums_of_both = of_words @ text_projection[:dimension], np.concatenate([of_sentences, length * second], axis=1) @ text_projection
        lengths = [float(np.linalg.norm(part, axis=1).mean()) for part in sums_of_both]
        exported = JointTower(words, joined(tower.sentence), lengths[0] / lengths[1])
    else:
        exported = joined(tower)
    return Finished(
        exported,
        _image_head(head, image_start, factor, image_projection),
        lambda numbers: unit(images(numbers) @ image_projection),
        _joint_texts(exported, embed_sentences) if isinstance(exported, JointTower) else embed_sentences,
        embed_sentences,
    )


def _embed_words(tower: JointTower, captions: Rows) -> np.ndarray:
    """Unit-norm embeddings, `(n, d)` float32, of the words alone; the first column of the rows is the sentence's."""
    return unit(sums(tower.words.table, captions.rows[:, 1:], captions.weights[:, 1:]))


def _joint_texts(tower: JointTower, embed_sentences: EmbedTexts) -> EmbedTexts:
    """How words and sentences together embed captions."""
    return lambda captions: unit(tower.factor * _embed_words(tower, captions) + embed_sentences(captions))


def _with_hub_bias(finished: Finished, train: EncodedSplit, options: TrainingOptions) -> Finished:
    rows = train.captions.rows()
    layer = hub_bias(finished.embed_texts(rows), finished.embed_images(np.unique(train.images)), options.hub_bias, options.seed)
    exported = _with_constant(finished.text, rows)

    def embed_sentences(captions: Rows) -> np.ndarray:
        assert finished.embed_sentences is not None
        return _padded(finished.embed_sentences(captions))

    def embed_texts(captions: Rows) -> np.ndarray:
        if isinstance(exported, WordsTower):
            return unit(sums(exported.table, captions.rows, captions.weights))
        return _joint_texts(exported, embed_sentences)(captions) if isinstance(exported, JointTower) else embed_sentences(captions)

    return Finished(
        exported,
        [*finished.image_head, Unit(), layer],
        lambda numbers: unit(layer.apply(finished.embed_images(numbers))),
        embed_texts,
        embed_sentences,
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
