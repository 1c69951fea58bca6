"""Leaves pieces out of a tokenizer that some texts do not need, and their rows out of the text tower.

A text of other words falls to shorter pieces: single characters, bytes and special tokens always stay. Of byte-pair merges, those stay that
lead to a kept piece. So the given texts keep their pieces, and any other text has some.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from maker.checkpoints.text import TextTransformer
from maker.encoders.tokenizer_file import TokenizerFile
from maker.errors import EncoderError
from task.search.token_input import HUGGING_FACE, WORDPIECE

MARKS = ("##", "</w>", "▁", "Ġ", "@@")  # of pieces that continue, end or start a word
BYTE = 6  # letters of <0x00>


def pruned(text: TextTransformer, tokenizer: TokenizerFile, texts: Iterable[str]) -> tuple[TextTransformer, TokenizerFile]:
    """The tower and its tokenizer with the pieces that texts use.

    Args:
        text: The tower.
        tokenizer: Its tokenizer.
        texts: What is asked or like it, in all languages that are needed.

    Raises:
        EncoderError: The tokenizer is of a kind that cannot be shortened.
    """
    texts = list(dict.fromkeys(texts))
    ids = {sentence: tokenizer.ids(sentence) for sentence in texts}
    used = {number for sentence in ids.values() for number in sentence} | _frame(tokenizer)
    if tokenizer.described["tokenizer"] == WORDPIECE:
        pieces = tokenizer.content.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        special = {number for number, piece in enumerate(pieces) if piece.startswith("[") and piece.endswith("]") and len(piece) > 1}
        kept = sorted(used | special | {number for number, piece in enumerate(pieces) if _is_short(piece)})
        content = "\n".join(pieces[number] for number in kept).encode()
    elif tokenizer.described["tokenizer"] == HUGGING_FACE:
        kept, content = _pruned_json(json.loads(tokenizer.content), used)
    else:
        raise EncoderError(f"--prune-vocabulary: cannot shorten {tokenizer.name}; a tokenizer.json or a WordPiece vocab.txt can be")
    place = {number: row for row, number in enumerate(kept)}
    moved = {key: place[tokenizer.described[key]] for key in ("padding_id", "start", "end") if tokenizer.described.get(key) is not None}
    shorter = TokenizerFile(content, {**tokenizer.described, **moved}, len(kept))
    changed = [sentence for sentence, before in ids.items() if shorter.ids(sentence) != [place[number] for number in before]]
    if changed:
        raise EncoderError(
            f"--prune-vocabulary: the shorter {tokenizer.name} takes {changed[0]!r} apart in another way; leave the option out"
        )
    return replace(text, table=text.table.kept(kept)), shorter


def _frame(tokenizer: TokenizerFile) -> set[int]:
    return {tokenizer.described[key] for key in ("padding_id", "start", "end") if tokenizer.described.get(key) is not None}


def _is_short(piece: str) -> bool:
    """Whether a piece is one character or byte, so that it stays."""
    for mark in MARKS:
        piece = piece.removeprefix(mark).removesuffix(mark) if piece != mark else piece
    return len(piece) <= 1 or (len(piece) == BYTE and piece.startswith("<0x"))


def _pruned_json(parts: dict[str, Any], used: Collection[int]) -> tuple[list[int], bytes]:
    """The ids that stay, ascending, and the `tokenizer.json` with them numbered anew."""
    model = parts["model"]
    unigram = isinstance(model["vocab"], list)
    pieces = {number: entry[0] for number, entry in enumerate(model["vocab"])} if unigram else {i: p for p, i in model["vocab"].items()}
    added = {token["id"] for token in parts.get("added_tokens") or []}
    unknown = {model["unk_id"]} if model.get("unk_id") is not None else {i for i, p in pieces.items() if p == model.get("unk_token")}
    stay = {*used, *added, *unknown, *(number for number, piece in pieces.items() if _is_short(piece))}
    if model.get("merges"):
        numbers = {piece: number for number, piece in pieces.items()}
        merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
        for left, right in reversed(merges):  # the parts of a piece are merged before it
            if numbers.get(left + right) in stay:
                stay |= {numbers[left], numbers[right]}
        model["merges"] = [[left, right] for left, right in merges if numbers.get(left + right) in stay]
    kept = sorted(stay)
    place = {number: row for row, number in enumerate(kept)}
    if unigram:
        model["vocab"] = [model["vocab"][number] for number in kept if number in pieces]
    else:
        model["vocab"] = {pieces[number]: place[number] for number in kept if number in pieces}
    if model.get("unk_id") is not None:
        model["unk_id"] = place[model["unk_id"]]
    for token in parts.get("added_tokens") or []:
        token["id"] = place[token["id"]]
    if parts.get("padding"):
        parts["padding"]["pad_id"] = place[parts["padding"]["pad_id"]]
    _renumber(parts.get("post_processor"), place)
    return kept, json.dumps(parts, ensure_ascii=False).encode()


def _renumber(processor: dict[str, Any] | None, place: dict[int, int]) -> None:
    """Gives the frame around a text its new numbers."""
    if not processor:
        return
    for name in ("sep", "cls"):
        if name in processor:
            processor[name][1] = place[processor[name][1]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [place[number] for number in token["ids"]]
    for part in processor.get("processors") or []:
        _renumber(part, place)
