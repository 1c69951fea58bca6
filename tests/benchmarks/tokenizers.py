"""Compares the tokenizers in the graph with their libraries: `python -m tests.benchmarks.tokenizers`, or `make bench-tokenizers`.

On all captions of Flickr8k (English and Chinese) and on 20,000 strings that tokenizers stumble over. Prints a Markdown table with the
time of a query (one thread, 256 bytes, the graph alone; over 2,000 captions, the least of five) and the bytes of the tables, and the
differences of each class. CLIP's merges come from the package open_clip_torch, which is fetched and not installed; a tokenizer whose
files cannot be had is left out by name. Exit status 1 where ids differ outside the classes that are left out.
"""

# ruff: noqa: T201 - it reports to a terminal

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from maker.encoders.tokenizer_file import stored_tokenizer
from maker.tokenizers.adversarial import adversarial_texts
from maker.tokenizers.check import compare, write_tokenizer
from maker.tokenizers.recognise import graph_tokenizer
from task.format import utf8
from tests.outside_data import FLICKR, MINILM, absent
from tests.tokenizer_files import GEMMA_MODEL, captions, clip_json

ROOT = Path(__file__).parents[2]
ADVERSARIAL, TIMED, REPEATS = 20_000, 2000, 5
OPEN_CLIP = "open_clip_torch==3.3.0"
MERGES = 49152 - 256 - 2
HEADER = (
    "tokenizer | pieces | captions equal | of other strings equal | left out | other differences | p50 µs | p99 µs | worst µs | tables MB"
)
WORST = {
    "one letter": "a" * 256,
    "random letters": "".join(np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), 256)),
    "joined emoji": "\U0001f469\u200d" * 36,
    "marks on a letter": "a" + "".join(chr(0x300 + i * 7 % 0x6F) for i in range(127)),
    "Hangul": "".join(chr(0xAC00 + i * 131 % 11172) for i in range(85)),
    "Chinese": "一个男人在草地上踢足球穿着红色衣服的小女孩" * 4,
}


def main() -> int:
    """Compares all of them."""
    parser = argparse.ArgumentParser(description="Compares the tokenizers in the graph with their libraries.")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "tokenizers")
    parser.add_argument("--only", default="", help="a part of a tokenizer's name")
    parser.add_argument("--every", type=int, default=1, help="of the captions and the other strings, one in so many")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if not (FLICKR / "captions.tsv").exists():
        print(absent(FLICKR / "captions.tsv"), file=sys.stderr)
        return 1
    texts = list(captions(FLICKR / "captions.tsv"))
    strings = adversarial_texts(ADVERSARIAL)
    print(f"{len(texts[:: given.every])} captions, {len(strings[:: given.every])} other strings\n")
    print("| " + HEADER + " |\n|" + "---|" * (HEADER.count("|") + 1), flush=True)
    wrong = 0
    for name, (kind, read, frame) in tokenizers(given.work, texts).items():
        if given.only not in name:
            continue
        try:
            content = read()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"| {name} | not compared: {error} |")
            continue
        described = {"tokenizer": kind, "length": 77 if "CLIP" in name else 64, "inputs": ["ids", "mask"], "file": "tokenizer", **frame}
        wrong += row(name, content, described, texts[:: given.every], strings[:: given.every], given.work)
    return 1 if wrong else 0


def row(name: str, content: bytes, described: dict[str, Any], texts: Sequence[str], strings: Sequence[str | bytes], work: Path) -> int:
    """Prints a line of the table, and returns how many ids differ outside the classes that are left out."""
    file = stored_tokenizer(content, described)
    tokenizer = graph_tokenizer(content, described)
    by_captions, by_strings = compare(tokenizer, file.ids, texts), compare(tokenizer, file.ids, strings)
    path = work / f"{name}.tflite".replace(" ", "_").replace(",", "")
    write_tokenizer(tokenizer, path)
    usual, worst = timed(path, tokenizer.max_bytes, texts)
    different = [*by_captions.wrong, *by_strings.wrong]
    left_out = ", ".join(f"{count} {reason}" for reason, count in {**by_captions.left_out, **by_strings.left_out}.items())
    equal = [c.texts - len(c.differences) for c in (by_captions, by_strings)]
    columns = [
        name,
        f"{pieces(content, described['tokenizer']):,}",
        f"{equal[0]:,} of {by_captions.texts:,}",
        f"{100 * equal[1] / by_strings.texts:.2f} %",
        left_out or "none",
        str(len(different)),
        f"{np.median(usual):.0f}",
        f"{np.percentile(usual, 99):.0f}",
        f"{worst:.0f}",
        f"{tokenizer.nbytes / 1e6:.1f}",
    ]
    print("| " + " | ".join(columns) + " |", flush=True)
    for difference in different[:5]:
        print(f"  {difference}", file=sys.stderr)
    return len(different)


def timed(path: Path, size: int, texts: Sequence[str]) -> tuple[list[float], float]:
    """Microseconds of captions, and of the slowest of the worst texts; the least of several runs each."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (query,) = interpreter.get_input_details()

    def least(text: str) -> float:
        interpreter.set_tensor(query["index"], utf8.encode(text, size))
        found = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            interpreter.invoke()
            found.append(time.perf_counter() - start)
        return 1e6 * min(found)

    chosen = texts[:: max(1, len(texts) // TIMED)]
    return [least(text) for text in chosen], max(least(text) for text in WORST.values())


def pieces(content: bytes, kind: str) -> int:
    """Pieces of a vocabulary."""
    if kind == "wordpiece":
        return len(content.decode().splitlines())
    if kind == "hugging_face":
        from tokenizers import Tokenizer

        return int(Tokenizer.from_str(content.decode()).get_vocab_size())
    from maker.tokenizers.sentencepiece_file import decode_file

    return len(decode_file(content).pieces)


def tokenizers(work: Path, texts: Sequence[str]) -> dict[str, tuple[str, Callable[[], bytes], dict[str, Any]]]:
    """Kind, file and frame of each."""
    bert = {"padding_id": 0, "start": 101, "end": 102, "lower_case": True}
    own = {"padding_id": 0, "start": None, "end": None, "lower_case": False}
    plain = {"padding_id": 0, "start": 1, "end": 2, "lower_case": False}
    return {
        "MiniLM, vocab.txt": ("wordpiece", (MINILM / "vocab.txt").read_bytes, bert),
        "MiniLM, tokenizer.json": ("hugging_face", (MINILM / "tokenizer.json").read_bytes, own),
        "CLIP": ("hugging_face", lambda: open_clip(work).encode(), own),
        "SentencePiece BPE": ("sentencepiece", lambda: trained(work, "bpe", texts, vocab_size=16_000, **GEMMA), plain),
        "SentencePiece Unigram": ("sentencepiece", lambda: trained(work, "unigram", texts, vocab_size=16_000), plain),
        "SentencePiece BPE, 256,000": ("sentencepiece", lambda: enlarged(work, "bpe", texts, vocab_size=16_000, **GEMMA), plain),
        "SentencePiece Unigram, 256,000": ("sentencepiece", lambda: enlarged(work, "unigram", texts, vocab_size=16_000), plain),
    }


GEMMA = {key: value for key, value in GEMMA_MODEL.items() if key not in ("vocab_size",)}


def open_clip(work: Path) -> str:
    """CLIP's `tokenizer.json`, made of the merges in the package."""
    if not list(work.glob("open_clip_torch-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(work), OPEN_CLIP]
        subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(work.glob("open_clip_torch-*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("bpe_simple_vocab_16e6.txt.gz"))
        lines = gzip.decompress(wheel.read(name)).decode().split("\n")
    return clip_json([(left, right) for left, right in (line.split() for line in lines[1 : MERGES + 1])])


def trained(work: Path, name: str, texts: Sequence[str], **options: Any) -> bytes:
    """A SentencePiece model of the captions; kept."""
    import sentencepiece

    prefix = work / name
    if not prefix.with_suffix(".model").exists():
        settings = {"model_type": name, "character_coverage": 0.9998, "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 1}
        settings |= options
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(texts), model_prefix=str(prefix), **settings)
    return prefix.with_suffix(".model").read_bytes()


def enlarged(work: Path, name: str, texts: Sequence[str], **options: Any) -> bytes:
    """The same with drawn pieces up to 256,000, which are seldom or never used: what tables of such a size take and cost."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(trained(work, name, texts, **options))
    have = {piece.piece for piece in model.pieces}
    lowest = min(piece.score for piece in model.pieces)
    random = np.random.default_rng(0)
    words = sorted({text.strip("\u2581") for text in have if text.strip("\u2581").isascii() and text.strip("\u2581").isalpha()})
    endings = ("", "s", "ed", "ing", "ly", "er", "est", "ness", "able", "ful", "less")
    drawn = [a + b + c + d for a in ("\u2581", "") for b in words for c in endings for d in endings[:4]]
    for text in random.permutation(sorted(set(drawn) - have)).tolist()[: 256_000 - len(have)]:
        lowest -= 1e-3 if name == "unigram" else 1.0
        model.pieces.add(piece=text, score=lowest)
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    sys.exit(main())
