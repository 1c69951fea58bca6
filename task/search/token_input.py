"""Tokenizes sentences for graphs that take token ids, as `query.tokens` in the manifest describes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..errors import DamagedFileError, InvalidArgumentError
from .tokenizers import SentencePieceTokenizer, WordPieceTokenizer, bert_normalized

WORDPIECE, SENTENCEPIECE, HUGGING_FACE = "wordpiece", "sentencepiece", "hugging_face"
FILES = {WORDPIECE: "vocab.txt", SENTENCEPIECE: "tokenizer.model", HUGGING_FACE: "tokenizer.json"}


class Tokenizer(Protocol):
    """Converts text to token ids."""

    def ids(self, text: str, length: int) -> list[int]:
        """At most `length` ids, including the start and end ids. A longer text loses its last pieces, but not the end id."""


class TokenInput:
    """Prepares the inputs of `search_tokens` and `embed_tokens`; thread-safe.

    Attributes:
        length: Number of ids that the graph takes.
        names: Names of the inputs: `ids` and, if the graph takes it, `mask`.
    """

    def __init__(self, name: str, described: dict[str, Any], content: bytes) -> None:
        """Opens the tokenizer.

        Args:
            name: Name of the file in errors.
            described: The value of `query.tokens` in the manifest.
            content: The file of the tokenizer.

        Raises:
            InvalidArgumentError: The tokenizer needs a library that is not installed.
            DamagedFileError: The tokenizer is damaged, or this release does not know its kind.
        """
        try:
            self.length, self.names, self._padding = int(described["length"]), list(described["inputs"]), int(described["padding_id"])
            self._tokenizer = _tokenizer(name, described, content)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidArgumentError):
                raise
            raise DamagedFileError(f"{name}: the manifest's query.tokens cannot be used ({error!r}).") from error

    def ids(self, text: str) -> list[int]:
        """The ids of a text, cut to `length` and not padded."""
        # The libraries do not accept unpaired surrogates.
        return self._tokenizer.ids(text.encode("utf-8", "replace").decode(), self.length)

    def prepare(self, text: str) -> dict[str, np.ndarray]:
        """The inputs by name: `ids` int32 `[1, length]`, padded, and `mask`, 1 where there is an id."""
        unpadded = self.ids(text)
        ids, mask = np.full((1, self.length), self._padding, np.int32), np.zeros((1, self.length), np.int32)
        ids[0, : len(unpadded)] = unpadded
        mask[0, : len(unpadded)] = 1
        return {name: {"ids": ids, "mask": mask}[name] for name in self.names}


class FramedPieces:
    """WordPiece or SentencePiece ids between a start id and an end id, both optional."""

    def __init__(
        self,
        tokenizer: WordPieceTokenizer | SentencePieceTokenizer,
        start: int | None,
        end: int | None,
        lower_case: bool,
        removed: str = "",
    ) -> None:
        self._tokenizer, self._lower_case = tokenizer, lower_case
        self._removed = dict.fromkeys(map(ord, removed))
        self._start, self._end = ([] if id is None else [id] for id in (start, end))

    def ids(self, text: str, length: int) -> list[int]:
        """At most `length` ids, including the start and end ids."""
        if isinstance(self._tokenizer, WordPieceTokenizer):
            text = bert_normalized(text, self._lower_case)
        else:
            text = text.lower() if self._lower_case else text
            text = " ".join(text.translate(self._removed).split()) if self._removed else text
        capacity = length - len(self._start) - len(self._end)
        pieces = self._tokenizer.pieces(text)[:capacity]
        return [*self._start, *(self._tokenizer.id(piece) for piece in pieces), *self._end]


class HuggingFaceTokenizer:
    """A `tokenizer.json`, run by the package `tokenizers`."""

    def __init__(self, name: str, content: bytes, length: int) -> None:
        """Reads the file.

        Raises:
            InvalidArgumentError: The package `tokenizers` is not installed.
            DamagedFileError: The file is not a valid `tokenizer.json`.
        """
        try:
            from tokenizers import Tokenizer as Library
        except ImportError as error:
            raise InvalidArgumentError(
                f"{name}: the text tower's tokenizer is a Hugging Face tokenizer.json: pip install tokenizers"
            ) from error
        try:
            self._library: Any = Library.from_str(content.decode())
        except Exception as error:  # the library raises bare Exception
            raise DamagedFileError(f"{name}: tokenizer.json cannot be read ({error}).") from error
        self._library.no_padding()
        self._library.enable_truncation(length)

    def ids(self, text: str, length: int) -> list[int]:
        """The ids of a text, cut to the length given to the constructor."""
        return list(self._library.encode(text).ids)


def _tokenizer(name: str, described: dict[str, Any], content: bytes) -> Tokenizer:
    kind, start, end, lower_case = (described[key] for key in ("tokenizer", "start", "end", "lower_case"))
    if kind == WORDPIECE:
        return FramedPieces(WordPieceTokenizer(content.replace(b"\r\n", b"\n"), len), start, end, lower_case)
    if kind == SENTENCEPIECE:
        return FramedPieces(SentencePieceTokenizer(name, content), start, end, lower_case, str(described.get("removed", "")))
    if kind == HUGGING_FACE:
        return HuggingFaceTokenizer(name, content, int(described["length"]))
    raise DamagedFileError(f"{name}: the tokenizer is {kind!r}, expected one of {', '.join(FILES)}; update pocket-searcher.")
