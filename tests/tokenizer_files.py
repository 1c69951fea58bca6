"""Tokenizer files that the tests train, one of each kind that is recognised, with the manifest's description of it."""

from __future__ import annotations

import io
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from maker.tokenizers.adversarial import ENGLISH, WORLD
from maker.tokenizers.byte_level import byte_characters
from tests.outside_data import MINILM

LENGTH = 24
SENTENCES = [
    "A black dog is running through the snow.",
    "Two children play with a red ball on the beach, and the sun's up.",
    "A man in a blue shirt rides his bike down a mountain path.",
    "Three women are sitting at a café; they're laughing.",
    "一个穿着红色衣服的小女孩在草地上跑",
    "两只狗在雪地里玩耍。",
    "Eine Frau läuft über die Straße.",
    " ".join(ENGLISH),
    " ".join(WORLD),
]
WORDS = """[PAD] [UNK] [CLS] [SEP] a black dog is run through the snow two child red ball on un ##ning ##s ##ren aff ##able . , ' ! 1 2 3
    狗 ##e ##n café"""
PIECES = WORDS.split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def wordpiece_vocabulary() -> bytes:
    """A `vocab.txt`."""
    letters = [letter for letter in LETTERS if letter not in PIECES]
    inside = [f"##{letter}" for letter in LETTERS if f"##{letter}" not in PIECES]
    return "\n".join([*PIECES, *letters, *inside, *(f"##{number}" for number in range(10))]).encode() + b"\n"


def sentencepiece_model(**options: Any) -> bytes:
    """A `.model` trained on the sentences."""
    import sentencepiece

    model = io.BytesIO()
    settings = {"vocab_size": 400, "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 1, "pad_id": 3, **options}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES * 20), model_writer=model, **settings)
    return model.getvalue()


def clip_json(merges: list[tuple[str, str]], vocabulary: dict[str, int] | None = None) -> str:
    """CLIP's `tokenizer.json` with the merges given."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    if vocabulary is None:
        # OpenAI's order: the printable bytes first, then those with the end of a word, then what is merged.
        characters = list(byte_characters().values())
        pieces = [*characters, *(c + "</w>" for c in characters), *(a + b for a, b in merges), "<|startoftext|>", "<|endoftext|>"]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
    end = "<|endoftext|>"
    made = Tokenizer(models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False, unk_token=end))
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    ends = (end, vocabulary[end]), ("<|startoftext|>", vocabulary["<|startoftext|>"])
    made.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    made.add_special_tokens(["<|startoftext|>", end])
    return made.to_str()


def trained_merges(count: int) -> list[tuple[str, str]]:
    """Merges as CLIP's are, trained on the sentences."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=256 + count, end_of_word_suffix="</w>", show_progress=False)
    made.train_from_iterator(SENTENCES * 3, trainer)
    return [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in json.loads(made.to_str())["model"]["merges"]]


def gemma_json() -> str:
    """BPE of characters with byte fallback, as Gemma's `tokenizer.json` has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    trained = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "\u2581")
    trained.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trained.train_from_iterator(SENTENCES * 3, trainers.BpeTrainer(vocab_size=700, special_tokens=specials, show_progress=False))
    parts = json.loads(trained.to_str())
    parts["added_tokens"] = parts["added_tokens"][:4]
    parts["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    made = Tokenizer.from_str(json.dumps(parts))
    made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return made.to_str()


def lower_gemma_json() -> str:
    """The same behind lower case."""
    parts = json.loads(gemma_json())
    parts["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, parts["normalizer"]]}
    return json.dumps(parts)


def unigram_json() -> str:
    """Unigram as the `tokenizer.json` of XLM-R and T5 has it, from a SentencePiece model."""
    import base64

    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    from maker.tokenizers.sentencepiece_file import decode_file

    content = sentencepiece_model()
    pieces = [(piece.text, piece.score) for piece in decode_file(content).pieces]
    made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    compiled = base64.b64encode(_compiled_rules(content))
    made.normalizer = normalizers.Sequence([normalizers.Precompiled(base64.b64decode(compiled)), normalizers.Replace(" ", " ")])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    made.add_special_tokens(["<unk>", "<s>", "</s>", "<pad>"])
    parts = json.loads(made.to_str())
    parts["normalizer"] = parts["normalizer"]["normalizers"][0]
    return json.dumps(parts)


def _compiled_rules(content: bytes) -> bytes:
    from maker.tokenizers.sentencepiece_file import _fields

    return bytes(_fields(_fields(content)[3][0])[2][0])


def bert_json() -> str:
    """A WordPiece `tokenizer.json`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {piece: number for number, piece in enumerate(wordpiece_vocabulary().decode().splitlines())}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return made.to_str()


GEMMA_MODEL = {
    "model_type": "bpe",
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "split_digits": True,
    "vocab_size": 700,
}
MAKERS = {
    "wordpiece": ("wordpiece", wordpiece_vocabulary),
    "wordpiece, cased": ("wordpiece", wordpiece_vocabulary),
    "bert json": ("hugging_face", bert_json),
    "clip json": ("hugging_face", lambda: clip_json(trained_merges(300))),
    "gemma json": ("hugging_face", gemma_json),
    "gemma json, as SigLIP 2": ("hugging_face", lower_gemma_json),
    "unigram json": ("hugging_face", unigram_json),
    "unigram": ("sentencepiece", sentencepiece_model),
    "unigram, lower case": ("sentencepiece", sentencepiece_model),
    "unigram, as SigLIP": ("sentencepiece", sentencepiece_model),
    "unigram, plain spaces": ("sentencepiece", lambda: sentencepiece_model(remove_extra_whitespaces=False, add_dummy_prefix=False)),
    "bpe": ("sentencepiece", lambda: sentencepiece_model(model_type="bpe", character_coverage=0.98)),
    "gemma": ("sentencepiece", lambda: sentencepiece_model(**GEMMA_MODEL)),
}


def made(name: str, length: int = LENGTH) -> tuple[bytes, dict[str, Any]]:
    """A tokenizer file and the manifest's `query.tokens` of it."""
    kind, maker = MAKERS[name]
    content = maker()
    frame = {"wordpiece": (0, 2, 3), "sentencepiece": (3, 1, 2), "hugging_face": (0, None, None)}[kind]
    described = dict(zip(("padding_id", "start", "end"), frame, strict=True))
    lower = name == "wordpiece" or name.endswith("lower case")
    if name.endswith("as SigLIP"):
        described |= {"padding_id": 2, "start": None, "removed": string.punctuation}
        lower = True
    described |= {"tokenizer": kind, "length": length, "inputs": ["ids", "mask"], "file": "tokenizer", "lower_case": lower}
    return content.encode() if isinstance(content, str) else content, described


def captions(path: Path, languages: tuple[str, ...] = ("en", "zh")) -> Iterator[str]:
    """The captions of Flickr8k's `captions.tsv`."""
    with open(path, encoding="utf8") as lines:
        next(lines)
        for line in lines:
            _, _, language, text = line.rstrip("\n").split("\t")
            if language in languages:
                yield text


def text_model(path: Path, rows: int, length: int = LENGTH, dimension: int = 16) -> Path:
    """A model that sums rows of a random table over the ids where the mask is 1, and gives the direction of the sum."""
    from maker.graph.model import Model

    model = Model("text model")
    g = model.subgraph("main")
    table = np.random.default_rng(4).standard_normal((rows, dimension)).astype(np.float32)
    ids, mask = (g.tensor(name, (1, length), np.int32) for name in ("input_ids", "attention_mask"))
    weights = g.reshape(g.cast(mask, np.float32), (length, 1))
    total = g.sum(g.mul(g.gather(table, g.reshape(ids, (length,))), weights), axis=0)
    model.signature(g, {"ids": ids, "mask": mask}, {"embedding": g.l2_normalize(g.reshape(total, (1, dimension)))})
    model.write(path)
    return path


TOKENIZING = ("wordpiece", "clip json", "gemma", "unigram")  # one of each model


def tokenizing_searchers(folder: Path) -> dict[Path, list[str]]:
    """A searcher for each model, each in a folder of its own, with sentences to ask it; and MiniLM's where it is there."""
    paths = {tokenizing_searcher(folder / name.replace(" ", "_") / "searcher.tflite", name): SENTENCES for name in TOKENIZING}
    if (MINILM / "minilm_int8.tflite").exists():
        paths[_minilm_searcher(folder / MINILM.name / "searcher.tflite")] = SENTENCES[:4]
    return paths


def answers_alike(path: Path, most: int) -> int:
    """How many answers of one of them are the same on all runtimes: MiniLM's 8-bit kernels round differently on each."""
    return 1 if path.parent.name == MINILM.name else most


def _minilm_searcher(path: Path) -> Path:
    """The items are the sentences, so that each finds itself."""
    from maker.encoders.embedder import open_embedder
    from maker.encoders.tokenizer_file import TextModelOptions
    from maker.export.encoder_file import write_encoder
    from task.text import TextEmbedder

    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = path.with_name("encoder.tflite")
    tower = open_embedder(MINILM / "minilm_int8.tflite", TextModelOptions(tokenizer=MINILM / "vocab.txt"))["text"]
    write_encoder(encoder, {"text": tower}, {"text": tower.input_shape}, dimension=tower.dimension)
    with TextEmbedder.create_from_file(str(encoder)) as embedder:
        vectors = np.stack([embedder.embed(text).embeddings[0].feature_vector.value for text in SENTENCES])
    return _indexed(path, encoder, None, vectors)


def tokenizing_searcher(path: Path, name: str, items: int = 500) -> Path:
    """A searcher over random vectors whose pretrained text tower has one of the tokenizers in its graph; written where it is missing."""
    if path.exists():
        return path
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer").write_bytes(made(name)[0])
    vectors = np.random.default_rng(5).standard_normal((items, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return _indexed(path, text_model(folder / "text_model.tflite", 2000), folder / "tokenizer", vectors)


def _indexed(path: Path, model: Path, tokenizer: Path | None, vectors: np.ndarray) -> Path:
    from maker import cli

    folder = path.parent
    np.save(folder / "vectors.npy", vectors)
    (folder / "vectors.txt").write_text("".join(f"item {i}\n" for i in range(len(vectors))))
    given = ["--embeddings", folder / "vectors.npy", "--metadata", folder / "vectors.txt", "--embedder", model]
    given += [*(["--tokenizer", tokenizer] if tokenizer else []), "--recall", "0.99", "--output", path]
    if status := cli.main(["index", *map(str, given)]):
        raise SystemExit(status)
    return path
