"""Trains the towers of a searcher on captions and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from maker.data.captions import Caption
from maker.data.splits import Splits
from maker.encoders.embedder import Tower
from maker.encoders.image import ImageEncoder
from maker.encoders.layers import Standardise
from maker.encoders.phrases import mine_phrases
from maker.encoders.sentence_tower import TextEncoder
from maker.encoders.spellings import spellings
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.errors import TrainingError
from maker.progress import say
from maker.training.fine_tuning import Backbone, fine_tune, frozen_phase
from maker.training.frozen_text import AnyTextSide, FrozenText, TextFeatures
from maker.training.head import Head, layer_normalise
from maker.training.image_side import FrozenFeatures, ImageSide, ScratchCnn
from maker.training.initialise import Start, linear_start, paired_starts
from maker.training.loop import EncodedSplit, Run, fit, measure_prefixes
from maker.training.losses import Loss
from maker.training.options import TrainingOptions
from maker.training.phrases import PhraseLabels
from maker.training.precision import policy
from maker.training.text_side import TextSide
from maker.training.vocabulary import CaptionRows, Rows, Vocabulary, build_vocabulary


@dataclass(frozen=True)
class Trained:
    """The result of a training run.

    Attributes:
        text: The text tower.
        image: The image tower.
        history: One entry per epoch.
        described: Options and sizes, for the manifest.
        words: Row of the embedding table by spelling; None if the text tower has no such table.
    """

    text: WordsTower | TextEncoder
    image: ImageEncoder
    history: list[dict[str, Any]]
    described: dict[str, Any]
    words: dict[str, int] | None


def train_frozen(
    splits: Splits,
    rows: dict[str, int],
    features: np.ndarray,
    tower: Tower,
    options: TrainingOptions,
    run: Run | None = None,
    backbone: Backbone | None = None,
    texts: TextFeatures | None = None,
    variants: Sequence[np.ndarray] = (),
) -> Trained:
    """Trains a text tower and a head over frozen image features, and from the epoch `unfreeze_from` on the image tower too.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: The row in `features` of each image.
        features: `(n, f)` float32.
        tower: The image tower that made the features; the head is exported behind it.
        options: Hyperparameters.
        run: Where the run is saved and which devices it uses.
        backbone: The image tower as a trainable model; needed with `unfreeze_from`.
        texts: Features of all captions by a frozen text tower; None trains the `words` tower.
        variants: `(n, f)` float32 other features of the same images, such as of mirrored ones; training draws one each time.

    Raises:
        TrainingError: The captions are too few to learn from, the loss is not finite, or fine-tuning made the searcher worse.
    """
    _seed(options.seed)
    run = run or Run()
    prepared = _prepare(splits, rows, options, texts)
    if options.unfreeze_from and prepared.validation is None and not options.allow_worse:
        raise TrainingError(
            "--unfreeze-from: nothing is held out, so the fine-tuned tower cannot be compared with the frozen one; pass more captions, "
            "captions of a split 'val', or --allow-worse"
        )
    features = np.asarray(features, np.float32)
    # The values of several layers differ in their scale.
    scaling = Standardise.of(features[np.unique(prepared.train.images)]) if tower.inner else None
    start, text_start = _starts(prepared, features if scaling is None else scaling.apply(features), options, texts)
    with _scope(run):
        text = _text_side(prepared, options, texts, text_start)
        precision = policy(options.mixed_precision)
        head = Head(features.shape[1], options.dimension, options.feature_dropout, options.seed, start, precision, scaling)
        loss = Loss(options.loss, options.matryoshka, options.phrase_weight)
    image: ImageSide = FrozenFeatures(features, head, variants)
    history = fit(text, image, prepared.train, prepared.validation, frozen_phase(options), run, loss=loss)
    more: dict[str, Any] = {}
    if options.unfreeze_from:
        assert backbone is not None
        unfrozen = replace(run, checkpoint=run.checkpoint and run.checkpoint.with_stem(f"{run.checkpoint.stem}-unfrozen"))
        tuned = fine_tune(text, head, loss, backbone, prepared.train, prepared.validation, options, unfrozen)
        tower, image, history, more = tuned.tower, tuned.image, [*history, *tuned.history], {"safety_net": tuned.safety_net}
    described = _describe(prepared, options, text, image) | more
    return Trained(_exported(text, texts), ImageEncoder(tower, head.layers()), history, described, prepared.words)


def _scope(run: Run) -> AbstractContextManager[Any]:
    return run.replicas.scope() if run.replicas else nullcontext()


def _starts(
    prepared: _Prepared, features: np.ndarray, options: TrainingOptions, texts: TextFeatures | None
) -> tuple[Start | None, Start | None]:
    """The initial weights of the image head and of the text tower; None to draw them at random."""
    if options.start != "linear":
        return None, None
    used, within = np.unique(prepared.train.images, return_inverse=True)
    captions = prepared.train.captions
    images = layer_normalise(np.asarray(features[used], np.float32))
    if texts is not None:
        sentences = layer_normalise(np.asarray(texts.values[captions.rows().rows[:, 0]], np.float32))
        return paired_starts(images[within], sentences, options.dimension)
    assert isinstance(captions, CaptionRows)
    assert prepared.vocabulary is not None
    start = linear_start(
        images,
        np.concatenate([captions.rows().rows, captions.gram_rows()], axis=1),
        within,
        1 + len(prepared.vocabulary.hashes),
        prepared.vocabulary.table_rows,
        options.dimension,
    )
    return start, start


def _text_side(prepared: _Prepared, options: TrainingOptions, texts: TextFeatures | None, start: Start | None) -> AnyTextSide:
    if texts is not None:
        width = texts.values.shape[1]
        head = Head(width, options.dimension, options.dropout, options.seed + 1, start, policy(options.mixed_precision))
        return FrozenText(texts.values, head)
    assert prepared.vocabulary is not None
    table = start.table if start else None
    return TextSide(prepared.vocabulary, options.dimension, options.dropout, options.seed, table, options.word_pooling)


def _exported(text: AnyTextSide, texts: TextFeatures | None) -> WordsTower | TextEncoder:
    if isinstance(text, TextSide):
        return text.tower()
    assert texts is not None
    return TextEncoder(texts.tower, text.head.layers())


def train_scratch(
    splits: Splits,
    rows: dict[str, int],
    pixels: np.ndarray,
    options: TrainingOptions,
    run: Run | None = None,
    texts: TextFeatures | None = None,
) -> Trained:
    """Trains a text tower and a small CNN.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: The row in `pixels` of each image.
        pixels: `(n, CNN_SIZE, CNN_SIZE, 3)` uint8.
        options: Hyperparameters.
        run: Where the run is saved and which devices it uses.
        texts: Features of all captions by a frozen text tower; None trains the `words` tower.

    Raises:
        TrainingError: The captions are too few to learn from, or the loss is not finite.
    """
    _seed(options.seed)
    run = run or Run()
    prepared = _prepare(splits, rows, options, texts)
    with _scope(run):
        text = _text_side(prepared, options, texts, None)
        image = ScratchCnn(pixels, options.dimension, options.augmentation, policy(options.mixed_precision))
    history = fit(text, image, prepared.train, prepared.validation, options, run)
    described = _describe(prepared, options, text, image)
    return Trained(_exported(text, texts), ImageEncoder(image.backbone(), []), history, described, prepared.words)


@dataclass(frozen=True)
class _Prepared:
    """Captions as the text tower reads them; `captions` is the number of training captions."""

    vocabulary: Vocabulary | None
    train: EncodedSplit
    validation: EncodedSplit | None
    captions: int
    words: dict[str, int] | None


def _prepare(splits: Splits, rows: dict[str, int], options: TrainingOptions, texts: TextFeatures | None) -> _Prepared:
    numbers = _numbers(splits.train, rows)
    if texts is not None:
        phrases = _phrases([c.text for c in splits.train], numbers, options, lambda names: texts.sentences(names).rows())
        train = EncodedSplit(texts.captions(splits.train), numbers, phrases)
        validation = EncodedSplit(texts.captions(splits.validation), _numbers(splits.validation, rows)) if splits.validation else None
        say(f"training on {len(splits.train)} captions of {len(np.unique(train.images))} images")
        return _Prepared(None, train, validation, len(splits.train), None)
    size = TokenizerSize()
    tokens = tokenize([c.text for c in splits.train], size)
    vocabulary = build_vocabulary(tokens, options.min_count, options.word_pairs, size)
    phrases = _phrases(
        [c.text for c in splits.train], numbers, options, lambda names: CaptionRows(tokenize(names, size), vocabulary).rows()
    )
    train = EncodedSplit(CaptionRows(tokens, vocabulary), numbers, phrases)
    validation = None
    if splits.validation:
        held_out = tokenize([c.text for c in splits.validation], size)
        validation = EncodedSplit(CaptionRows(held_out, vocabulary), _numbers(splits.validation, rows))
    say(
        f"training on {len(splits.train)} captions of {len(np.unique(train.images))} images; {len(vocabulary.hashes)} known words and pairs"
    )
    words = spellings((c.text for c in splits.train), vocabulary.hashes)
    return _Prepared(vocabulary, train, validation, len(splits.train), words)


def _phrases(
    captions: Sequence[str], images: np.ndarray, options: TrainingOptions, look_up: Callable[[list[str]], Rows]
) -> PhraseLabels | None:
    """The phrases of the captions as labels; None if the options want none or no phrase is frequent enough."""
    if not options.phrase_weight:
        return None
    phrases = mine_phrases(captions, images)
    say(f"{len(phrases.texts)} phrases of one or two words are labels of the images")
    return PhraseLabels.of(phrases, look_up(phrases.texts), images) if phrases.texts else None


def _numbers(captions: Sequence[Caption], rows: dict[str, int]) -> np.ndarray:
    return np.array([rows[c.image] for c in captions], np.int64)


def _describe(prepared: _Prepared, options: TrainingOptions, text: AnyTextSide, image: ImageSide) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    if options.matryoshka and prepared.validation is not None:
        measured["prefixes"] = measure_prefixes(text, image, prepared.validation, options.matryoshka)
    return {
        "options": asdict(options),
        "captions": prepared.captions,
        "images": len(np.unique(prepared.train.images)),
        "vocabulary": len(prepared.vocabulary.hashes) if prepared.vocabulary else 0,
        **measured,
    }


def _seed(seed: int) -> None:
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
