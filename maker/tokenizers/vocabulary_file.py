"""A WordPiece `vocab.txt` as a graph: BERT's own normalisation, as `task` has it for files that it tokenizes itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from maker.errors import EncoderError
from maker.tokenizers import probe
from maker.tokenizers.expansion import Expansion
from maker.tokenizers.frame import Frame
from maker.tokenizers.graph import GraphTokenizer
from maker.tokenizers.wordpiece import ALONE, SPACE, WORD, WordPiece
from task.search.tokenizers import MAX_WORD, UNK, bert_normalized, words

KIND_OF = np.zeros(3, np.uint8)
KIND_OF[[probe.DROPPED, probe.JOINED, probe.ALONE]] = SPACE, WORD, ALONE
OWN_BYTES = np.arange(256)
PREFIX = "##"


def read_vocabulary(content: bytes, described: dict[str, Any], max_bytes: int) -> GraphTokenizer:
    """Reads the file.

    Raises:
        EncoderError: The vocabulary has no `[UNK]`.
    """
    pieces = content.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    if UNK not in vocabulary:
        raise EncoderError(f"the vocabulary has no {UNK}")
    frame = described_frame(described)
    model = WordPiece(vocabulary, vocabulary[UNK], PREFIX, MAX_WORD, frame.room)
    expansion = _bert(bool(described["lower_case"]))
    return GraphTokenizer(expansion, None, expansion, model, frame, max_bytes)


def described_frame(described: dict[str, Any]) -> Frame:
    """The frame that the manifest's `query.tokens` says."""
    start, end = (() if described[key] is None else (int(described[key]),) for key in ("start", "end"))
    return Frame(length=int(described["length"]), start=start, end=end, padding=int(described["padding_id"]))


@lru_cache(maxsize=2)
def _bert(lower_case: bool) -> Expansion:
    becomes = probe.changed(lambda text: bert_normalized(text, lower_case))
    return Expansion(becomes, KIND_OF[probe.kinds(words)], OWN_BYTES)
