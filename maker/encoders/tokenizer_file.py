"""Tokenizer files of pretrained text towers, recognised by their content: WordPiece, SentencePiece, Hugging Face."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import EncoderError
from task.errors import TaskError
from task.search.token_input import FILES, HUGGING_FACE, SENTENCEPIECE, WORDPIECE, TokenInput
from task.search.tokenizers import CLS, SEP, UNK

INPUTS = ("ids", "mask")
DEFAULT_LENGTH = 64
POOLS = ("mean", "first")
CASES = ("auto", "lower", "keep")
PADS = ("[PAD]", "<pad>")
KINDS = "a WordPiece vocab.txt (a piece a line, [UNK] among them), a SentencePiece .model or a Hugging Face tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class TextModelOptions:
    """How a model that takes ids becomes a text tower.

    Attributes:
        tokenizer: Its tokenizer's file; None for `words`.
        length: Ids of a query, for a model that takes any number.
        case: `lower` or `keep`; `auto` for lower case where a WordPiece vocabulary has no capital letters. A tokenizer.json says it itself.
        start, end: Pieces around a text; None for those that the kind of tokenizer has, empty for none.
        pool: How a vector a token becomes one: `mean` over the tokens, or the `first` token's.
    """

    tokenizer: Path | None = None
    length: int = DEFAULT_LENGTH
    case: str = "auto"
    start: str | None = None
    end: str | None = None
    pool: str = "mean"

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            EncoderError: A choice is unknown or the length below 3.
        """
        for name, choices in (("case", CASES), ("pool", POOLS)):
            if getattr(self, name) not in choices:
                raise EncoderError(f"text {name} must be one of {', '.join(choices)}, found {getattr(self, name)!r}")
        if not 3 <= self.length <= 4096:
            raise EncoderError(f"text length must be within [3, 4096], found {self.length}")


@dataclass(frozen=True)
class TokenizerFile:
    """A tokenizer as it travels in a searcher.

    Attributes:
        content: The file.
        described: The manifest's `query.tokens`.
        size: Ids that it may give: 0 to size - 1.
    """

    content: bytes
    described: dict[str, Any]
    size: int

    @property
    def name(self) -> str:
        """What it is called in the searcher."""
        return str(self.described["file"])

    @property
    def inputs(self) -> list[str]:
        """The inputs of the signatures: `ids` and, where the model wants it, `mask`."""
        return list(self.described["inputs"])

    def prepare(self, text: str) -> dict[str, np.ndarray]:
        """The inputs of a sentence by name, int32 `[1, length]`."""
        return self._input.prepare(text)

    def ids(self, text: str) -> list[int]:
        """A sentence's ids, cut and not padded."""
        return self._input.ids(text)

    def fitted(self, length: int, masked: bool) -> TokenizerFile:
        """The same for a model of another length; `masked` where it wants the mask."""
        return replace(self, described={**self.described, "length": length, "inputs": list(INPUTS[: 1 + masked])})

    @cached_property
    def _input(self) -> TokenInput:
        return TokenInput(self.name, self.described, self.content)


def stored_tokenizer(content: bytes, described: dict[str, Any]) -> TokenizerFile:
    """The tokenizer of a file that this project wrote."""
    return TokenizerFile(content, described, 0)


def read_tokenizer(options: TextModelOptions) -> TokenizerFile:
    """Reads the tokenizer that the options name.

    Raises:
        EncoderError: There is none, it is of no known kind, lacks a piece that is asked for, or needs a library that is missing.
    """
    path = options.tokenizer
    if path is None:
        raise EncoderError(f"this text model takes ids: name its tokenizer with --tokenizer FILE, {KINDS}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"tokenizer {path}: cannot be read ({error.strerror})") from error
    kind = _recognise(content, path)
    try:
        described, size = {WORDPIECE: _wordpiece, SENTENCEPIECE: _sentencepiece, HUGGING_FACE: _hugging_face}[kind](content, options, path)
        described = {"length": options.length, "inputs": list(INPUTS), "tokenizer": kind, "file": FILES[kind], **described}
        TokenInput(str(path), described, content)
    except TaskError as error:
        raise EncoderError(str(error)) from error
    return TokenizerFile(content, described, size)


def _recognise(content: bytes, path: Path) -> str:
    if content.lstrip()[:1] == b"{":
        try:
            found = json.loads(content)
        except ValueError as error:
            raise EncoderError(f"tokenizer {path}: starts as JSON does and is none ({error}); expected {KINDS}") from error
        if "model" not in found:
            raise EncoderError(f"tokenizer {path}: JSON with {', '.join(list(found)[:3])}, expected a tokenizer.json, which has a model")
        return HUGGING_FACE
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return SENTENCEPIECE
    if "\0" in text:
        return SENTENCEPIECE
    if UNK not in text.splitlines():
        first = text.partition("\n")[0][:40]
        raise EncoderError(f"tokenizer {path}: text that starts with {first!r} and has no line {UNK}; expected {KINDS}")
    return WORDPIECE


def _wordpiece(content: bytes, options: TextModelOptions, path: Path) -> tuple[dict[str, Any], int]:
    pieces = content.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    ids = {piece: number for number, piece in enumerate(pieces)}
    cased = any(piece != piece.lower() for piece in pieces if not piece.startswith("["))
    lower = options.case == "lower" or (options.case == "auto" and not cased)
    start, end = (_piece(given, default, ids.get, path) for given, default in ((options.start, CLS), (options.end, SEP)))
    return {"padding_id": _padding(ids.get), "lower_case": lower, "start": start, "end": end}, len(pieces)


def _sentencepiece(content: bytes, options: TextModelOptions, path: Path) -> tuple[dict[str, Any], int]:
    try:
        import sentencepiece
    except ImportError as error:
        raise EncoderError(f"tokenizer {path}: a SentencePiece model needs a library: pip install sentencepiece") from error
    processor: Any = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(content)
    except (RuntimeError, TypeError) as error:
        raise EncoderError(f"tokenizer {path}: neither text nor a SentencePiece model ({error}); expected {KINDS}") from error

    def look_up(piece: str) -> int | None:
        number = int(processor.PieceToId(piece))
        return None if number == processor.unk_id() and piece != processor.IdToPiece(number) else number

    own = [CLS, SEP]
    if look_up(CLS) is None or look_up(SEP) is None:  # ALBERT's are pieces; others have the model's own begin and end
        own = [processor.IdToPiece(number) if number >= 0 else "" for number in (processor.bos_id(), processor.eos_id())]
    start, end = (_piece(given, default, look_up, path) for given, default in zip((options.start, options.end), own, strict=True))
    padding = processor.pad_id() if processor.pad_id() >= 0 else _padding(look_up)
    return {"padding_id": padding, "lower_case": options.case == "lower", "start": start, "end": end}, processor.GetPieceSize()


def _hugging_face(content: bytes, options: TextModelOptions, path: Path) -> tuple[dict[str, Any], int]:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise EncoderError(f"tokenizer {path}: a Hugging Face tokenizer.json needs a library: pip install tokenizers") from error
    if options.case != "auto" or options.start is not None or options.end is not None:
        raise EncoderError(f"tokenizer {path}: a tokenizer.json says itself what case and frame are; leave out --text-case and the tokens")
    try:
        library = Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises bare Exception
        raise EncoderError(f"tokenizer {path}: cannot be read ({error})") from error
    if options.length <= library.num_special_tokens_to_add(False):
        raise EncoderError(f"tokenizer {path}: puts {library.num_special_tokens_to_add(False)} tokens around a text; --text-length is less")
    padding = (json.loads(content).get("padding") or {}).get("pad_id")
    padding = _padding(library.token_to_id) if padding is None else padding
    size = 1 + max(library.get_vocab(with_added_tokens=True).values(), default=0)
    return {"padding_id": padding, "lower_case": False, "start": None, "end": None}, size


def _piece(given: str | None, default: str, look_up: Any, path: Path) -> int | None:
    """The id of a piece of the frame; None for no piece."""
    wanted = default if given is None else given
    found = look_up(wanted) if wanted else None
    if given and found is None:
        raise EncoderError(f"tokenizer {path}: has no piece {given!r}")
    return found


def _padding(look_up: Any) -> int:
    return next((found for found in map(look_up, PADS) if found is not None), 0)
