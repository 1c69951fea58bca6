"""Makes a graph of a tokenizer file, or names the part of it that is not recognised."""

from __future__ import annotations

from typing import Any

from maker.errors import EncoderError
from maker.tokenizers.graph import GraphTokenizer
from task.search.token_input import HUGGING_FACE, SENTENCEPIECE, WORDPIECE

BYTES, LONGEST = 256, 2048  # of a text; more where the text tower takes more ids than usual
BYTES_PER_ID = 4


def graph_tokenizer(content: bytes, described: dict[str, Any], max_bytes: int | None = None) -> GraphTokenizer:
    """The tokenizer as graph operators.

    Args:
        content: The tokenizer's file.
        described: The manifest's `query.tokens`: kind, length, padding, frame, case.
        max_bytes: UTF-8 bytes of a text; as many as fit the length where None.

    Raises:
        EncoderError: A part of the tokenizer is not recognised; the message names it.
    """
    if max_bytes is None:
        wanted = -(-int(described["length"]) * BYTES_PER_ID // BYTES) * BYTES if described["length"] > 80 else BYTES
        max_bytes = min(max(wanted, BYTES), LONGEST)
    kind = described["tokenizer"]
    if kind == WORDPIECE:
        from maker.tokenizers.vocabulary_file import read_vocabulary

        return read_vocabulary(content, described, max_bytes)
    if kind == SENTENCEPIECE:
        from maker.tokenizers.sentencepiece_file import read_sentencepiece

        return read_sentencepiece(content, described, max_bytes)
    if kind == HUGGING_FACE:
        from maker.tokenizers.hugging_face import read_hugging_face

        return read_hugging_face(content, described, max_bytes)
    raise EncoderError(f"the tokenizer is of kind {kind!r}")
