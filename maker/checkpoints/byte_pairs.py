"""CLIP's `tokenizer.json` from older files: `vocab.json` and `merges.txt`, or OpenAI's `bpe_simple_vocab_16e6.txt.gz`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from maker.checkpoints.configuration import read_json
from maker.errors import EncoderError
from maker.tokenizers.byte_level import byte_characters
from maker.tokenizers.hugging_face import CLIP_WORDS, SPACES

VOCABULARY, MERGES, OPENAI = "vocab.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"
LAST_WORD = "</w>"
SIZE = 49408  # of OpenAI's vocabulary, whose list has more merges


def byte_pair_json(folder: Path) -> str | None:
    """The content of a `tokenizer.json`; None if the folder has none of the older files.

    Raises:
        EncoderError: A file is damaged.
    """
    if (folder / VOCABULARY).is_file() and (folder / MERGES).is_file():
        return _json(read_json(folder / VOCABULARY), _merges((folder / MERGES).read_text(encoding="utf-8")), folder / VOCABULARY)
    if not (folder / OPENAI).is_file():
        return None
    characters = list(byte_characters().values())
    try:
        merges = _merges(gzip.decompress((folder / OPENAI).read_bytes()).decode())
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise EncoderError(f"{folder / OPENAI}: cannot be read ({error}); download it again") from error
    merges = merges[: SIZE - 2 * len(characters) - 2]
    pieces = [*characters, *(c + LAST_WORD for c in characters), *(a + b for a, b in merges), START, END]
    return _json({piece: number for number, piece in enumerate(pieces)}, merges, folder / OPENAI)


def _merges(text: str) -> list[tuple[str, str]]:
    """Pairs of a list of merges, whose first line is its version."""
    pairs = [line.split() for line in text.splitlines()[1:]]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _json(vocabulary: dict[str, int], merges: list[tuple[str, str]], path: Path) -> str:
    missing = [piece for piece in (START, END) if piece not in vocabulary]
    if missing:
        raise EncoderError(f"{path}: has no piece {missing[0]!r}, expected CLIP's vocabulary")
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix=LAST_WORD, unk_token=END))
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(SPACES), " "), normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    ends = (END, vocabulary[END]), (START, vocabulary[START])
    made.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    made.add_special_tokens([START, END])
    return json.dumps(json.loads(made.to_str()), ensure_ascii=False)
