"""Tokenizers that a model leaves to the caller, by the files that travel with it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import DamagedFileError, InvalidArgumentError

CLS, SEP, UNK = "[CLS]", "[SEP]", "[UNK]"  # of BERT's
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
    """BERT's: words and punctuation, then the longest pieces that the vocabulary has, from the left."""

    def __init__(self, vocabulary: bytes, size: Callable[[str], int] | None = None) -> None:
        """Reads the vocabulary.

        Args:
            vocabulary: A piece a line, numbered from 0.
            size: How long a word is; in UTF-8 bytes, as to the Task Library, where None. BERT itself counts characters.
        """
        self._size = size or _utf8_length
        self._ids = {piece: number for number, piece in enumerate(lines(vocabulary))}
        self._longest = max(map(len, self._ids), default=0)

    def pieces(self, text: str) -> list[str]:
        """A text's pieces; those that continue a word start with `##`."""
        return [piece for word in words(text) for piece in self._split(word)]

    def id(self, piece: str) -> int:
        """A piece's number; 0 where the vocabulary lacks it."""
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
    """SentencePiece, by its own package."""

    def __init__(self, name: str, model: bytes) -> None:
        """Reads the model.

        Raises:
            InvalidArgumentError: The package `sentencepiece` is not installed.
            DamagedFileError: It is no SentencePiece model.
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
        """A text's pieces."""
        return [str(piece) for piece in self._processor.EncodeAsPieces(text)]

    def id(self, piece: str) -> int:
        """A piece's number; that of the unknown piece where the model lacks it."""
        return int(self._processor.PieceToId(piece))


def bert_normalized(text: str, lower_case: bool) -> str:
    """A text as BERT's own tokenizer cleans it (Devlin et al., 2019; `BasicTokenizer` of the released code).

    Control characters go, spaces of any kind become plain ones; with `lower_case` letters lose their case and their accents.
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
    """Splits at spaces, and before and after punctuation and ideographs, which are words of their own."""
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
    """A vocabulary's lines; a carriage return is part of one, as in the Task Library."""
    found = content.decode("utf-8", "replace").split("\n")
    if found and not found[-1]:
        found.pop()
    return found
