"""Captions as the text tower of a run reads them, and that tower before its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from maker.data.captions import Caption
from maker.data.splits import Splits
from maker.encoders.joint import JointTower
from maker.encoders.phrases import mine_phrases
from maker.encoders.sentence_tower import TextEncoder
from maker.encoders.spellings import spellings
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.progress import say
from maker.training.frozen_text import FrozenText, TextFeatures
from maker.training.head import Head, layer_normalise
from maker.training.initialise import Start, linear_start, paired_starts, regressed_start
from maker.training.joint_text import AnyCaptions, AnyTextSide, JointCaptions, JointText
from maker.training.loop import EncodedSplit
from maker.training.options import TrainingOptions
from maker.training.phrases import PhraseLabels
from maker.training.precision import policy
from maker.training.text_side import TextSide
from maker.training.vocabulary import CaptionRows, Vocabulary, build_vocabulary

AnyExported = WordsTower | TextEncoder | JointTower


@dataclass(frozen=True)
class Prepared:
    """Captions as the text tower reads them.

    Attributes:
        vocabulary: The known words; None without a `words` tower.
        texts: Features by a frozen text tower; None without one.
        train: The training captions.
        validation: The held-out captions; None if there are none.
        captions: The number of training captions.
        words: Row of the embedding table by spelling; None if the text tower is not the `words` tower alone.
        read: Gives sentences as the text tower reads them.
    """

    vocabulary: Vocabulary | None
    texts: TextFeatures | None
    train: EncodedSplit
    validation: EncodedSplit | None
    captions: int
    words: dict[str, int] | None
    read: Callable[[Sequence[str]], AnyCaptions]

    def starts(self, features: np.ndarray, options: TrainingOptions) -> tuple[Start | None, Start | None, Start | None]:
        """The initial weights of the image head, of the words and of the head of the text tower; None to draw them at random."""
        if options.start != "linear":
            return None, None, None
        used, within = np.unique(self.train.images, return_inverse=True)
        captions = self.train.captions
        images = layer_normalise(np.asarray(features[used], np.float32))
        sentences = captions.sentences if isinstance(captions, JointCaptions) else captions
        told = None
        if self.texts is not None:
            told = layer_normalise(np.asarray(self.texts.values[sentences.rows().rows[:, 0]], np.float32))
        if self.vocabulary is None:
            assert told is not None
            image, head = paired_starts(images[within], told, options.dimension)
            return image, None, head
        words = captions.words if isinstance(captions, JointCaptions) else captions
        assert isinstance(words, CaptionRows)
        rows = np.concatenate([words.rows().rows, words.gram_rows()], axis=1)
        known = 1 + len(self.vocabulary.hashes)
        start = linear_start(images, rows, within, known, self.vocabulary.table_rows, options.dimension)
        return start, start, None if told is None else regressed_start(told, (images @ start.weights + start.bias)[within])

    def text_side(self, options: TrainingOptions, words_start: Start | None, head_start: Start | None) -> AnyTextSide:
        """The text tower to train."""
        words = frozen = None
        if self.vocabulary is not None:
            table = words_start.table if words_start else None
            words = TextSide(self.vocabulary, options.dimension, options.dropout, options.seed, table, options.word_pooling)
        if self.texts is not None:
            width, precision = self.texts.values.shape[1], policy(options.mixed_precision)
            head = Head(width, options.dimension, options.dropout, options.seed + 1, head_start, precision)
            frozen = FrozenText(self.texts.values, head)
        if words and frozen:
            return JointText(words, frozen)
        text = words or frozen
        assert text is not None
        return text

    def exported(self, text: AnyTextSide) -> AnyExported:
        """The trained tower, to export."""
        if isinstance(text, TextSide):
            return text.tower()
        assert self.texts is not None
        assert self.texts.tower is not None
        if isinstance(text, FrozenText):
            return TextEncoder(self.texts.tower, text.head.layers())
        return JointTower(text.words.tower(), TextEncoder(self.texts.tower, text.sentence.head.layers()), text.factor)


def prepare(
    splits: Splits, rows: dict[str, int], options: TrainingOptions, texts: TextFeatures | None, more: Sequence[str] = ()
) -> Prepared:
    """Prepares captions for training.

    Args:
        splits: Captions whose images are all in `rows`.
        rows: The number of each image.
        options: Hyperparameters.
        texts: Features of all captions, and of phrases that are labels, by a frozen text tower; None trains the `words` tower.
        more: Sentences whose frequent words belong to the vocabulary as well.
    """
    captions, numbers = [c.text for c in splits.train], _numbers(splits.train, rows)
    vocabulary = words = None
    if texts is None or texts.with_words:
        size = TokenizerSize()
        vocabulary = build_vocabulary(tokenize([*captions, *more], size), options.min_count, options.word_pairs, size)
        words = spellings([*captions, *more], vocabulary.hashes) if texts is None else None
    read = _reader(vocabulary, texts)
    train = EncodedSplit(read(captions), numbers, _phrases(captions, numbers, options, read))
    validation = None
    if splits.validation:
        validation = EncodedSplit(read([c.text for c in splits.validation]), _numbers(splits.validation, rows))
    known = f"; {len(vocabulary.hashes)} known words and pairs" if vocabulary else ""
    say(f"training on {len(captions)} captions of {len(np.unique(numbers))} images{known}")
    return Prepared(vocabulary, texts, train, validation, len(captions), words, read)


def _reader(vocabulary: Vocabulary | None, texts: TextFeatures | None) -> Callable[[Sequence[str]], AnyCaptions]:
    """How sentences become the input of the text tower."""

    def read(sentences: Sequence[str]) -> AnyCaptions:
        numbers = texts.sentences(sentences) if texts else None
        if vocabulary is None:
            assert numbers is not None
            return numbers
        words = CaptionRows(tokenize(sentences, vocabulary.size), vocabulary)
        return JointCaptions(words, numbers) if numbers else words

    return read


def _phrases(
    captions: Sequence[str], images: np.ndarray, options: TrainingOptions, read: Callable[[Sequence[str]], AnyCaptions]
) -> PhraseLabels | None:
    """The phrases of the captions as labels; None if the options want none or no phrase is frequent enough."""
    if not options.phrase_weight:
        return None
    phrases = mine_phrases(captions, images)
    say(f"{len(phrases.texts)} phrases of one or two words are labels of the images")
    return PhraseLabels.of(phrases, read(phrases.texts), images) if phrases.texts else None


def _numbers(captions: Sequence[Caption], rows: dict[str, int]) -> np.ndarray:
    return np.array([rows[c.image] for c in captions], np.int64)
