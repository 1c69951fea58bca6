import unicodedata

import numpy as np
import pytest

from maker.encoders import tokenizer
from maker.encoders.characters import CJK, IGNORED, SEPARATOR, WORD, classify
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import HashTable, TokenizerSize
from maker.errors import EncoderError
from maker.graph.model import Model
from maker.training.vocabulary import CaptionRows, build_vocabulary
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.format import utf8

SIZE = TokenizerSize(max_bytes=64, max_characters=48, max_units=16, max_grams=24, gram_rows=128)
SENTENCES = [
    "A man riding a bike!",
    "Café cafe\u0301 ＣＡＦＥ",
    "一只黑猫 on 2 mats",
    "ありがとう ございます",
    "빨간 집",
    "don't; stop--now, x",
    "",
    "   ...   ",
    "🐱 and 🐶🐶",
    "Ελληνικά Русский",
]


def polynomial(characters: str) -> int:
    return tokenizer._int32(sum((ord(c) + 1) * pow(tokenizer.PRIME, i, 1 << 32) for i, c in enumerate(characters)))


def reference_units(text: str) -> list[str]:
    """Units by plain Python, from the same character classes."""
    units, word = [], ""
    for character in text:
        folded, kind = classify(ord(character))
        if kind == IGNORED:
            continue
        if kind == WORD:
            word += chr(folded)
            continue
        if word:
            units.append(word)
        word = ""
        if kind == CJK:
            units.append(chr(folded))
    return units + ([word] if word else [])


@pytest.mark.parametrize("text", SENTENCES)
def test_the_graph_finds_the_units_that_plain_python_finds(text):
    found = tokenize([text], SIZE)
    expected = [polynomial(unit) for unit in reference_units(text)]
    assert found.hashes[0][found.present[0] > 0].tolist() == expected
    assert found.present[0].sum() == len(expected)


def test_case_accents_and_width_do_not_matter():
    found = tokenize(["café", "CAFE", "cafe\u0301", "ＣＡＦＥ"], SIZE)
    assert len(set(found.hashes[:, 0].tolist())) == 1
    assert (found.present.sum(1) == 1).all()


def test_neighbouring_characters_form_pairs_but_not_across_two_separators():
    found = tokenize(["黑猫", "黑, 猫", "red kite", "red -- kite"], SIZE)
    assert found.pair_present.sum(1).tolist() == [1, 0, 1, 0]


def test_every_letter_of_a_word_starts_one_trigram():
    found = tokenize(["kite x"], SIZE)
    assert found.gram_present[0].sum() == 5
    kites = tokenize(["kite kites"], SIZE)
    first, second = (set(kites.gram_rows[0][(kites.gram_present[0] > 0) & (kites.gram_unit[0] == u)].tolist()) for u in (0, 1))
    assert len(first & second) == 3  # " ki", "kit" and "ite"


def test_a_query_longer_than_the_graph_reads_is_cut_between_characters():
    text = "é" * 40
    assert utf8.encode(text, 33).shape == (1, 33)
    assert bytes(utf8.encode(text, 33)[0]).rstrip(b"\0").decode() == "é" * 16


def test_words_beyond_the_last_unit_leave_no_trace():
    text = "a " * SIZE.max_units
    first, second = (look_up(np.array([1], np.int32), utf8.encode(t, SIZE.max_bytes)) for t in (text, text + "xylophone"))
    assert np.array_equal(first[0], second[0])


def test_signs_that_make_another_letter_are_kept():
    found = tokenize(["दिन", "दान", "が", "か", "バ", "ハ", "ﬁsh", "fsh", "й", "и"], SIZE)
    assert len(set(map(tuple, found.hashes.tolist()))) == 10


def test_damaged_utf8_does_not_break_the_graph():
    with_damage = np.random.default_rng(0).integers(0, 256, (200, SIZE.max_bytes)).astype(np.uint8)
    for query in with_damage:
        rows, weights = look_up(np.array([1], np.int32), query[None])
        assert (rows >= 0).all()
        assert np.isfinite(weights).all()


def look_up(hashes: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and weights that the exported half of the tokenizer gives."""
    key = hashes.tobytes()
    if key not in RUNNERS:
        import tempfile
        from pathlib import Path

        path = Path(tempfile.mkdtemp(), "rows.tflite")
        model = Model("test")
        g = model.subgraph("rows")
        tensor = g.tensor("query", (1, SIZE.max_bytes), np.uint8)
        rows, weights = tokenizer.rows(g, tokenizer.units(g, tensor, SIZE), HashTable(hashes), SIZE)
        model.signature(g, {"query": tensor}, {"rows": rows, "weights": weights})
        model.write(path)
        options = BaseOptions(str(path))
        RUNNERS[key] = SignatureRunners(ModelFile(options), options)
    found = RUNNERS[key].run("rows", query)
    return found["rows"], found["weights"]


RUNNERS: dict[bytes, SignatureRunners] = {}


def test_training_and_the_exported_graph_see_the_same_rows():
    tokens = tokenize(SENTENCES, SIZE)
    vocabulary = build_vocabulary(tokenize(SENTENCES[:5] * 2, SIZE), 2, 0, SIZE)
    seen = CaptionRows(tokens, vocabulary).rows()
    for number, text in enumerate(SENTENCES):
        rows, weights = look_up(vocabulary.hashes, utf8.encode(text, SIZE.max_bytes))
        by_graph = sorted((int(r), round(float(w), 5)) for r, w in zip(rows, weights, strict=True) if w > 0)
        by_training = sorted((int(r), round(float(w), 5)) for r, w in zip(seen.rows[number], seen.weights[number], strict=True) if w > 0)
        assert by_graph == by_training, text


def test_a_dropped_word_is_replaced_by_its_trigrams():
    tokens = tokenize(["a red kite"], SIZE)
    vocabulary = build_vocabulary(tokenize(["a red kite"] * 2, SIZE), 2, 0, SIZE)
    captions = CaptionRows(tokens, vocabulary)
    dropped = np.zeros(tokens.present.shape, bool)
    dropped[0, 2] = True
    rows = captions.rows(dropped)
    assert (rows.weights[0] == 1).sum() == 2
    assert np.isclose(rows.weights[0][rows.rows[0] > len(vocabulary.hashes)].sum(), 1.0)


def test_a_known_word_is_found_exactly_among_many():
    hashes = np.unique(np.random.default_rng(0).integers(-(2**31), 2**31, 5000)).astype(np.int32)
    target = np.array([polynomial("kite")], np.int32)
    hashes = np.setdiff1d(hashes, target)
    everything = np.concatenate([hashes, target])
    rows, weights = look_up(everything, utf8.encode("kite", SIZE.max_bytes))
    assert rows[weights > 0].tolist() == [len(everything)]


def test_two_entries_of_one_hash_are_refused():
    with pytest.raises(EncoderError, match="share a hash"):
        HashTable(np.array([5, 5], np.int32))


@pytest.mark.parametrize(
    ("character", "kind"),
    [("a", WORD), ("7", WORD), ("猫", CJK), ("집", CJK), ("ก", CJK), ("\u0301", IGNORED), ("-", SEPARATOR), ("🐱", CJK)],
)
def test_character_classes(character, kind):
    assert classify(ord(character))[1] == kind


def test_folding_keeps_the_base_letter():
    for character in "ÀéñÇŽ":
        base = unicodedata.normalize("NFD", character)[0].lower()
        assert chr(classify(ord(character))[0]) == base
