"""The tokenizer of a checkpoint's folder."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

from maker.checkpoints.byte_pairs import byte_pair_json
from maker.checkpoints.configuration import read_json
from maker.checkpoints.text import TextTransformer
from maker.encoders.tokenizer_file import TextModelOptions, TokenizerFile, read_tokenizer
from maker.errors import EncoderError
from maker.workspace import temporary_folder

JSON, VOCABULARY, SENTENCEPIECE = "tokenizer.json", "vocab.txt", "spiece.model"
SETTINGS = "tokenizer_config.json"
GEMMA_END = "<eos>"


def folder_tokenizer(folder: Path, text: TextTransformer, length: int) -> TokenizerFile:
    """The tokenizer in a folder.

    Args:
        folder: The checkpoint's.
        text: The tower that takes its ids.
        length: Places of the tower.

    Raises:
        EncoderError: There is none, it cannot be read, or it gives ids that the tower does not know.
    """
    found = next((folder / name for name in (JSON, VOCABULARY) if (folder / name).is_file()), None)
    if found is None:
        raise EncoderError(f"{folder}: has no tokenizer, expected {JSON} or {VOCABULARY}; download it with the checkpoint")
    case = "auto"
    if found.name == VOCABULARY and (folder / SETTINGS).is_file():
        case = {True: "lower", False: "keep"}.get(read_json(folder / SETTINGS).get("do_lower_case"), "auto")
    return _fitted(read_tokenizer(TextModelOptions(tokenizer=found, length=length, case=case)), found, text)


def clip_tokenizer(folder: Path, text: TextTransformer) -> TokenizerFile:
    """CLIP's tokenizer: `tokenizer.json`, or made of `vocab.json` and `merges.txt`, or of OpenAI's list of merges.

    Raises:
        EncoderError: There is none, it cannot be read, or it gives ids that the tower does not know.
    """
    length = text.positions.most
    content = None if (folder / JSON).is_file() else byte_pair_json(folder)
    if content is None:
        return folder_tokenizer(folder, text, length)
    with temporary_folder() as made:
        Path(made, JSON).write_text(content, encoding="utf-8")
        read = read_tokenizer(TextModelOptions(tokenizer=Path(made, JSON), length=length))
    return _fitted(read, folder, text)


def siglip_tokenizer(folder: Path, text: TextTransformer) -> TokenizerFile:
    """SigLIP's tokenizer: SentencePiece behind lower case and without ASCII punctuation; or SigLIP 2's, Gemma's behind lower case.

    Both have only an end, which pads a text of the first.

    Raises:
        EncoderError: There is none, it cannot be read, or it gives ids that the tower does not know.
    """
    length = text.positions.most
    if (folder / SENTENCEPIECE).is_file():
        found = folder / SENTENCEPIECE
        read = read_tokenizer(TextModelOptions(tokenizer=found, length=length, case="lower", start=""))
        described = {**read.described, "padding_id": read.described["end"], "removed": string.punctuation}
        return _fitted(replace(read, described=described), found, text)
    found = folder / JSON
    if not found.is_file():
        raise EncoderError(f"{folder}: has no tokenizer, expected {SENTENCEPIECE} (SigLIP) or {JSON} (SigLIP 2)")
    parts = read_json(found)
    if parts.get("model", {}).get("type") != "BPE":
        raise EncoderError(f"{found}: is no Gemma tokenizer, as SigLIP 2 has it; for SigLIP put its {SENTENCEPIECE} in the folder")
    read = read_tokenizer(TextModelOptions(tokenizer=found, length=length))
    return _fitted(replace(read, content=_as_trained(parts, found)), found, text)


def _as_trained(parts: dict[str, Any], found: Path) -> bytes:
    """Gemma's `tokenizer.json` in lower case and with an end only, as SigLIP 2 was trained; files on the hub have the case of Gemma."""
    end = next((token["id"] for token in parts.get("added_tokens", []) if token["content"] == GEMMA_END), None)
    if end is None:
        raise EncoderError(f"{found}: has no token {GEMMA_END}, expected Gemma's tokenizer")
    steps = parts.get("normalizer")
    steps = steps["normalizers"] if steps and steps["type"] == "Sequence" else [steps] if steps else []
    lower = [] if any(step["type"] == "Lowercase" for step in steps) else [{"type": "Lowercase"}]
    post = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": GEMMA_END, "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {GEMMA_END: {"id": GEMMA_END, "ids": [end], "tokens": [GEMMA_END]}},
    }
    normalizer = {"type": "Sequence", "normalizers": [*lower, *steps]}
    return json.dumps({**parts, "normalizer": normalizer, "post_processor": post}, ensure_ascii=False).encode()


def _fitted(tokenizer: TokenizerFile, found: Path, text: TextTransformer) -> TokenizerFile:
    if tokenizer.size > text.table.size:
        raise EncoderError(
            f"{found}: gives ids up to {tokenizer.size - 1}, but the text tower knows {text.table.size}; it is of another checkpoint"
        )
    return tokenizer.fitted(text.positions.most, text.masked)
