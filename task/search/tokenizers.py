"""Tokenizers that a model leaves to the caller, by the files that travel with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import DamagedFileError, InvalidArgumentError

PAD, START, UNKNOWN = "<PAD>", "<START>", "<UNKNOWN>"  # of a regex tokenizer's vocabulary
CLS, SEP, UNK = "[CLS]", "[SEP]", "[UNK]"  # of BERT's
MAX_WORD = 100  # a longer word is unknown
SPACES = frozenset("\t\n\f\r ")
SPACE_CLASS = r"\t\n\f\r "
LOWER_CASE = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}  # ASCII only, as in the Task Library
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


class RegexTokenizer:
    """Splits at what a pattern matches; case counts."""

    def __init__(self, name: str, pattern: str, vocabulary: bytes) -> None:
        r"""Reads the vocabulary: lines of a token, a space and its id.

        Args:
            name: What error messages call the model.
            pattern: What lies between tokens. Classes such as `\w` are ASCII's.
            vocabulary: The file.

        Raises:
            InvalidArgumentError: The pattern is none.
            DamagedFileError: The vocabulary cannot be read, or lacks `<PAD>` or `<UNKNOWN>`.
        """
        try:
            self._delimiter = re.compile(_without_vertical_tab(pattern), re.ASCII)
        except re.error as error:
            raise InvalidArgumentError(f"{name}: the tokenizer's pattern {pattern!r} cannot be used ({error}).") from error
        self._ids: dict[str, int] = {}
        for number, line in enumerate(_lines(vocabulary), 1):
            token, *rest = line.split(" ")
            try:
                self._ids[token] = int(rest[0])
            except (IndexError, ValueError) as error:
                raise DamagedFileError(f"{name}: line {number} of the vocabulary is {line!r}, expected a token and its id.") from error
        missing = [token for token in (PAD, UNKNOWN) if token not in self._ids]
        if missing:
            raise DamagedFileError(f"{name}: the vocabulary has no {missing[0]}.")

    def encode(self, text: str, length: int) -> list[int]:
        """A text's ids, cut or padded to `length`."""
        tokens, start = [], 0
        for match in self._delimiter.finditer(text):
            if match.end() > match.start():
                tokens.append(text[start : match.start()])
                start = match.end()
        tokens.append(text[start:])
        ids = [self._ids[START]] if START in self._ids else []
        ids += [self._ids.get(token, self._ids[UNKNOWN]) for token in tokens if token]
        return (ids + [self._ids[PAD]] * length)[:length]


class WordPieceTokenizer:
    """BERT's: words and punctuation, then the longest pieces that the vocabulary has, from the left."""

    def __init__(self, vocabulary: bytes, size: Callable[[str], int] | None = None) -> None:
        """Reads the vocabulary.

        Args:
            vocabulary: A piece a line, numbered from 0.
            size: How long a word is; in UTF-8 bytes, as to the Task Library, where None. BERT itself counts characters.
        """
        self._size = size or _utf8_length
        self._ids = {piece: number for number, piece in enumerate(_lines(vocabulary))}
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


def bert_pieces(tokenizer: WordPieceTokenizer | SentencePieceTokenizer, text: str) -> list[str]:
    """A text's pieces as a BERT model takes them, ASCII letters in lower case, between `[CLS]` and `[SEP]`, not cut yet.

    As in the Task Library, a text ends at its first NUL.
    """
    return [CLS, *tokenizer.pieces(text.partition("\0")[0].translate(LOWER_CASE)), SEP]


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


def _without_vertical_tab(pattern: str) -> str:
    r"""A pattern whose `\s` and `\S` mean what RE2, which the Task Library uses, means by them; Python's also know the vertical tab."""
    result, within = "", False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == r"\s" or (part == r"\S" and not within):
            part = SPACE_CLASS if within else ("[^" if part == r"\S" else "[") + SPACE_CLASS + "]"
        elif part in "[]":
            within = part == "["
        result += part
    return result


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


def _lines(content: bytes) -> list[str]:
    """A vocabulary's lines; a carriage return is part of one, as in the Task Library."""
    lines = content.decode("utf-8", "replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines
