"""Tokenizers in the graph: their libraries' ids on ordinary, odd and damaged texts, and what is refused by name."""

from __future__ import annotations

import json
import time
import unicodedata
from functools import cache

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tokenizer_files import LENGTH, MAKERS, SENTENCES, captions, clip_json, made, sentencepiece_model, trained_merges

from maker.encoders.tokenizer_file import stored_tokenizer
from maker.errors import EncoderError
from maker.graph.model import Model
from maker.tokenizers.adversarial import adversarial_texts
from maker.tokenizers.check import compare, write_tokenizer
from maker.tokenizers.frame import Frame
from maker.tokenizers.graph import GraphTokenizer
from maker.tokenizers.hashed import Pairs
from maker.tokenizers.recognise import graph_tokenizer
from maker.tokenizers.rules import interchangeable
from maker.tokenizers.sentencepiece_file import decode_file
from maker.tokenizers.trie import Trie
from maker.tokenizers.unicode_form import FORMS, UnicodeForm
from maker.tokenizers.utf8 import decode, encode
from tests.outside_data import FLICKR, MINILM, absent

CLUSTER = "\U0001f469\u200d"
WORST = {
    "one letter": "a" * 512,
    "one letter after another": "abcdefghijklmnopqrstuvwxyz" * 20,
    "spaces": " " * 512,
    "joined emoji": CLUSTER * 80,
    "marks on a letter": "a" + "".join(chr(0x300 + i * 7 % 0x6F) for i in range(255)),
    "marks in the wrong order": "q" + "\u0301\u0323" * 120,
    "Hangul": "".join(chr(0xAC00 + i * 131 % 11172) for i in range(170)),
    "Hangul letters": "\u1112\u1161\u11ab" * 56,
    "apostrophes": "'" * 300,
    "unknown characters": "\U0001fae8" * 128,
}


@cache
def tokenizer(name: str, max_bytes: int = 256) -> tuple[GraphTokenizer, bytes, dict]:
    pytest.importorskip("tokenizers")
    pytest.importorskip("sentencepiece")
    content, described = made(name)
    return graph_tokenizer(content, described, max_bytes), content, described


@pytest.mark.parametrize("name", MAKERS)
def test_the_graph_gives_the_ids_of_the_library(name):
    graph, content, described = tokenizer(name)
    found = compare(graph, stored_tokenizer(content, described).ids, [*SENTENCES, "", " ", *adversarial_texts(600)])
    assert [str(difference) for difference in found.wrong] == []
    assert sum(found.left_out.values()) <= (60 if name == "unigram json" else 6), found.left_out


@pytest.mark.parametrize("name", ["wordpiece", "clip json", "gemma", "unigram", "bpe"])
def test_the_worst_texts_end_soon_and_are_right(name):
    graph, content, described = tokenizer(name, 512)
    start = time.perf_counter()
    found = compare(graph, stored_tokenizer(content, described).ids, WORST.values())
    assert [str(difference) for difference in found.wrong] == []
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("name", ["wordpiece", "clip json", "gemma", "unigram"])
def test_damaged_utf8_is_what_python_makes_of_it(name):
    graph, content, described = tokenizer(name)
    whole = "día 雪 \U0001f600 x".encode()
    cuts = [whole[:end] for end in range(1, len(whole) + 1)]
    odd = [
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"a\x80b",
        b"\xf0\x9f\x98",
        b"\xff\xfe",
        b"\xf5\x80\x80\x80",
        b"\xe0\x80\x80",
    ]
    found = compare(graph, stored_tokenizer(content, described).ids, [*cuts, *odd])
    assert [str(difference) for difference in found.wrong] == []


def test_code_points_are_decoded_as_python_decodes_them_and_encoded_again(tmp_path):
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("byte", (64,), np.int32)
    code, real = decode(g, query)
    back = encode(g, g.mul(code, real), 192)  # a damaged byte becomes three
    model.signature(g, {"byte": query}, {"code": code, "real": real, "back": back})
    model.write(tmp_path / "m.tflite")
    run = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()
    rng = np.random.default_rng(0)
    likely = [*b"az\xc2\xc3\xe0\xe2\xed\xef\xf0\xf4\x80\x8f\x90\x9f\xa0\xbf\xf5\xc1"]
    for number in range(300):
        byte = rng.integers(1, 256, 64) if number % 2 else rng.choice(likely, 64)
        text = byte.astype(np.uint8).tobytes().decode("utf8", "replace")
        found = run(byte=byte.astype(np.int32))
        assert [chr(c) for c in found["code"][found["real"] > 0]] == list(text)
        assert found["back"].astype(np.uint8).tobytes().rstrip(b"\0") == text.encode()


@pytest.mark.parametrize("form", FORMS)
def test_unicode_forms_are_python_s(tmp_path, form):
    model = Model("test")
    g = model.subgraph("s")
    query = g.tensor("byte", (160,), np.int32)
    model.signature(g, {"byte": query}, {"byte": g.copy(UnicodeForm(form).apply(g, query))})
    model.write(tmp_path / "m.tflite")
    run = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()
    rng = np.random.default_rng(1)
    alphabet = [
        *"aeoiuAqD\u1112\u1161\u11ab\uac00\u0301\u0323\u0307\u0308\u0345\u05b0\u05bc\u0958\u0344\ufb2c\u1e69\u3099\u304b",
        "\ufb01",
        "½",
    ]
    for _ in range(300):
        text = "".join(rng.choice(alphabet, rng.integers(1, 16)))
        byte = np.zeros(160, np.int32)
        byte[: len(text.encode())] = list(text.encode())
        assert run(byte=byte)["byte"].astype(np.uint8).tobytes().rstrip(b"\0").decode() == unicodedata.normalize(form, text), ascii(text)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(("start", "end"), [((), ()), ((7,), (8,)), ((7, 9), ()), ((), (8, 9))])
def test_a_frame_cuts_pads_and_masks(tmp_path, start, end, left):
    model = Model("test")
    g = model.subgraph("s")
    ids, alive = g.tensor("ids", (10,), np.int32), g.tensor("alive", (10,), np.int32)
    framed, mask = Frame(length=6, start=start, end=end, padding=5, left=left).write(g, ids, alive)
    model.signature(g, {"ids": ids, "alive": alive}, {"framed": framed, "mask": mask})
    model.write(tmp_path / "m.tflite")
    run = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()
    for count in (0, 1, 4, 9):
        values, flags = np.arange(10, 20, dtype=np.int32), np.zeros(10, np.int32)
        flags[1 : count + 1] = 1
        whole = [*start, *values[1 : count + 1].tolist()[: 6 - len(start) - len(end)], *end]
        padding = [5] * (6 - len(whole))
        found = run(ids=values, alive=flags)
        assert found["framed"][0].tolist() == ([*padding, *whole] if left else [*whole, *padding])
        marks = [0] * len(padding), [1] * len(whole)
        assert found["mask"][0].tolist() == ([*marks[0], *marks[1]] if left else [*marks[1], *marks[0]])


def test_pairs_of_large_ids_do_not_collide(tmp_path):
    rng = np.random.default_rng(2)
    pairs = np.unique(rng.integers(0, 256_000, (60_000, 2)), axis=0)
    # Those that one 32-bit key of 65536 * left + right would confuse with them.
    confused = np.stack([(pairs[:, 0] + 65536) % (1 << 18), pairs[:, 1]], 1)[:20_000]
    table = Pairs(pairs[:, 0], pairs[:, 1])
    known = {tuple(pair) for pair in pairs.tolist()}
    asked = np.concatenate([pairs[::3], confused])
    model = Model("test")
    g = model.subgraph("s")
    left, right = (g.tensor(name, (len(asked),), np.int32) for name in ("left", "right"))
    slot, found = table.look_up(g, left, right)
    numbers = g.gather(table.table(np.arange(len(pairs)), -1), slot)
    model.signature(g, {"left": left, "right": right}, {"found": g.cast(found, np.int32), "number": numbers})
    model.write(tmp_path / "m.tflite")
    answer = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()(
        left=asked[:, 0].astype(np.int32), right=asked[:, 1].astype(np.int32)
    )
    assert answer["found"].tolist() == [tuple(pair) in known for pair in asked.tolist()]
    assert np.array_equal(answer["number"][: len(pairs[::3])], np.arange(len(pairs))[::3])
    assert table.nbytes < 15 * len(pairs)


def test_merges_of_a_vocabulary_beyond_16_bits_are_the_library_s():
    """CLIP's kind of tokenizer with 70,000 more pieces before those that merge, so that their ids do not fit 16 bits."""
    pytest.importorskip("tokenizers")
    merges = trained_merges(200)
    base = json.loads(clip_json(merges))["model"]["vocab"]
    vocabulary = {f"unused{number}": number for number in range(70_000)} | {piece: 70_000 + number for piece, number in base.items()}
    content = clip_json(merges, vocabulary).encode()
    described = {**made("clip json")[1]}
    found = compare(graph_tokenizer(content, described), stored_tokenizer(content, described).ids, [*SENTENCES, *adversarial_texts(200)])
    assert [str(difference) for difference in found.wrong] == []


def test_a_trie_finds_what_a_dictionary_finds():
    rng = np.random.default_rng(3)
    words = sorted({bytes(rng.integers(97, 101, rng.integers(1, 8))) for _ in range(3000)})
    trie = Trie([(number % 2, list(word), number) for number, word in enumerate(words)], roots=2)
    for number in range(0, len(words), 7):
        entry = len(words[number]), number
        assert entry in trie.walk(list(words[number]), number % 2)
        assert entry not in trie.walk(list(words[number]), 1 - number % 2)


def test_characters_share_a_number_only_where_no_rule_tells_them_apart():
    rules = {"ab": "x", "Ab": "x", "ac": "y", "Ac": "y", "Bb": "x"}
    numbers = interchangeable(rules)
    assert numbers["a"] == numbers["A"] != numbers["B"]


def test_sentencepiece_s_rules_are_read_from_their_compiled_form():
    rules = decode_file(sentencepiece_model()).rules
    assert rules["ﬁ"] == "fi"
    assert rules["e\u0301"] == "é"
    assert rules["\u1112\u1161\u11ab"] == "한"
    assert len(rules) > 100_000


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bert json", {"pre_tokenizer": {"type": "Whitespace"}}, "the pre-tokenizer is Whitespace"),
        ("bert json", {"normalizer": {"type": "Replace", "pattern": {"String": "ab"}, "content": "c"}}, "the normalizer replaces"),
        ("bert json", {"normalizer": {"type": "Prepend", "prepend": "x"}}, "the normalizer has Prepend"),
        (
            "clip json",
            {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}},
            "the pre-tokenizer is ByteLevel",
        ),
        ("gemma json", {"normalizer": {"type": "StripAccents"}}, "the normalizer has StripAccents, and the model is BPE of characters"),
        ("unigram json", {"pre_tokenizer": {"type": "WhitespaceSplit"}}, "and the model Unigram"),
    ],
)
def test_parts_that_are_not_recognised_are_named(name, change, message):
    content, described = made(name)
    changed = json.dumps({**json.loads(content), **change}).encode()
    with pytest.raises(EncoderError, match=message):
        graph_tokenizer(changed, described)


def test_user_defined_symbols_of_sentencepiece_are_refused():
    content = sentencepiece_model(user_defined_symbols=["<tag>"])
    with pytest.raises(EncoderError, match="'<tag>' is a user-defined symbol"):
        graph_tokenizer(content, made("unigram")[1])


def test_a_graph_that_gives_other_ids_stays_out_and_says_why(monkeypatch, tmp_path, capsys):
    from test_text_towers import token_model

    from maker.encoders import sentence_tower as module
    from maker.encoders.embedder import open_embedder
    from maker.encoders.tokenizer_file import TextModelOptions

    content, _ = made("wordpiece")
    (tmp_path / "vocab.txt").write_bytes(content)
    model = token_model(tmp_path / "m.tflite", len(content.splitlines()))
    options = TextModelOptions(tokenizer=tmp_path / "vocab.txt")
    assert list(open_embedder(model, options)) == ["text"]
    real = module.graph_tokenizer
    # The wrong case: capitals are unknown.
    monkeypatch.setattr(module, "graph_tokenizer", lambda content, described: real(content, {**described, "lower_case": False}))
    module._checked.cache_clear()
    assert list(open_embedder(model, options)) == ["tokens"]
    said = capsys.readouterr().err
    assert "search_tokens" in said
    assert "its graph gives other ids than its library for" in said
    assert "expected [" in said
    module._checked.cache_clear()


def test_minilm_s_captions_have_the_library_s_ids():
    vocabulary, table = MINILM / "vocab.txt", FLICKR / "captions.tsv"
    for path in (vocabulary, table):
        if not path.exists():
            pytest.skip(absent(path))
    described = {
        "tokenizer": "wordpiece",
        "length": 64,
        "padding_id": 0,
        "start": 101,
        "end": 102,
        "lower_case": True,
        "inputs": ["ids", "mask"],
    }
    for path in (vocabulary, vocabulary.with_name("tokenizer.json")):
        content = path.read_bytes()
        if path.suffix == ".json":
            described |= {"tokenizer": "hugging_face", "start": None, "end": None}
        described["file"] = path.name
        graph = graph_tokenizer(content, described)
        texts = list(captions(table))[::40]
        found = compare(graph, stored_tokenizer(content, described).ids, [*texts, *adversarial_texts(400)])
        assert not found.differences
        assert graph.nbytes < 2e6


def test_a_tokenizer_alone_is_a_file_of_one_signature(tmp_path):
    graph, content, described = tokenizer("unigram")
    write_tokenizer(graph, tmp_path / "t.tflite")
    runner = Interpreter(str(tmp_path / "t.tflite")).get_signature_runner("tokenize")
    query = np.zeros((1, 256), np.uint8)
    query[0, :9] = list(b"the snow!")
    found = runner(query=query)
    expected = stored_tokenizer(content, described).prepare("the snow!")
    assert {name: value.tolist() for name, value in found.items()} == {name: value.tolist() for name, value in expected.items()}
    assert found["ids"].shape == (1, LENGTH)
