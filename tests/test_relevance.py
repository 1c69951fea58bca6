"""Relevance: what a result's distance says of it, where the curve comes from, and the empty list as an answer."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DIMENSION, TEXTS

from maker.cli import main
from maker.data.captions import Caption
from maker.evaluation.relevance import Judged, calibrate, choose_queries, fit_logistic, measure, probability
from maker.evaluation.shared_words import SharedWords
from maker.pipeline.index import write_index
from maker.pipeline.tuning import IndexSettings
from task.core import BaseOptions
from task.errors import DamagedFileError, InvalidArgumentError
from task.format import archive, manifest
from task.processor import SearchOptions
from task.text import TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage

CURVE = {"slope": 30.0, "intercept": 16.0, "cut": 0.4}
THINGS = ("kite", "dog", "boat", "horse", "train", "apple", "tower", "river")
PLACES = ("beach", "forest", "street", "desert", "meadow")


def caption(image, text, language="en"):
    return Caption(image, text, "val", language, 1)


@pytest.fixture(scope="module")
def with_curve(tmp_path_factory, encoder, embeddings):
    """A searcher whose text queries have a curve."""
    path = tmp_path_factory.mktemp("curve") / "searcher.tflite"
    metadata = [f"images/{i}.png".encode() for i in range(len(embeddings))]
    write_index(embeddings, metadata, path, encoder, IndexSettings(), relevance={"search_text": CURVE}, examples=TEXTS[:2])
    return path


def open_text(path, **options):
    return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path)), search_options=SearchOptions(**options)))


def test_the_fit_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(0)
    distances = rng.uniform(-1, 0, 40_000)
    relevant = rng.random(40_000) < probability(distances, 9.0, 4.0)
    slope, intercept = fit_logistic(distances, relevant)
    assert slope == pytest.approx(9.0, rel=0.05)
    assert intercept == pytest.approx(4.0, rel=0.05)


def test_a_fit_of_separable_results_stays_finite():
    slope, intercept = fit_logistic(np.array([-0.9] * 30 + [-0.1] * 30), np.array([True] * 30 + [False] * 30))
    p = probability(np.array([-0.9, -0.1]), slope, intercept)
    assert np.isfinite([slope, intercept]).all()
    assert p == pytest.approx([31 / 32, 1 / 32], abs=1e-3)


def test_captions_of_other_pictures_fit_where_they_share_the_words():
    captions = [caption("a", "a dog on the beach")] * 2
    captions += [caption("b", "one dog at a beach"), caption("b", "a dog, the beach")]
    captions += [
        caption(f"n{i}", f"a {thing} in the {place}") for i, (thing, place) in enumerate(zip(THINGS[2:], PLACES[1:], strict=False))
    ]
    captions += [caption(f"m{i}", text) for i in range(20) for text in ("a red apple on a table", "the red apple under a table")]
    words = SharedWords(captions)
    images = np.array([words.number(name) for name in ("a", "b", "n0", "m3")])
    assert words.fits(captions[0], images).tolist() == [True, True, False, False]
    left = words.without_its_thing(captions[0])
    assert left is not None
    assert not left[[words.number("a"), words.number("b")]].any()
    assert left[words.number("n0")]


def test_without_second_captions_only_the_own_picture_is_right():
    captions = [caption(f"{i}", "the same words") for i in range(50)]
    words = SharedWords(captions)
    assert words.typical is None
    assert words.fits(captions[3], np.array([words.number("3"), words.number("4")])).tolist() == [True, False]
    assert words.without_its_thing(captions[3]) is None


def test_a_caption_in_another_language_is_no_second_one():
    captions = [caption(f"{i}", text, language) for i in range(40) for text, language in (("a dog", "en"), ("一只狗", "zh"))]
    assert SharedWords(captions).typical is None


def scenes(informative=True):
    """Pictures of a thing at a place, two captions each, and queries that are near their picture where they are sure of it."""
    rng = np.random.default_rng(5)
    kinds = [(thing, place) for thing in THINGS for place in PLACES]
    centres = {kind: rng.standard_normal(32) for kind in kinds}
    captions, items, queries, rows = [], [], [], {}
    for number in range(400):
        kind = kinds[number % len(kinds)]
        rows[str(number)] = number
        items.append(centres[kind] + 0.5 * rng.standard_normal(32))
        for text in (f"a {kind[0]} in the {kind[1]}", f"the {kind[1]} with one {kind[0]}"):
            captions.append(caption(str(number), text))
            doubt = rng.uniform(0, 2.5)
            query = centres[kind] + doubt * rng.standard_normal(32)
            # The surer a query is, the shorter, and the farther from everything.
            queries.append(query / np.linalg.norm(query) * (1.0 if informative else 0.1 + doubt))
    return captions, rows, np.array(items, np.float32) / np.linalg.norm(items, axis=1, keepdims=True), np.array(queries, np.float32)


def test_the_curve_foretells_how_often_results_are_relevant():
    captions, rows, items, queries = scenes()
    assert choose_queries(captions, rows) == captions
    curve = calibrate(captions, queries, rows, items, captions)
    assert curve is not None
    measured = curve["measured"]
    assert measured["queries"] == 400  # the others fitted
    assert measured["expected_calibration_error"] < 0.06
    predicted = [b["predicted"] for b in measured["reliability"]]
    found = [b["found"] for b in measured["reliability"]]
    assert predicted == sorted(predicted)
    assert found[-1] > 0.8 > 0.5 > found[0]
    at = measured["at_cut"]
    assert at["recall_kept"] == pytest.approx(0.9, abs=0.05)
    assert at["wrong_kept"] < 0.7
    assert at["absent_answered"] < at["answered"]  # what is absent is found less often
    kept = [entry["recall_kept"] for entry in measured["trade"]]
    absent = [entry["absent_answered"] for entry in measured["trade"]]
    assert kept == sorted(kept, reverse=True)
    assert absent == sorted(absent, reverse=True)


def test_the_curve_is_measured_on_pictures_that_did_not_fit_it():
    captions, rows, items, queries = scenes()
    every_second = {image for place, image in enumerate(sorted(rows)) if place % 2}
    spoilt = np.array([c.image in every_second for c in captions])
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((int(spoilt.sum()), queries.shape[1])).astype(np.float32)
    queries[spoilt] = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    curve = calibrate(captions, queries, rows, items, captions)
    assert curve is not None
    assert curve["measured"]["relevant"] < 0.1
    assert probability(-0.9, curve["slope"], curve["intercept"]) > 0.8  # the others did fit


def test_absent_things_are_measured_without_their_pictures():
    judged = Judged(
        np.array([[-0.9, -0.5], [-0.9, -0.8]], np.float32), np.array([[True, False], [True, True]]), np.array([-0.5, np.nan], np.float32)
    )
    at = measure(judged, 10.0, 6.0, float(probability(-0.6, 10.0, 6.0)))["at_cut"]
    assert at["recall_kept"] == 1
    assert at["wrong_kept"] == 0
    assert at["precision"] == 1
    assert at["answered"] == 1
    assert at["absent_answered"] == 0  # of the one query whose thing is known


def test_no_curve_where_nearer_is_not_more_relevant_or_where_there_is_too_little():
    captions, rows, items, queries = scenes(informative=False)
    assert calibrate(captions, queries, rows, items, captions) is None
    captions, rows, items, queries = scenes()
    assert calibrate(captions[:8], queries[:8], rows, items, captions) is None
    assert choose_queries([caption("gone", "a dog")], rows) == []


def test_neighbours_have_the_relevance_of_their_distance(with_curve):
    with open_text(with_curve, max_results=20) as searcher:
        neighbors = searcher.search(TEXTS[0]).nearest_neighbors
        by_vector = searcher.search_embedding(np.ones(DIMENSION, np.float32)).nearest_neighbors
    assert len(neighbors) == 20
    for neighbor in neighbors:
        assert neighbor.relevance == pytest.approx(float(probability(neighbor.distance, CURVE["slope"], CURVE["intercept"])), rel=1e-9)
    assert {n.relevance for n in by_vector} == {None}


def test_images_have_no_relevance(with_curve):
    image = TensorImage(np.full((12, 12, 3), 80, np.uint8))
    with ImageSearcher.create_from_file(str(with_curve)) as searcher:
        assert {n.relevance for n in searcher.search(image).nearest_neighbors} == {None}
    options = ImageSearcherOptions(BaseOptions(str(with_curve)), search_options=SearchOptions(min_relevance=0.1))
    with (
        ImageSearcher.create_from_options(options) as searcher,
        pytest.raises(InvalidArgumentError, match="no relevance curve for this kind"),
    ):
        searcher.search(image)


@pytest.mark.parametrize("least", [0.0, 0.45, "auto", 1.0])
def test_what_is_less_relevant_is_left_out(with_curve, least):
    with open_text(with_curve, max_results=50) as searcher:
        every = searcher.search(TEXTS[0]).nearest_neighbors
    with open_text(with_curve, max_results=50, min_relevance=least) as searcher:
        kept = searcher.search(TEXTS[0]).nearest_neighbors
        assert searcher.search_batch([TEXTS[0]])[0].nearest_neighbors == kept
    cut = CURVE["cut"] if least == "auto" else least
    assert kept == [n for n in every if n.relevance >= cut]
    assert {0.0: len(kept) == 50, 1.0: kept == []}.get(least, 0 < len(kept) < 50)


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan"), "none"])
def test_impossible_relevances_are_refused(with_curve, least):
    with pytest.raises(ValueError, match=r"SearchOptions.min_relevance must be within \[0, 1\], or 'auto'"):
        open_text(with_curve, min_relevance=least)


def test_a_file_without_a_curve_says_so(searcher_file):
    with open_text(searcher_file) as searcher:
        assert {n.relevance for n in searcher.search(TEXTS[0]).nearest_neighbors} == {None}
    with open_text(searcher_file, min_relevance="auto") as searcher, pytest.raises(InvalidArgumentError, match="has no relevance curve"):
        searcher.search(TEXTS[0])


@pytest.mark.parametrize(
    "curves", [[], {"search_text": {"slope": -1.0, "intercept": 0, "cut": 0.5}}, {"search_text": 3}, {"search_text": {**CURVE, "cut": 7}}]
)
def test_a_curve_that_cannot_be_is_damage(with_curve, tmp_path, curves):
    content = with_curve.read_bytes()
    place, size = archive.locate(content)[manifest.FILE]
    broken = manifest.decode(content[place : place + size])
    broken.relevance = curves
    path = tmp_path / "broken.tflite"
    path.write_bytes(content[: archive.model_size(content)])
    for name, (start, length) in archive.locate(content).items():
        archive.append(path, name, manifest.encode(broken) if name == manifest.FILE else content[start : start + length])
    with pytest.raises(DamagedFileError, match="relevance"):
        open_text(path)


def test_the_curve_goes_on_with_its_towers(with_curve, embeddings, tmp_path):
    again = tmp_path / "again.tflite"
    write_index(embeddings[:50], [b"x"] * 50, again, with_curve, IndexSettings())
    with open_text(again) as searcher:
        assert all(n.relevance is not None for n in searcher.search(TEXTS[0]).nearest_neighbors)
    other = tmp_path / "other.tflite"
    write_index(embeddings[:50], [b"x"] * 50, other, with_curve, IndexSettings(distance="squared_l2"))
    with open_text(other) as searcher:
        assert {n.relevance for n in searcher.search(TEXTS[0]).nearest_neighbors} == {None}


def test_the_command_line_shows_relevance_and_says_when_nothing_is(with_curve, capsys):
    assert main(["search", str(with_curve), TEXTS[0], "-k", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == TEXTS[0]
    assert all(" %  images/" in line for line in shown[1:])
    assert main(["search", str(with_curve), TEXTS[0], "--min-relevance", "0.999"]) == 0
    assert capsys.readouterr().out.splitlines() == [TEXTS[0], "  nothing relevant"]
    assert main(["search", str(with_curve), TEXTS[0], "--min-relevance", "auto", "--json"]) == 0
    assert '"relevance": 0.' in capsys.readouterr().out
