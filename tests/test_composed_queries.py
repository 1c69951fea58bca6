"""Queries of several parts: what their vector is, what searches find by it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS
from PIL import Image

from maker import searcher
from maker.cli import main
from maker.encoders.embedder import open_embedder
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import build_index
from task.errors import ArgumentTypeError, InvalidArgumentError
from task.format import manifest
from task.format.preparation import Preparation
from task.processor import BoundingBox, SearchResult
from task.search.compose import PUSH, compose
from task.text import Query, TextSearcher
from task.vision import ImageSearcher, TensorImage


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Given:
    """Embeds words by a table; a picture is its number."""

    dimension, preparation = 4, Preparation()
    table = {"x": [1, 0, 0, 0], "y": [0, 1, 0, 0], "z": [0, 0, 1, 0], "xy": [0.6, 0.8, 0, 0], "xz": [0.6, 0, 0.8, 0], "": [0, 0, 0, 0]}

    def embed_text(self, text: str) -> np.ndarray:
        return np.array(self.table[text], np.float32)

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        return unit(pixels.mean(axis=(0, 1)).astype(np.float32) @ np.eye(3, 4, dtype=np.float32))

    def image_size(self) -> tuple[int, int]:
        return 2, 2


def made(query: Query, **means: list[float]) -> np.ndarray:
    return compose(query, Given(), {kind: np.array(mean, np.float32) for kind, mean in means.items()})  # type: ignore[arg-type]


def test_a_sum_is_the_weighted_mean_with_the_length_of_its_parts():
    np.testing.assert_allclose(made(Query("x") + "y"), unit(np.array([1, 1, 0, 0])), atol=1e-6)
    np.testing.assert_allclose(made(Query("x") + 3 * Query("y")), unit(np.array([1, 3, 0, 0])), atol=1e-6)
    np.testing.assert_allclose(made("x" + Query("y", 3)), unit(np.array([1, 3, 0, 0])), atol=1e-6)
    long = np.array([0, 0, 3, 0], np.float32)
    assert np.linalg.norm(made(Query("x") + long)) == pytest.approx(2)


def test_what_is_excluded_has_the_same_slightly_negative_cosine_whatever_the_query():
    for query, excluded in ((Query("xy"), ["y"]), (Query("x"), ["y"]), (Query("xy") + "z", ["y", "xz"])):
        composed = query
        for part in excluded:
            composed -= part
        vector = made(composed)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        cosines = [float(vector @ Given().embed_text(part)) for part in excluded]
        np.testing.assert_allclose(cosines, cosines[0], atol=1e-6)
        assert -PUSH - 1e-6 <= cosines[0] < 0


def test_what_is_wanted_besides_the_excluded_stays():
    vector = made(Query("xy") - "y")
    np.testing.assert_allclose(vector, unit(np.array([1, -PUSH, 0, 0])), atol=1e-6)


def test_excluding_twice_excludes_once():
    np.testing.assert_allclose(made(Query("xy") - "y" - "y"), made(Query("xy") - "y"), atol=1e-6)


def test_the_means_of_sentences_and_pictures_are_removed_only_where_both_meet():
    picture = np.array([0, 1, 0, 0], np.float32)
    means = {"text": [0.0, 0, 0, 0.5], "image": [0.0, 0, 0.5, 0]}
    expected = unit(np.array([1, 0, 0, -0.5])) + unit(np.array([0, 1, -0.5, 0]))
    np.testing.assert_allclose(made(Query("x") + picture, **means), unit(expected), atol=1e-6)
    np.testing.assert_allclose(made(Query("x") + "y", **means), made(Query("x") + "y"), atol=1e-6)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (lambda: made(Query("x") - "x"), "nothing is left of the query"),
        (lambda: made(Query("x") + np.array([-1, 0, 0, 0], np.float32)), "nothing is left of the query"),
        (lambda: made(Query("x") - ""), "the part '' of the query has no word"),
        (lambda: made(Query("x") + np.zeros(4, np.float32)), "a part of the query is a zero vector"),
        (lambda: made(Query("x") + np.ones(3, np.float32)), "a part of the query has 3 dimensions, the index 4"),
        (lambda: made(Query("x") + np.full(4, np.nan)), "a part of the query has a value that is not finite"),
        (lambda: Query("x", 0), "the weight of a part has to be a number above 0, found 0"),
        (lambda: Query("x") * float("inf"), "the weight of a part has to be a number above 0, found inf"),
        (lambda: Query("x") - 2 * Query("y"), "what a query excludes has no weight"),
        (lambda: Query("x") - (Query("y") - "z"), "what a query excludes has no weight"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_in_one_line(query, message):
    with pytest.raises(InvalidArgumentError, match=message) as error:
        query()
    assert "\n" not in str(error.value)


def test_a_part_of_another_type_is_refused():
    for wrong in (3, b"x", None, ["x"]):
        with pytest.raises(ArgumentTypeError, match="a part of a query has to be a str, a TensorImage, a TensorAudio or an embedding"):
            Query(wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError):
            Query("x") + wrong  # type: ignore[operator]


def test_operators_leave_their_queries_as_they_were():
    first = Query("x")
    _ = first + "y", first - "z", first * 2
    assert (first.wanted, first.excluded) == ((("x", 1.0),), ())


@pytest.mark.parametrize(
    ("text", "wanted", "excluded"),
    [
        ("a dog", "a dog", ()),
        ("a dog -ball", "a dog", ("ball",)),
        ('-ball  a dog -"red car" on  grass', "a dog on grass", ("ball", "red car")),
        ("a well-known - dog -", "a well-known - dog -", ()),
        ("a --b", "a --b", ()),
        ('a -""', 'a -""', ()),
        ("", "", ()),
    ],
)
def test_a_minus_before_a_word_excludes_it(text, wanted, excluded):
    query = Query.parse(text)
    assert (query.wanted, query.excluded) == (((wanted, 1.0),), excluded)


def test_only_exclusions_are_no_query():
    with pytest.raises(InvalidArgumentError, match="says only what to exclude"):
        Query.parse(" -ball -cat")


@pytest.fixture(scope="module")
def file(encoder, embeddings, tmp_path_factory) -> Path:
    """A searcher that knows the mean of sentences."""
    index = build_index(embeddings, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))
    metadata = [b"%d" % i for i in range(len(embeddings))]
    mean = np.linspace(-0.1, 0.2, DIMENSION, dtype=np.float32)
    path = tmp_path_factory.mktemp("composed") / "s.tflite"
    write_searcher(SearcherContent(index=index, metadata=metadata, towers=open_embedder(encoder), sentence_mean=mean), path)
    return path


def picture(seed: int = 0) -> TensorImage:
    return TensorImage.create_from_array(np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8))


def found(result: SearchResult) -> list[int]:
    return [neighbor.id for neighbor in result.nearest_neighbors]


def test_a_search_finds_what_is_nearest_to_the_composed_vector(file, embeddings):
    query = Query(TEXTS[0]) + 2 * Query(picture()) - TEXTS[3]
    with TextSearcher.create_from_file(str(file)) as by_text, ImageSearcher.create_from_file(str(file)) as by_image:
        vector = compose(query, by_text.engine, by_text.engine.means)
        expected = np.argsort(-(embeddings @ vector))[:5].tolist()
        assert found(by_text.search(query)) == found(by_image.search(query)) == expected
        assert [found(result) for result in by_text.search_batch([query, TEXTS[1]])] == [expected, found(by_text.search(TEXTS[1]))]
        chosen = [7, 50, 120, 200]
        ranked = sorted(chosen, key=lambda item: -(embeddings[item] @ vector))
        assert found(by_text.search(query, allowed=chosen)) == ranked
        added = by_text.add(vector, "new")
        assert found(by_text.search(query))[0] == added


def test_a_query_of_one_part_is_that_part(file, embeddings):
    with TextSearcher.create_from_file(str(file)) as by_text, ImageSearcher.create_from_file(str(file)) as by_image:
        assert by_text.search(Query(TEXTS[0])) == by_text.search(TEXTS[0])
        assert by_text.search(Query(picture())) == by_image.search(picture())
        assert by_text.search(Query(embeddings[9])) == by_text.search_embedding(embeddings[9])


def test_files_searched_as_one_take_composed_queries(file):
    query = Query(TEXTS[0]) - TEXTS[1]
    with TextSearcher.create_from_file(str(file)) as one, TextSearcher.create_from_files([str(file), str(file)]) as two:
        nearest = found(one.search(query))[0]
        assert sorted(found(two.search(query))[:2]) == [nearest, nearest + one.items]


def test_a_box_with_a_composed_query_is_refused(file):
    with (
        ImageSearcher.create_from_file(str(file)) as by_image,
        pytest.raises(InvalidArgumentError, match="a bounding box goes with a TensorImage"),
    ):
        by_image.search(Query(picture()) + "x", BoundingBox(0, 0, 2, 2))


def test_the_file_knows_the_means_of_sentences_and_of_its_items(file, embeddings, searcher_file):
    with TextSearcher.create_from_file(str(file)) as opened:
        means = opened.engine.means
    np.testing.assert_allclose(means["text"], np.linspace(-0.1, 0.2, DIMENSION), atol=1e-4)
    np.testing.assert_allclose(means["image"], embeddings.mean(axis=0), atol=1e-4)
    with TextSearcher.create_from_file(str(searcher_file)) as without:
        assert without.engine.means == {}


@pytest.mark.parametrize("means", [{"text": [0.0] * DIMENSION}, {"text": [0.0], "image": [0.0]}, {"text": [None] * DIMENSION, "image": 3}])
def test_means_that_contradict_the_manifest_are_refused(file, means):
    with TextSearcher.create_from_file(str(file)) as opened:
        described = opened.engine.manifest
    with pytest.raises(manifest.ManifestError, match="expected 16 numbers"):
        manifest.decode(manifest.encode(replace(described, means=means)))


def test_the_command_line_adds_and_excludes(file, tmp_path, capsys):
    Image.fromarray(picture().buffer).save(tmp_path / "p.png")
    options = ["--and", TEXTS[1], "--and-image", str(tmp_path / "p.png"), "--not", TEXTS[2], "--not", TEXTS[3], "--json"]
    assert main(["search", str(file), TEXTS[0], *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    with TextSearcher.create_from_file(str(file)) as opened:
        expected = opened.search(Query(TEXTS[0]) + TEXTS[1] + picture() - TEXTS[2] - TEXTS[3])
    assert [n["metadata"] for n in printed["neighbors"]] == [n.metadata.decode() for n in expected.nearest_neighbors]
    typed = f'{TEXTS[0]} -"{TEXTS[2]}"'
    assert main(["search", str(file), typed, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    with TextSearcher.create_from_file(str(file)) as opened:
        expected = opened.search(Query.parse(typed))
    assert expected.nearest_neighbors
    assert [n["metadata"] for n in printed["neighbors"]] == [n.metadata.decode() for n in expected.nearest_neighbors]
    assert main(["search", str(file), TEXTS[0], "--not", TEXTS[0]]) == 1
    assert capsys.readouterr().err.startswith("maker: error: nothing is left of the query")
