"""Queries as people type them, of one to three words, out of captions alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np

from maker.data.captions import Caption
from maker.encoders.phrases import is_unspaced, mine_phrases

ONE_WORD, MORE_WORDS = "one_word", "two_to_three_words"
LENGTHS = {ONE_WORD: "one word", MORE_WORDS: "two to three words"}
LONGEST = 3  # words
CHARACTERS = 2  # of a script without spaces, that count as one word
MOST_QUERIES = 300  # of each length and language
FEWEST_PICTURES, MOST_PICTURES = 5, 0.5  # that a query has to fit, and the share of all that it may fit
SHARE = 1 / 3  # of the captions of a picture that fits
AGREEMENT, ENDING, EDGE = 0.2, 0.02, 0.01  # the least of a query; `EDGE` is the least ending of its first word
PART = 0.9  # of its captions: a phrase that is so often part of a longer query is none itself
JUDGED = (
    "queries are words and phrases of these captions, and pairs of such words; a picture fits if at least a third of its captions hold all "
    "words of the query (two of five, or its only one), and every query fits at least five pictures"
)


@dataclass(frozen=True)
class TypedQuery:
    """A query that a person might type.

    Attributes:
        text: The query, in lower case.
        length: `ONE_WORD` or `MORE_WORDS`.
        language: The language of its captions.
        pictures: Numbers of the pictures that it fits, ascending.
        mentioned: Numbers of the pictures that have any caption with all of its words, ascending.
    """

    text: str
    length: str
    language: str
    pictures: np.ndarray
    mentioned: np.ndarray


def typed_queries(captions: Sequence[Caption], images: Sequence[str]) -> list[TypedQuery]:
    """Finds queries in captions; the same captions give the same queries.

    Two statistics tell words that only serve others from those that people look for, in any language:

    - Articles, prepositions and the like hardly ever end a caption or stand before punctuation.
    - People who describe the same picture agree on what it shows, and hardly on such words. Agreement is Cohen's kappa (1960) of two
      captions of one picture, whether they hold the phrase. It is unknown where pictures have one caption each.

    Args:
        captions: Captions of these pictures, held out from training.
        images: The pictures; their numbers are the places in this list.
    """
    number = {image: place for place, image in enumerate(images)}
    found: list[TypedQuery] = []
    for language in sorted({c.language for c in captions}):
        chosen = [c for c in captions if c.language == language]
        held = _Held([c.text for c in chosen], np.array([number[c.image] for c in chosen]), len(images))
        phrases = list(_phrases(held))
        words = _spread([candidate for candidate in phrases if candidate.length == ONE_WORD])
        longer = [candidate for candidate in phrases if candidate.length == MORE_WORDS]
        for candidate in [*words, *_spread([*longer, *_pairs(held, words)])]:
            pictures = held.pictures[candidate.captions]
            found.append(TypedQuery(candidate.text, candidate.length, language, held.fitting(candidate.captions), np.unique(pictures)))
    return found


@dataclass(frozen=True)
class _Candidate:
    """A possible query: its words by number, and the captions that hold all of them, ascending."""

    text: str
    length: str
    words: tuple[int, ...]
    captions: np.ndarray


class _Held:
    """Which captions hold which phrases.

    Attributes:
        pictures: `(c,)` int: the picture of each caption.
        captioned: `(n,)` int: the number of captions by picture.
    """

    def __init__(self, texts: Sequence[str], pictures: np.ndarray, count: int) -> None:
        self.pictures = pictures
        self.captioned = np.bincount(pictures, minlength=count)
        self.phrases = mine_phrases(texts, np.arange(len(texts)), LONGEST + 1, FEWEST_PICTURES, 1.0)
        self.numbers = [tuple(word for word in row if word >= 0) for row in self.phrases.words.tolist()]
        self.word = {words[0]: phrase for phrase, words in enumerate(self.numbers) if len(words) == 1}
        self.siblings = 2 * (self.captioned > 1).sum() > (self.captioned > 0).sum()

    def holding(self, phrase: int) -> np.ndarray:
        """The captions with all words of a phrase; in scripts without spaces, with the phrase."""
        if all(map(is_unspaced, self.phrases.texts[phrase])):
            return self.phrases.pictures_of(phrase)
        return reduce(np.intersect1d, [self.phrases.pictures_of(self.word[word]) for word in self.numbers[phrase]])

    def fitting(self, captions: np.ndarray) -> np.ndarray:
        """The pictures that a query fits which these captions hold."""
        pictures, counts = np.unique(self.pictures[captions], return_counts=True)
        return pictures[counts >= SHARE * self.captioned[pictures]]

    def is_wanted(self, captions: np.ndarray) -> bool:
        """Whether a query that these captions hold fits neither too few nor too many pictures, and people agree on it."""
        fits = len(self.fitting(captions))
        if not FEWEST_PICTURES <= fits <= MOST_PICTURES * (self.captioned > 0).sum():
            return False
        return not self.siblings or self.agreement(captions) >= AGREEMENT

    def agreement(self, captions: np.ndarray) -> float:
        """Cohen's kappa of two captions of one picture, whether they are among these."""
        pictures, counts = np.unique(self.pictures[captions], return_counts=True)
        others = self.captioned[pictures] - 1
        counts, others = counts[others > 0], others[others > 0]
        chance = len(captions) / len(self.pictures)
        if not len(counts) or chance == 1:
            return 0.0
        return float(((counts * (counts - 1) / others).sum() / counts.sum() - chance) / (1 - chance))


def _phrases(held: _Held) -> Iterator[_Candidate]:
    """Words and phrases that can be queries, the most frequent first."""
    found: list[_Candidate] = []
    leads: dict[int, bool] = {}  # by word: whether a query may begin with it
    for phrase, words in enumerate(held.numbers):
        length = _length(held.phrases.texts[phrase])
        if words[0] not in leads:
            first = held.word[words[0]]
            agreed = held.agreement(held.phrases.pictures_of(first)) >= AGREEMENT
            leads[words[0]] = agreed if held.siblings else held.phrases.endings[first] >= EDGE
        if length and leads[words[0]] and held.phrases.endings[phrase] >= ENDING:
            captions = held.holding(phrase)
            if held.is_wanted(captions):
                found.append(_Candidate(held.phrases.texts[phrase], length, words, captions))
    whole: dict[tuple[int, ...], int] = {}  # by words: the captions of the most frequent query that is one word longer
    for candidate in found:
        for part in (candidate.words[1:], candidate.words[:-1]):
            whole[part] = max(whole.get(part, 0), len(candidate.captions))
    kept = [candidate for candidate in found if whole.get(candidate.words, 0) < PART * len(candidate.captions)]
    yield from sorted(kept, key=lambda candidate: (-len(candidate.captions), candidate.text))


def _pairs(held: _Held, words: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """Pairs of queries of one word that captions hold together, unless they make a phrase: "dog snow"."""
    known = set(map(frozenset, held.numbers))
    words = [word for word in words if len(word.text) >= CHARACTERS or not is_unspaced(word.text)]
    table = np.zeros((len(words), len(held.pictures)), np.float32)
    for row, word in enumerate(words):
        table[row, word.captions] = 1
    together = table @ table.T
    for one, other in combinations(range(len(words)), 2):
        first, second = words[one], words[other]
        apart = not set(first.words) & set(second.words) and frozenset(first.words + second.words) not in known
        if apart and together[one, other] >= FEWEST_PICTURES:
            captions = np.intersect1d(first.captions, second.captions)
            if held.is_wanted(captions):
                yield _Candidate(f"{first.text} {second.text}", MORE_WORDS, first.words + second.words, captions)


def _length(text: str) -> str | None:
    """`ONE_WORD`, `MORE_WORDS`, or None for more than three words."""
    unspaced = sum(map(is_unspaced, text))
    words = len("".join(" " if is_unspaced(character) else character for character in text).split()) + unspaced / CHARACTERS
    return ONE_WORD if words <= 1 else MORE_WORDS if words <= LONGEST else None


def _spread(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """At most 300 of the candidates, evenly spread from the most frequent to the rarest."""
    ordered = sorted(candidates, key=lambda candidate: (-len(candidate.captions), candidate.text))
    return [ordered[i] for i in np.linspace(0, len(ordered) - 1, min(MOST_QUERIES, len(ordered))).astype(int)]
