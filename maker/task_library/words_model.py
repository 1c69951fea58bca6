"""The `words` tower as a model for the Task Library: a regex tokenizer gives ids, whose rows are summed.

Pairs of neighbouring words are found by their two ids. Unlike the graph of an encoder, such a model cannot use trigrams of unknown words or
attention: a regex tokenizer gives one id per token, and the rows of the ids are summed. The number of delimiters between two words is lost,
too. Characters of scripts without spaces are only known as single tokens.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.encoders import spellings
from maker.encoders.characters import SEPARATOR, classify
from maker.encoders.tokenizer import HashTable, TokenizerSize
from maker.errors import EncoderError
from maker.graph.source import DTYPES, Source
from maker.graph.subgraph import Subgraph
from task.format import archive, manifest

PAD, UNKNOWN = "<PAD>", "<UNKNOWN>"
NOTHING = 0  # the id of `<PAD>` and `<UNKNOWN>`, whose row is zeros
GATHER = schema.BuiltinOperator.GATHER
LAST_DELIMITER = 0xFFFD
LARGEST_KEY = 2**31 - 1
SURROGATES = range(0xD800, 0xE000)
IN_CLASS = "\\]^-["  # characters to escape in a class of a regular expression


@dataclass(frozen=True)
class WordsModel:
    """The known words of the tower.

    Attributes:
        codes: `(1 + w + p, d)` int8: a row of zeros, the rows of words, the rows of pairs.
        scales: `(1 + w + p,)` float32, the scale of each row.
        ids: Row by spelling, in lower case.
        pairs: `(p, 2)` int32 ids of the words of each pair.
        length: Number of ids of a query.
    """

    codes: np.ndarray
    scales: np.ndarray
    ids: Mapping[str, int]
    pairs: np.ndarray
    length: int

    def write(self, g: Subgraph) -> tuple[int, int]:
        """Adds the model. Returns its input, `[1, length]` int32, and its output, unit-norm `[1, d]` float32."""
        ids = g.tensor("ids", (1, self.length), np.int32)
        row = g.reshape(ids, (self.length,))
        if len(self.pairs):
            row = g.concat([row, self._pair_rows(g, row)])
        (count,) = g.shape(row)
        picked = g.dequantize(g.gather(g.constant(self.codes, "words", 1.0), row))
        scaled = g.mul(picked, g.reshape(g.gather(self.scales, row), (count, 1)))
        return ids, g.l2_normalize(g.reshape(g.sum(scaled, axis=0), (1, self.codes.shape[1])))

    def _pair_rows(self, g: Subgraph, words: int) -> int:
        """The row of the pair of each two neighbouring words; 0 if it is not known."""
        first_pair = len(self.codes) - len(self.pairs)  # larger than the ids of words
        before, one, base = g.shift(words, 1), np.array(1, np.int32), np.array(first_pair, np.int32)
        both = g.mul(g.minimum(words, one), g.minimum(before, one))
        table = HashTable(self.pairs[:, 0] * first_pair + self.pairs[:, 1])
        found = table.look_up(g, g.add(g.mul(before, base), words), both)
        return g.add(found, g.mul(g.minimum(found, one), np.array(first_pair - 1, np.int32)))

    def vocabulary(self) -> bytes:
        """The file of the tokenizer: each spelling in lower case, capitalised and in capitals, composed and decomposed."""
        tokens = {PAD: NOTHING, UNKNOWN: NOTHING}
        for variants in (_as_is, _capitals):
            for word, row in self.ids.items():
                for variant in variants(word):
                    for form in ("NFC", "NFD"):
                        tokens.setdefault(unicodedata.normalize(form, variant), row)
        return "".join(f"{token} {row}\n" for token, row in tokens.items()).encode()


def words_model(path: str) -> WordsModel:
    """Reads the tower of an encoder file.

    Raises:
        EncoderError: The file does not contain the words, or its text tower is of another kind.
    """
    with open(path, "rb") as file:
        content = file.read()
    entries = archive.locate(content)
    if spellings.FILE not in entries:
        raise EncoderError(
            f"{path}: there is no {spellings.FILE}, so the words of the vocabulary are unknown. They are in the encoder file, "
            "encoder-….tflite in the work folder of the build: put that folder beside the searcher with the suffix .work, or pass the file "
            "as embedder (a pretrained text tower cannot be exported to the Task Library)"
        )
    start, size = entries[spellings.FILE]
    try:
        words = spellings.decode(content[start : start + size])
    except ValueError as error:
        raise EncoderError(f"{path}: {spellings.FILE} is damaged ({error}); train the encoder again") from error
    codes, scales = _table(Source(path))
    rows = sorted({row for spelling, row in words.items() if spellings.PAIR not in spelling})
    if not rows or rows[0] < 1 or max(words.values()) >= len(codes):
        raise EncoderError(f"{path}: {spellings.FILE} names rows that the embedding table lacks; train the encoder again")
    new = {row: number for number, row in enumerate(rows, start=1)}
    ids = {word: new[row] for word, row in words.items() if spellings.PAIR not in word}
    pairs, pair_rows = _pairs(words, ids)
    kept = [*rows, *pair_rows]
    trained = manifest.decode(content[entries[manifest.FILE][0] : sum(entries[manifest.FILE])])
    length = trained.encoders.get("text", {}).get("max_units", TokenizerSize().max_units)
    picked = np.concatenate([np.zeros((1, codes.shape[1]), np.int8), codes[kept]])
    return WordsModel(picked, np.concatenate([np.zeros(1, np.float32), scales[kept]]), ids, pairs, int(length))


def _pairs(words: Mapping[str, int], ids: Mapping[str, int]) -> tuple[np.ndarray, list[int]]:
    """The ids of the words of each pair, and the rows of the pairs; none if two ids do not fit into 31 bits."""
    known = [(spelling.split(spellings.PAIR), row) for spelling, row in words.items() if spellings.PAIR in spelling]
    of_ids = {(ids[first], ids[second]): row for (first, second), row in known if first in ids and second in ids}
    if (max(ids.values()) + 1) ** 2 > LARGEST_KEY:
        of_ids = {}
    return np.array(list(of_ids), np.int32).reshape(-1, 2), list(of_ids.values())


@cache
def delimiters() -> str:
    """A regular expression for the text between words, valid in RE2 and Python: all characters except letters, digits and marks."""
    ranges: list[list[int]] = []
    for code in range(LAST_DELIMITER + 1):
        if code in SURROGATES or classify(code)[1] != SEPARATOR:
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(_range(first, last) for first, last in ranges) + "]+"


def _range(first: int, last: int) -> str:
    return _escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}"


def _escaped(code: int) -> str:
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return ("\\" if chr(code) in IN_CLASS else "") + chr(code)


def _as_is(word: str) -> Iterable[str]:
    return (word,)


def _capitals(word: str) -> Iterable[str]:
    return word[:1].upper() + word[1:], word.upper()


def _table(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """The int8 codes and the scales of the embedding table, which are gathered with the same index."""
    graph = source.subgraph("embed_text")
    gathers = [op for op in graph.operators if _code(source, op) == GATHER]
    for op in gathers:
        codes = _constant(source, graph.tensors[op.inputs[0]], np.int8)
        if codes is None or codes.ndim != 2:
            continue
        for other in gathers:
            scales = _constant(source, graph.tensors[other.inputs[0]], np.float32)
            if scales is not None and scales.shape == (len(codes),) and other.inputs[1] == op.inputs[1]:
                return codes, scales
    raise EncoderError(
        f"{source.path}: embed_text has no embedding table of int8 rows; only the words tower can become a Task Library model"
    )


def _code(source: Source, operator: Any) -> int:
    code = source.model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _constant(source: Source, tensor: Any, dtype: type) -> np.ndarray | None:
    data = source.model.buffers[tensor.buffer].data
    if data is None or DTYPES.get(tensor.type) != dtype:
        return None
    return np.asarray(data, np.uint8).view(dtype).reshape(tuple(tensor.shape))
