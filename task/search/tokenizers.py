"""WordPiece and SentencePiece tokenizers, for models that take token ids."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import DamagedFileError, InvalidArgumentError

CLS, SEP, UNK = "[CLS]", "[SEP]", "[UNK]"  # of BERT
MAX_WORD = 100  # a longer word is unknown
SPACES = frozenset("\t\n\f\r ")
IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPieceTokenizer:
    """The tokenizer of BERT: it splits text into words and punctuation, and these into the longest known pieces, from the left."""

    def __init__(self, vocabulary: bytes, size: Callable[[str], int] | None = None) -> None:
        """Reads the vocabulary.

        Args:
            vocabulary: One piece per line, numbered from 0.
            size: Measures the length of a word. None counts UTF-8 bytes, as the Task Library does; BERT counts characters.
        """
        self._size = size or _utf8_length
        self._ids = {piece: number for number, piece in enumerate(lines(vocabulary))}
        self._longest = max(map(len, self._ids), default=0)

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text; pieces inside a word start with `##`."""
        return [piece for word in words(text) for piece in self._split(word)]

    def id(self, piece: str) -> int:
        """The number of a piece; 0 if it is not in the vocabulary."""
        return self._ids.get(piece, 0)

    def _split(self, word: str) -> list[str]:
        if self._size(word) > MAX_WORD:
            return [UNK]
        pieces, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                if prefix + word[start:end] in self._ids:
                    break
            else:
                return [UNK]
            pieces.append(prefix + word[start:end])
            start = end
        return pieces


class SentencePieceTokenizer:
    """A SentencePiece model, run by the package `sentencepiece`."""

    def __init__(self, name: str, model: bytes) -> None:
        """Reads the model.

        Raises:
            InvalidArgumentError: The package `sentencepiece` is not installed.
            DamagedFileError: The file is not a valid SentencePiece model.
        """
        try:
            import sentencepiece
        except ImportError as error:
            raise InvalidArgumentError(f"{name}: the model's tokenizer is SentencePiece: pip install sentencepiece") from error
        self._processor: Any = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, TypeError) as error:
            raise DamagedFileError(f"{name}: the SentencePiece model cannot be read ({error}).") from error

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text."""
        return [str(piece) for piece in self._processor.EncodeAsPieces(text)]

    def id(self, piece: str) -> int:
        """The number of a piece; that of the unknown piece if the model lacks it."""
        return int(self._processor.PieceToId(piece))


def bert_normalized(text: str, lower_case: bool) -> str:
    """Cleans a text as the tokenizer of BERT does (Devlin et al., 2019; `BasicTokenizer` of the released code).

    It removes control characters and replaces all kinds of space by plain ones. With `lower_case`, it also removes case and accents.
    """
    cleaned = "".join(" " if c.isspace() else c for c in text if not _is_control(c))
    if not lower_case:
        return cleaned
    letters = (c for c in unicodedata.normalize("NFD", cleaned) if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in letters)


def _is_control(character: str) -> bool:
    return character == "\ufffd" or (character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cf", "Co"))


def _utf8_length(word: str) -> int:
    return len(word.encode("utf-8", "replace"))


def words(text: str) -> Iterator[str]:
    """Splits a text at spaces and around punctuation and ideographs, each of which is a word."""
    start = 0
    for at, character in enumerate(text):
        if character in SPACES or _stands_alone(character):
            if at > start:
                yield text[start:at]
            if character not in SPACES:
                yield character
            start = at + 1
    if start < len(text):
        yield text[start:]


def _stands_alone(character: str) -> bool:
    code = ord(character)
    if code < 128:
        return 33 <= code <= 126 and not character.isalnum()
    return unicodedata.category(character).startswith("P") or any(low <= code <= high for low, high in IDEOGRAPHS)


def lines(content: bytes) -> list[str]:
    """The lines of a vocabulary. A carriage return is part of its line, as in the Task Library."""
    rows = content.decode("utf-8", "replace").split("\n")
    if rows and not rows[-1]:
        rows.pop()
    return rows
