"""Search by words: what a word is, BM25 by a plain evaluation, and the list that joins both."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXTS

from maker.cli import main
from maker.index.lexical import lexical_index
from maker.pipeline import index_embeddings
from task.errors import ArgumentTypeError, DamagedFileError, InvalidArgumentError
from task.format import facts, lexical
from task.search.lexical import CANDIDATES, LexicalSearch, fused
from task.search.words import term, words
from task.text import Query, TextSearcher


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMG_2041.jpg", ["img", "2041", "jpg"]),
        ("2024/Ålesund trip/a-b.png", ["2024", "alesund", "trip", "a", "b", "png"]),
        ("Straße İstanbul ﬁne", ["straße", "istanbul", "fine"]),
        ("黑猫坐在", ["黑猫", "猫坐", "坐在"]),
        ("猫 cat猫x", ["猫", "cat", "猫", "x"]),
        ("ねこ", ["ねこ"]),
        (" .,! \t", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_pairs_of_characters(text, expected):
    assert words(text) == expected


def test_the_number_of_a_word_is_its_fnv_hash():
    # Published test vectors of FNV-1a, 32 bits.
    assert [term(word) for word in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


def bm25(query: str, documents: list[set[str]], known: set[str]) -> list[float]:
    """Plainly, item by item."""
    average = sum(len(document) for document in documents) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in set(words(query)) & document & known:
            frequency = sum(word in other for other in documents)
            rarity = math.log(1 + (len(documents) - frequency + 0.5) / (frequency + 0.5))
            score += rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * len(document) / average))
        scores.append(score)
    return scores


def test_scores_are_those_of_bm25(monkeypatch):
    monkeypatch.setattr(lexical, "BLOCK", 70)  # several blocks
    monkeypatch.setattr("task.search.lexical.BLOCK", 70)
    rng = random.Random(1)
    vocabulary = [f"w{i}" for i in range(40)]
    texts = [" ".join(rng.choices(vocabulary, weights=range(1, 41), k=rng.randrange(1, 12))) for _ in range(200)]
    index = lexical_index([text.encode() for text in texts], {}, {})
    assert len(index.blocks) == 3
    listed, data = lexical.encode(index)
    search = LexicalSearch(lexical.decode(listed, b"xyz" + data, (3, len(data)), 200))
    documents = [set(words(text)) for text in texts]
    parts = [documents[low : low + 70] for low in (0, 70, 140)]
    frequent = {word for word in vocabulary for part in parts if 4 * sum(word in document for document in part) > len(part)}
    for query in ("w1 w2 w3", "w0", "w5 W5 w9 nothing", "nothing"):
        expected = np.array(bm25(query, documents, set(vocabulary) - frequent))
        ids, scores, whole = search.scores(query, None)
        order = [item for item in np.lexsort((np.arange(200), -expected.astype(np.float32))) if expected[item] > 0][:CANDIDATES]
        np.testing.assert_allclose(scores, expected[order], rtol=1e-5)
        np.testing.assert_allclose(expected[ids], expected[order], rtol=1e-5)
        wanted = set(words(query)) & {w for d in documents for w in d}
        assert whole.tolist() == [wanted <= documents[item] for item in ids]


def test_words_in_more_than_a_quarter_of_many_items_are_left_out():
    index = lexical_index([b"a photo %d" % i for i in range(100)], {}, {})
    search = LexicalSearch(index)
    assert search.scores("photo", None)[0].tolist() == []
    assert search.scores("a photo 7", None)[0].tolist() == [7]
    few = LexicalSearch(lexical_index([b"a photo", b"a drawing"], {}, {}))
    assert few.scores("a photo", None)[0].tolist() == [0, 1]


def test_items_with_only_the_common_words_of_a_query_are_not_scored():
    index = lexical_index([b"boat"] * 2000 + [b"boat lagoon"] * 3 + [b"%d" % i for i in range(9000)], {}, {})
    ids, _, whole = LexicalSearch(index).scores("boat lagoon", None)
    assert ids.tolist() == [2000, 2001, 2002]
    assert whole.all()
    assert len(LexicalSearch(index).scores("boat", None)[0]) == CANDIDATES


def test_an_allowed_item_is_found_however_many_score_higher():
    index = lexical_index([b"cat"] * 200 + [b"cat and a very long name"] + [b"dog %d" % i for i in range(1000)], {}, {})
    ids, _, _ = LexicalSearch(index).scores("cat", np.array([200, 500]))
    assert ids.tolist() == [200]


def test_captions_of_ten_words_take_less_than_thirty_bytes_an_item():
    rng = random.Random(2)
    vocabulary = [f"word{i}" for i in range(8000)]
    weights = [1 / (i + 1) for i in range(8000)]  # Zipf's law
    captions = {f"{i}": [" ".join(rng.choices(vocabulary, weights, k=10))] for i in range(10_000)}
    index = lexical_index([b"%d" % i for i in range(10_000)], {}, captions)
    without_names = lexical_index([b"x" for _ in range(10_000)], {"c": facts.texts([c[0] for c in captions.values()])}, {})
    assert len(lexical.encode(without_names)[1]) / 10_000 < 30
    assert len(index.blocks) == 1


def test_joined_lists_put_what_both_find_first():
    total = fused(np.array([-0.9, -0.5, -0.1]), np.array([0.0, 4.0, 2.0]))
    np.testing.assert_allclose(total, [1.0, 0.5 + 1.0, 0.5])
    np.testing.assert_allclose(fused(np.array([3.0, 3.0]), np.array([0.0, 0.0])), [0, 0])


NAMES = [f"trip/IMG_{i}.jpg" for i in range(300)]


@pytest.fixture(scope="module")
def file(tmp_path_factory, encoder, embeddings) -> Path:
    folder = tmp_path_factory.mktemp("lexical")
    rows = "".join(f"{name},{'lighthouse' if i == 250 else 'harbour' if i % 50 == 0 else ''},{i}\n" for i, name in enumerate(NAMES))
    (folder / "facts.csv").write_text(f"item,note,stars\n{rows}", encoding="utf-8")
    metadata = [name.encode() for name in NAMES]
    index_embeddings(embeddings, metadata, folder / "s.tflite", embedder=encoder, facts=folder / "facts.csv", lexical=True)
    return folder / "s.tflite"


def found(result) -> list[int]:
    return [neighbor.id for neighbor in result.nearest_neighbors]


def test_words_find_what_embeddings_do_not(file):
    with TextSearcher.create_from_file(str(file)) as searcher:
        off = searcher.search("lighthouse")
        assert 250 not in found(off)
        assert found(searcher.search("lighthouse", lexical="only")) == [250]
        joined = searcher.search("lighthouse", lexical="auto")
        assert 250 in found(joined)[:2]
        assert set(found(joined)) <= {250, *found(searcher.search("lighthouse", allowed=range(300)))}
        assert searcher.search("lighthouse", lexical="off") == off
        (nearest,) = searcher.search("lighthouse", allowed=[250]).nearest_neighbors
        assert nearest in joined.nearest_neighbors
        assert searcher.search_batch(["lighthouse"], lexical="auto") == [joined]
        assert searcher.search(Query("lighthouse"), lexical="auto") == joined


@pytest.mark.parametrize("query", ["IMG_77.jpg", "img 77", "trip/img_77.JPG"])
def test_a_name_typed_in_full_comes_first(file, query):
    with TextSearcher.create_from_file(str(file)) as searcher:
        assert found(searcher.search(query, lexical="auto"))[0] == 77
        assert found(searcher.search(query, lexical="only"))[0] == 77


def test_filters_and_removals_hold_for_words(file):
    with TextSearcher.create_from_file(str(file)) as searcher:
        assert sorted(found(searcher.search("harbour", lexical="only"))) == [0, 50, 100, 150, 200]
        assert sorted(found(searcher.search("harbour", lexical="only", where="stars > 120"))) == [150, 200]
        assert sorted(found(searcher.search("harbour", lexical="only", allowed=[7, 50]))) == [50]
        searcher.remove(150)
        assert 150 not in found(searcher.search("harbour", lexical="auto"))


def test_an_update_keeps_the_words(file, tmp_path):
    overlay, updated = tmp_path / "o", tmp_path / "u.tflite"
    with TextSearcher.create_from_file(str(file)) as searcher:
        searcher.remove(0)
        searcher.add(searcher.get_embedding(5), "harbour.jpg")
        searcher.save_overlay(str(overlay))
    assert main(["index", "--update", str(file), "--overlay", str(overlay), "--output", str(updated)]) == 0
    with TextSearcher.create_from_file(str(updated)) as again:
        names = [n.metadata for n in again.search("harbour", lexical="only").nearest_neighbors]
        assert sorted(names) == [b"trip/IMG_100.jpg", b"trip/IMG_150.jpg", b"trip/IMG_200.jpg", b"trip/IMG_50.jpg"]


def test_what_cannot_be_looked_up_is_refused(file, searcher_file):
    with TextSearcher.create_from_file(str(file)) as searcher:
        with pytest.raises(InvalidArgumentError, match="lexical has to be 'auto', 'only' or 'off', found 'on'"):
            searcher.search("x", lexical="on")
        with pytest.raises(ArgumentTypeError, match="takes one sentence"):
            searcher.search(Query("a") - "b", lexical="auto")
        assert found(searcher.search("zzzz", lexical="only")) == []
    with (
        TextSearcher.create_from_file(str(searcher_file)) as without,
        pytest.raises(InvalidArgumentError, match="build the file with --lexical"),
    ):
        without.search("x", lexical="auto")
    with (
        TextSearcher.create_from_files([str(file), str(file)]) as both,
        pytest.raises(InvalidArgumentError, match="only a single searcher"),
    ):
        both.search("x", lexical="auto")


def test_the_command_line_builds_and_looks_up(encoder, photos, tmp_path, capsys):
    output = tmp_path / "s.tflite"
    options = ["--images", str(photos), "--encoder", str(encoder), "--output", str(output), "--no-report", "--lexical"]
    assert main(["build", *options]) == 0
    assert main(["search", str(output), "17.png", "--lexical", "auto", "-k", "1"]) == 0
    assert "17.png" in capsys.readouterr().out.splitlines()[-1]


def test_damaged_indexes_are_refused(file, tmp_path):
    index = lexical_index([b"a b", b"b c"], {}, {})
    listed, data = lexical.encode(index)
    rng = np.random.default_rng(0)
    for _ in range(1000):
        parts = [bytearray(listed), bytearray(data)]
        part = parts[int(rng.integers(2))]
        part[int(rng.integers(len(part)))] = int(rng.integers(256))
        try:
            read = lexical.decode(bytes(parts[0]), bytes(parts[1]), (0, len(data)), 2)
        except lexical.LexicalError:
            continue
        LexicalSearch(read).scores("a b c", None)
    with pytest.raises(lexical.LexicalError, match="there are 2 lengths, expected 3"):
        lexical.decode(listed, data, (0, len(data)), 3)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(file.read_bytes().replace(b'"length": 300', b'"length": 299'))
    with TextSearcher.create_from_file(str(broken)) as searcher, pytest.raises(DamagedFileError, match=r"lexical.json is damaged"):
        searcher.search(TEXTS[0], lexical="auto")
