"""Prepares the inputs of Task Library models for a sentence: token ids, or the string itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..core.interpreter import TensorInfo
from ..core.model_file import ModelFile
from ..errors import DamagedFileError, InvalidArgumentError
from ..format import tflite_metadata
from ..search.tokenizers import CLS, SEP, SentencePieceTokenizer, WordPieceTokenizer
from .regex_tokenizer import RegexTokenizer

BERT_INPUTS = ("ids", "segment_ids", "mask")
USE_INPUTS = ("inp_text", "res_context", "res_text")
USE_QUERY, USE_OUTPUT = 2, "response_encoding"
MIN_BERT_LENGTH = 2  # [CLS] and [SEP]
LOWER_CASE = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}  # ASCII only, as in the Task Library


class TextInput(Protocol):
    """Prepares the inputs of a model."""

    def prepare(self, text: str) -> list[np.ndarray]:
        """One array per input."""


class RegexInput:
    """One int32 input of ids, tokenized by a pattern."""

    def __init__(self, info: TensorInfo, tokenizer: RegexTokenizer) -> None:
        self._shape, self._tokenizer = info.shape, tokenizer

    def prepare(self, text: str) -> list[np.ndarray]:
        """One array per input."""
        ids = self._tokenizer.encode(text, self._shape[-1])
        return [np.array(ids, np.int32).reshape(self._shape)]


class BertInput:
    """Three int32 inputs: ids, segments and mask."""

    def __init__(self, infos: Sequence[TensorInfo], order: list[int], tokenizer: WordPieceTokenizer | SentencePieceTokenizer) -> None:
        self._order, self._tokenizer = order, tokenizer
        self._length = None if infos[0].dynamic else infos[0].shape[-1]

    def prepare(self, text: str) -> list[np.ndarray]:
        """One array per input."""
        pieces = bert_pieces(self._tokenizer, text)
        if self._length is not None and len(pieces) > self._length:
            pieces = [*pieces[: self._length - 1], pieces[-1]]
        length = self._length or len(pieces)
        values = np.zeros((3, 1, length), np.int32)
        values[0, 0, : len(pieces)] = [self._tokenizer.id(piece) for piece in pieces]
        values[2, 0, : len(pieces)] = 1
        return [values[self._order.index(i)] for i in range(3)]


class StringInput:
    """String inputs: the query goes to one, the others stay empty."""

    def __init__(self, infos: Sequence[TensorInfo], query: int) -> None:
        self._shapes, self._query = [info.shape for info in infos], query

    def prepare(self, text: str) -> list[np.ndarray]:
        """One array per input."""
        texts = [text.encode("utf-8", "replace") if i == self._query else b"" for i in range(len(self._shapes))]
        return [np.full(shape, content, object) for content, shape in zip(texts, self._shapes, strict=True)]


def text_input(file: ModelFile, infos: Sequence[TensorInfo], outputs: int, subgraph: dict[str, Any]) -> tuple[TextInput, int]:
    """Chooses how to prepare text for a model, by its metadata.

    Args:
        file: The model.
        infos: The inputs.
        outputs: Number of outputs.
        subgraph: The metadata of the first subgraph.

    Returns:
        What prepares the inputs, and the number of the output that is the embedding.

    Raises:
        InvalidArgumentError: The model does not take text, or not in a way that the Task Library supports.
        DamagedFileError: A file that the metadata name is missing or damaged.
    """
    if len(infos) not in (1, 3):
        raise InvalidArgumentError(f"{file.name}: Expected 1 or 3 input tensors, got {len(infos)}.")
    tensors = subgraph.get("input_tensor_metadata", [])
    units = subgraph.get("input_process_units", [])
    if len(infos) == 3 and not units:
        _require(file, infos, np.dtype(object), "string")
        order = _order(tensors, USE_INPUTS)
        if outputs < 2:
            raise InvalidArgumentError(
                f"{file.name}: the model has {outputs} output, expected 2: a universal sentence encoder for questions."
            )
        names = [tensor.get("name", "") for tensor in subgraph.get("output_tensor_metadata", [])]
        return StringInput(infos, order[USE_QUERY]), names.index(USE_OUTPUT) if USE_OUTPUT in names else 1
    if outputs != 1:
        raise InvalidArgumentError(f"{file.name}: the model has {outputs} output tensors, expected exactly 1.")
    if len(infos) == 3:
        return BertInput(infos, _bert_order(file, infos, tensors), _bert_tokenizer(file, units[0])), 0
    if infos[0].dtype == np.dtype(object):
        return StringInput(infos, 0), 0
    _require(file, infos, np.dtype(np.int32), "int32")
    if len(infos[0].shape) not in (1, 2) or infos[0].shape[:-1] not in ((), (1,)):
        raise InvalidArgumentError(f"{file.name}: the input tensor is of shape {infos[0].shape}, expected [1, length] or [length].")
    unit: dict[str, Any] = next((u for t in tensors[:1] for u in t.get("process_units", [])), {})
    if unit.get("options_type") != tflite_metadata.REGEX_TOKENIZER:
        raise InvalidArgumentError(f"{file.name}: the int32 input needs RegexTokenizerOptions in the TFLite Metadata, and there are none.")
    options = unit.get("options", {})
    vocabulary = _content(file, options.get("vocab_file", []), "vocabulary")
    return RegexInput(infos[0], RegexTokenizer(file.name, options.get("delim_regex_pattern", ""), vocabulary)), 0


def bert_pieces(tokenizer: WordPieceTokenizer | SentencePieceTokenizer, text: str) -> list[str]:
    """The pieces of a text for a BERT model, with ASCII letters in lower case, between `[CLS]` and `[SEP]`, and not cut.

    As in the Task Library, a text ends at its first NUL.
    """
    return [CLS, *tokenizer.pieces(text.partition("\0")[0].translate(LOWER_CASE)), SEP]


def _bert_order(file: ModelFile, infos: Sequence[TensorInfo], tensors: list[dict[str, Any]]) -> list[int]:
    _require(file, infos, np.dtype(np.int32), "int32")
    shapes = {info.shape for info in infos}
    dynamic = {info.dynamic for info in infos}
    (length, *_), *_ = [shape[1:] or (0,) for shape in shapes]
    if len(shapes) > 1 or len(dynamic) > 1 or len(infos[0].shape) != 2 or infos[0].shape[0] != 1:
        raise InvalidArgumentError(f"{file.name}: the input tensors are of shapes {sorted(shapes)}, expected one [1, length].")
    if dynamic == {False} and length < MIN_BERT_LENGTH:
        raise InvalidArgumentError(f"{file.name}: the input tensors hold {length} ids, expected at least {MIN_BERT_LENGTH}.")
    return _order(tensors, BERT_INPUTS)


def _bert_tokenizer(file: ModelFile, unit: dict[str, Any]) -> WordPieceTokenizer | SentencePieceTokenizer:
    kind, options = unit.get("options_type"), unit.get("options", {})
    if kind == tflite_metadata.BERT_TOKENIZER:
        return WordPieceTokenizer(_content(file, options.get("vocab_file", []), "vocabulary"))
    if kind == tflite_metadata.SENTENCE_PIECE_TOKENIZER:
        return SentencePieceTokenizer(file.name, _content(file, options.get("sentencePiece_model", []), "SentencePiece model"))
    raise InvalidArgumentError(f"{file.name}: the first input process unit is of type {kind}, expected a BERT or SentencePiece tokenizer.")


def _order(tensors: list[dict[str, Any]], names: tuple[str, ...]) -> list[int]:
    """The input of each name; in order of the names if the metadata lack one."""
    found = [tensor.get("name", "") for tensor in tensors]
    return [found.index(name) for name in names] if set(names) <= set(found) else list(range(len(names)))


def _content(file: ModelFile, associated: list[dict[str, Any]], what: str) -> bytes:
    if not associated:
        raise DamagedFileError(f"{file.name}: the tokenizer's options name no {what}.")
    return file.read(associated[0].get("name", ""))


def _require(file: ModelFile, infos: Sequence[TensorInfo], dtype: np.dtype, name: str) -> None:
    for info in infos:
        if info.dtype != dtype:
            raise InvalidArgumentError(f"{file.name}: input tensor {info.name!r} is {info.dtype}, expected {name}.")
