"""A SentencePiece `.model` as a graph: a protocol buffer with pieces, a kind of model, and compiled normalisation rules."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maker.errors import EncoderError
from maker.tokenizers.code_points import CODE_POINTS, SURROGATES
from maker.tokenizers.expansion import Expansion
from maker.tokenizers.frame import Frame
from maker.tokenizers.graph import GraphTokenizer
from maker.tokenizers.left_out import LeftOut, final_sigma, marks_behind, space_letter, special_tokens, ties
from maker.tokenizers.rules import Rules
from maker.tokenizers.sentencepiece_text import SPACE, MergedText, Spaces, UnigramText, check_spaces, piece_merges
from maker.tokenizers.unigram import UNKNOWN_PENALTY, Unigram
from maker.tokenizers.vocabulary_file import described_frame

NORMAL, UNKNOWN_PIECE, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # SentencePiece.Type
UNIGRAM, BPE = 1, 2  # TrainerSpec.ModelType
MODELS = {UNIGRAM: "Unigram", BPE: "BPE", 3: "words", 4: "characters"}
NOTHING, UNKNOWN, SPACE_SYMBOL, FIRST_SYMBOL = range(4)  # symbols of a Unigram text


@dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary; its number is its id."""

    text: str
    score: float
    type: int


@dataclass(frozen=True)
class SentencePieceFile:
    """What the file says.

    Attributes:
        pieces: The vocabulary.
        model: `UNIGRAM`, `BPE`, ….
        byte_fallback: Whether unknown characters become bytes.
        rules: Normalisation, from texts to texts.
        prefix: Whether a text starts with a space.
        collapse: Whether runs of spaces become one.
    """

    pieces: Sequence[Piece]
    model: int
    byte_fallback: bool
    rules: Mapping[str, str]
    prefix: bool
    collapse: bool


def read_sentencepiece(content: bytes, described: dict[str, Any], max_bytes: int) -> GraphTokenizer:
    """Reads the file.

    Raises:
        EncoderError: It has a part that is not recognised.
    """
    file = decode_file(content)
    if file.model not in (UNIGRAM, BPE):
        raise EncoderError(f"the model is one of {MODELS.get(file.model, file.model)}")
    symbols = [piece.text for piece in file.pieces if piece.type == USER_DEFINED]
    if symbols:
        raise EncoderError(f"piece {symbols[0]!r} is a user-defined symbol")
    pieces = {piece.text: number for number, piece in enumerate(file.pieces) if piece.type == NORMAL}
    check_spaces(list(pieces))
    unknown = next(number for number, piece in enumerate(file.pieces) if piece.type == UNKNOWN_PIECE)
    lower = str.lower if described["lower_case"] else None
    specials = [piece.text for piece in file.pieces if piece.type == CONTROL]
    left_out = [special_tokens(specials), space_letter(SPACE), *([final_sigma()] if lower else [])]
    removed = described.get("removed", "")
    if removed:  # and then runs of spaces become one, and those at the ends go
        file = replace(file, collapse=True, rules=_without(removed, file.rules))
        left_out.append(marks_behind(removed))
    frame = described_frame(described)
    prefix = "always" if file.prefix else "never"
    if file.model == UNIGRAM:
        if file.byte_fallback:
            raise EncoderError("a Unigram model with byte fallback")
        scores = {piece.text: piece.score for piece in file.pieces}
        return unigram_tokenizer(
            {text: (scores[text], number) for text, number in pieces.items()},
            unknown,
            file.rules,
            lower,
            (prefix, file.collapse),
            frame,
            max_bytes,
            left_out,
        )
    order = sorted(pieces, key=lambda text: (-file.pieces[pieces[text]].score, pieces[text]))
    merges = piece_merges(pieces, order)
    fallback = byte_pieces({piece.text: number for number, piece in enumerate(file.pieces) if piece.type == BYTE})
    if file.byte_fallback and fallback is None:
        raise EncoderError("byte fallback without a piece for every byte")
    front = merged_expansions(pieces, fallback if file.byte_fallback else None, unknown, file.rules, lower)
    spaces = Spaces(symbol=pieces.get(SPACE, unknown), none=merges.symbols, prefix=prefix, collapse=file.collapse)
    return GraphTokenizer(*front, MergedText(merges, spaces, unknown, frame.room), frame, max_bytes, left_out)


def _without(removed: str, rules: Mapping[str, str]) -> dict[str, str]:
    """Rules that first remove characters and take every kind of space for a space."""
    kept = {text: made for text, made in rules.items() if not any(character in removed or character.isspace() for character in text)}
    spaces = {chr(code): " " for code in range(CODE_POINTS) if chr(code).isspace() and chr(code) != " "}
    return {**kept, **spaces, **dict.fromkeys(removed, "")}


def unigram_tokenizer(
    pieces: Mapping[str, tuple[float, int]],
    unknown: int,
    rules: Mapping[str, str],
    lower: Callable[[str], str] | None,
    spaces: tuple[str, bool],
    frame: Frame,
    max_bytes: int,
    left_out: Sequence[LeftOut],
) -> GraphTokenizer:
    """A Unigram tokenizer; `pieces` have scores and ids, `spaces` are a prefix and whether runs collapse, as `Spaces` has them."""
    letters = sorted({character for text in pieces for character in text} - {SPACE})
    symbols = {character: number for number, character in enumerate(letters, FIRST_SYMBOL)} | {SPACE: SPACE_SYMBOL, " ": SPACE_SYMBOL}
    front = _expansions(symbols, rules, lower, lambda character: [symbols.get(character, UNKNOWN)], (UNKNOWN,), np.zeros(256))
    model = Unigram([([symbols[c] for c in text], score, number) for text, (score, number) in pieces.items()], unknown)
    prefix, collapse = spaces
    text = UnigramText(model, Spaces(symbol=SPACE_SYMBOL, none=NOTHING, prefix=prefix, collapse=collapse))
    scores = {number: score for score, number in pieces.values()}
    lowest = min(scores.values()) - float(UNKNOWN_PENALTY)
    return GraphTokenizer(*front, text, frame, max_bytes, [*left_out, ties(scores, lowest)])


def merged_expansions(
    pieces: Mapping[str, int], fallback: np.ndarray | None, unknown: int, rules: Mapping[str, str], lower: Callable[[str], str] | None
) -> tuple[Expansion, Rules | None, Expansion]:
    """Characters to pieces, and those without one to the pieces of their bytes, or to the unknown piece where `fallback` is None."""
    symbols = {text: number for text, number in pieces.items() if len(text) == 1}
    symbols[" "] = symbols.get(SPACE, unknown)

    def content(character: str) -> list[int]:
        if character in symbols:
            return [symbols[character]]
        return [unknown] if fallback is None else fallback[list(character.encode())].tolist()

    default = None if fallback is not None else (unknown,)
    return _expansions(symbols, rules, lower, content, default, np.zeros(256) if fallback is None else fallback)


def _expansions(
    symbols: Mapping[str, int],
    rules: Mapping[str, str],
    lower: Callable[[str], str] | None,
    content: Callable[[str], list[int]],
    default: tuple[int, ...] | None,
    own: np.ndarray,
) -> tuple[Expansion, Rules | None, Expansion]:
    """Tables of texts as they come and as they are rewritten by rules of several characters, and these rules."""
    single, several = ({key: made for key, made in rules.items() if (len(key) == 1) is one} for one in (True, False))
    kinds = np.zeros(CODE_POINTS, np.uint8)
    plain = {ord(character): character for character in symbols}
    becomes = {**plain, **{ord(key): made for key, made in single.items()}}
    if lower is not None:
        for code in range(1, CODE_POINTS):
            small = chr(code).lower() if code not in SURROGATES else None
            if small is not None and small != chr(code):
                becomes[code] = "".join(single.get(c, c) for c in small)
    expansion = Expansion(becomes, kinds, own, content, default)
    if not several:
        return expansion, None, expansion
    if not any(character in single for made in several.values() for character in made):
        return expansion, Rules(several, lower), expansion  # what rules of one character make of the others' texts is those texts
    if lower is not None:
        raise EncoderError("lower case before normalisation rules whose texts have rules again")
    return expansion, Rules(rules), Expansion(plain, kinds, own, content, default, expansion.pool)


def byte_pieces(pieces: Mapping[str, int]) -> np.ndarray | None:
    """`(256,)` ids of `<0x00>` to `<0xFF>`; None where one is missing."""
    ids = [pieces.get(f"<0x{byte:02X}>", -1) for byte in range(256)]
    return np.array(ids) if min(ids) >= 0 else None


def decode_file(content: bytes) -> SentencePieceFile:
    """Reads the protocol buffer `ModelProto` (sentencepiece_model.proto)."""
    model, trainer, normalizer = (_fields(part) for part in (content, b"", b""))
    trainer = _fields(model.get(2, [b""])[0])
    normalizer = _fields(model.get(3, [b""])[0])
    pieces = []
    for entry in model.get(1, []):
        fields = _fields(entry)
        score = struct.unpack("<f", fields[2][0])[0] if 2 in fields else 0.0
        pieces.append(Piece(fields[1][0].decode(), score, fields.get(3, [NORMAL])[0]))
    if trainer.get(24, [0])[0]:
        raise EncoderError("spaces are part of the word before them (treat_whitespace_as_suffix)")
    if not normalizer.get(5, [1])[0]:
        raise EncoderError("spaces are not escaped")
    return SentencePieceFile(
        pieces=pieces,
        model=trainer.get(3, [UNIGRAM])[0],
        byte_fallback=bool(trainer.get(35, [0])[0]),
        rules=decode_rules(normalizer.get(2, [b""])[0]),
        prefix=bool(normalizer.get(3, [1])[0]),
        collapse=bool(normalizer.get(4, [1])[0]),
    )


def decode_rules(compiled: bytes) -> dict[str, str]:
    """Normalisation rules from their compiled form: a double-array trie of darts-clone, then the texts that they make, NUL between."""
    if not compiled:
        return {}
    (size,) = struct.unpack_from("<I", compiled)
    units, texts = np.frombuffer(compiled, "<u4", size // 4, 4).astype(np.int64), compiled[4 + size :]
    labels, offsets = units & (1 << 31 | 0xFF), (units >> 10) << ((units & 1 << 9) >> 6)
    found: dict[str, str] = {}
    stack = [(int(offsets[0]), b"")]
    every = np.arange(1, 256)
    while stack:
        at, key = stack.pop()
        places = at ^ every
        valid = places < len(units)
        hits = valid & (labels[np.where(valid, places, 0)] == every)
        for byte, place in zip(every[hits].tolist(), places[hits].tolist(), strict=True):
            following = place ^ int(offsets[place])
            if units[place] >> 8 & 1:
                start = int(units[following]) & 0x7FFFFFFF
                found[(key + bytes([byte])).decode()] = texts[start : texts.index(b"\0", start)].decode()
            stack.append((following, key + bytes([byte])))
    return found


def _fields(message: bytes) -> dict[int, list[Any]]:
    """A protocol buffer's fields by number: int for varints, bytes for the others."""
    found: dict[int, list[Any]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        wire = key & 7
        if wire == 0:
            value: Any = varint()
        else:
            size = varint() if wire == 2 else {1: 8, 5: 4}[wire]
            value = message[at : at + size]
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found
