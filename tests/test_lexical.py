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
from task.search.lexical import CANDIDATES, LexicalPart, LexicalSearch, fused
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


def search_of(*indexes: lexical.LexicalIndex) -> LexicalSearch:
    return LexicalSearch([LexicalPart(index) for index in indexes])


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
    search = search_of(lexical.decode(listed, b"xyz" + data, (3, len(data)), 200))
    documents = [set(words(text)) for text in texts]
    frequent = {word for word in vocabulary if 4 * sum(word in document for document in documents) > len(documents)}
    assert len(frequent) > 1
    for query in ("w1 w2 w3", "w0", "w5 W5 w9 nothing", "nothing", f"w7 {min(frequent)}"):
        expected = np.array(bm25(query, documents, set(vocabulary) - frequent))
        ids, scores, whole = search.scores(query, None)
        order = [item for item in np.lexsort((np.arange(200), -expected.astype(np.float32))) if expected[item] > 0][:CANDIDATES]
        np.testing.assert_allclose(scores, expected[order], rtol=1e-5)
        np.testing.assert_allclose(expected[ids], expected[order], rtol=1e-5)
        wanted = set(words(query)) & {w for d in documents for w in d} - frequent
        assert whole.tolist() == [wanted <= documents[item] for item in ids]


def test_words_in_more_than_a_quarter_of_many_items_are_left_out():
    index = lexical_index([b"a photo %d" % i for i in range(100)], {}, {})
    search = search_of(index)
    assert search.scores("photo", None)[0].tolist() == []
    assert search.scores("a photo 7", None)[0].tolist() == [7]
    few = search_of(lexical_index([b"a photo", b"a drawing"], {}, {}))
    assert few.scores("a photo", None)[0].tolist() == [0, 1]


def test_items_with_only_the_common_words_of_a_query_are_not_scored():
    index = lexical_index([b"boat"] * 2000 + [b"boat lagoon"] * 3 + [b"%d" % i for i in range(9000)], {}, {})
    ids, _, whole = search_of(index).scores("boat lagoon", None)
    assert ids.tolist() == [2000, 2001, 2002]
    assert whole.all()
    assert len(search_of(index).scores("boat", None)[0]) == CANDIDATES


def test_an_allowed_item_is_found_however_many_score_higher():
    index = lexical_index([b"cat"] * 200 + [b"cat and a very long name"] + [b"dog %d" % i for i in range(1000)], {}, {})
    ids, _, _ = search_of(index).scores("cat", np.array([200, 500]))
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


VOCABULARY = [f"w{i}" for i in range(60)]


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(VOCABULARY, weights=range(1, 61), k=rng.randrange(1, 12))) for _ in range(count)]


def alike(one: LexicalSearch, other: LexicalSearch, ids: list[int] | None = None) -> bool:
    """Whether both find the same items with the same scores; `ids` are those of the items in the first."""
    found = 0
    for query in sentences(50, 9):
        (items, scores, whole), (others, *rest) = one.scores(query, None), other.scores(query, None)
        found += len(items)
        np.testing.assert_allclose(scores, rest[0], rtol=1e-6)
        if (
            items.tolist() != [others.tolist(), ids and [ids[item] for item in others]][ids is not None]
            or whole.tolist() != rest[1].tolist()
        ):
            return False
    return found > 0


def test_several_indexes_are_searched_as_one_of_all_items():
    texts = [text.encode() for text in sentences(400, 1)]
    whole, parts = (
        lexical_index(texts, {}, {}),
        [lexical_index(texts[low:high], {}, {}) for low, high in ((0, 150), (150, 390), (390, 400))],
    )
    assert not set(np.concatenate([part.common for part in parts]).tolist()) - set(whole.common.tolist())
    assert alike(search_of(whole), search_of(*parts))


def test_a_word_that_is_common_in_one_index_is_left_out_of_all():
    one, other = lexical_index([b"photo %d" % i for i in range(100)], {}, {}), lexical_index([b"photo", b"drawing"], {}, {})
    assert search_of(one, other).scores("photo", None)[0].tolist() == []
    assert search_of(one, other).scores("a drawing", None)[0].tolist() == [101]


@pytest.fixture(scope="module")
def whole_and_half(tmp_path_factory, encoder, embeddings) -> tuple[Path, Path, Path, list[str]]:
    """A file of 300 items whose metadata are words, and the first 200 and the last 100 as two."""
    folder, texts = tmp_path_factory.mktemp("halves"), sentences(300, 2)
    for name, low, high in (("whole", 0, 300), ("first", 0, 200), ("second", 200, 300)):
        metadata = [text.encode() for text in texts[low:high]]
        index_embeddings(embeddings[low:high], metadata, folder / f"{name}.tflite", embedder=encoder, lexical=True)
    return folder / "whole.tflite", folder / "first.tflite", folder / "second.tflite", texts


def test_added_items_are_found_by_their_words_as_in_one_file(whole_and_half, embeddings, tmp_path):
    whole, first, _, texts = whole_and_half
    overlay = tmp_path / "o"
    with TextSearcher.create_from_file(str(whole)) as one, TextSearcher.create_from_file(str(first)) as other:
        common = set(one.engine.lexical_parts[0].index.common.tolist())
        assert common == set(other.engine.lexical_parts[0].index.common.tolist())
        for number in range(200, 300):
            other.add(embeddings[number], texts[number])
        assert alike(one.engine.lexical, other.engine.lexical)
        assert found(one.search("w3 w5", lexical="only")) == found(other.search("w3 w5", lexical="only"))
        assert found(one.search("w3 w5", lexical="auto", allowed=range(100, 280))) == found(
            other.search("w3 w5", lexical="auto", allowed=range(100, 280))
        )
        removed = [0, 17, 60, 199, 200, 250, 299]
        for item in removed:
            other.remove(item)
        kept = [item for item in range(300) if item not in removed]
        left = LexicalSearch([LexicalPart(one.engine.words_of(np.array(kept)))])
        assert alike(other.engine.lexical, left, kept)
        other.save_overlay(str(overlay))
        with TextSearcher.create_from_file(str(first), overlay=str(overlay)) as again:
            assert alike(other.engine.lexical, again.engine.lexical)
    assert main(["index", "--update", str(first), "--overlay", str(overlay), "--output", str(tmp_path / "u.tflite")]) == 0
    with TextSearcher.create_from_file(str(tmp_path / "u.tflite")) as updated:
        assert alike(updated.engine.lexical, left)


def test_files_searched_as_one_have_the_words_of_one(whole_and_half):
    whole, first, second, _ = whole_and_half
    with TextSearcher.create_from_file(str(whole)) as one, TextSearcher.create_from_files([str(first), str(second)]) as both:
        assert alike(one.engine.lexical, both.engine.lexical)
        for query in ("w3 w5", "w1"):
            for mode in ("only", "auto"):
                assert found(one.search(query, lexical=mode)) == found(both.search(query, lexical=mode))


def test_captions_sentences_and_facts_of_added_items_are_indexed(file, embeddings, tmp_path):
    overlay, updated = tmp_path / "o", tmp_path / "u.tflite"
    with TextSearcher.create_from_file(str(file)) as searcher:
        by_caption = searcher.add(embeddings[1], "1.png", captions=["a walrus", "on ice"])
        by_fact = searcher.add(embeddings[2], "2.png", facts={"note": "penguin", "tags": ["colony"]})
        by_name = searcher.add(embeddings[3], "zoo/Otter 7.png", captions="an otter")
        sentence = searcher.add(TEXTS[0], "text")
        gone = searcher.add(embeddings[4], "walrus.png")
        assert set(found(searcher.search("walrus", lexical="only"))) == {by_caption, gone}
        searcher.remove(gone)
        with pytest.raises(ArgumentTypeError, match="captions have to be str, found int"):
            searcher.add(embeddings[4], "x", captions=[3])
        expected = {"walrus": by_caption, "ice": by_caption, "penguin": by_fact, "colony": by_fact, "otter 7": by_name, "kite": sentence}
        assert {query: found(searcher.search(query, lexical="only"))[0] for query in expected} == expected
        assert by_caption in found(searcher.search("walrus", lexical="auto"))[:2]
        searcher.save_overlay(str(overlay))
    assert b"walrus" not in overlay.read_bytes()
    with TextSearcher.create_from_file(str(file), overlay=str(overlay)) as again:
        assert {query: found(again.search(query, lexical="only"))[0] for query in expected} == expected
        names = {query: again.search(query, lexical="only").nearest_neighbors[0].metadata for query in expected}
    assert main(["index", "--update", str(file), "--overlay", str(overlay), "--output", str(updated)]) == 0
    with TextSearcher.create_from_file(str(updated)) as joined:
        assert {query: joined.search(query, lexical="only").nearest_neighbors[0].metadata for query in expected} == names


def test_an_overlay_without_words_gets_those_of_names_and_facts(file, embeddings, tmp_path, monkeypatch):
    with TextSearcher.create_from_file(str(file)) as searcher:
        new = searcher.add(embeddings[2], "penguin.png", facts={"note": "colony"})
        monkeypatch.setattr(searcher.engine._finder.overlay, "_terms", {})  # as earlier releases saved it
        searcher.save_overlay(str(tmp_path / "o"))
    with TextSearcher.create_from_file(str(file), overlay=str(tmp_path / "o")) as again:
        assert found(again.search("penguin colony", lexical="only")) == [new]


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
        TextSearcher.create_from_files([str(file), str(searcher_file)]) as both,
        pytest.raises(InvalidArgumentError, match=r"searcher.tflite: there is no lexical index"),
    ):
        both.search("x", lexical="auto")


def test_the_command_line_builds_and_looks_up(encoder, photos, tmp_path, capsys):
    output = tmp_path / "s.tflite"
    options = ["--images", str(photos), "--encoder", str(encoder), "--output", str(output), "--no-report", "--lexical"]
    assert main(["build", *options]) == 0
    assert main(["search", str(output), "17.png", "--lexical", "auto", "-k", "1"]) == 0
    assert "17.png" in capsys.readouterr().out.splitlines()[-1]
    few = "no item has a word of the query (words that more than a quarter of the items have do not count)"
    for options, reason in (
        (["!"], "the query holds no word"),
        (["red", "--where", "name == 'x'"], "the query holds no word, or no item meets the filter"),
        (["walrus", "--lexical", "only"], few),
        (["walrus", "--lexical", "only", "--where", "name == 'x'"], f"{few}, or no item meets the filter"),
        ([str(photos / "1.png"), "--by-image", "--where", "name == 'x'"], "no item meets the filter"),
    ):
        assert main(["search", str(output), *options]) == 0
        assert capsys.readouterr().out.splitlines()[1:] == [f"  nothing found: {reason}"]


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
        search_of(read).scores("a b c", None)
    with pytest.raises(lexical.LexicalError, match="there are 2 lengths, expected 3"):
        lexical.decode(listed, data, (0, len(data)), 3)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(file.read_bytes().replace(b'"length": 300', b'"length": 299'))
    with TextSearcher.create_from_file(str(broken)) as searcher, pytest.raises(DamagedFileError, match=r"lexical.json is damaged"):
        searcher.search(TEXTS[0], lexical="auto")
