"""Relevance: what a result's distance says of it, where the curve comes from, and the empty list as an answer."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DIMENSION, TEXTS

from maker.cli import main
from maker.data.captions import Caption
from maker.evaluation.relevance import JudgedResults, calibrate, choose_queries, fit_logistic, gate_and_cut, judge, measure, probability
from maker.evaluation.shared_words import SharedWords
from maker.pipeline.index import FileContent, IndexedItems, index_embeddings, write_index
from maker.pipeline.tuning import IndexSettings
from task.core import BaseOptions
from task.errors import DamagedFileError, InvalidArgumentError
from task.format import archive, manifest
from task.processor import SearchOptions
from task.text import TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage

CURVE = {"slope": 30.0, "intercept": 16.0, "cut": 0.4}
AT_CUT = {"gate": 0.5, "cut": 0.4, "recall_kept": 0.9, "wrong_kept": 0.6, "queries_kept": 0.85, "absent_answered": 0.65}
THINGS = ("kite", "dog", "boat", "horse", "train", "apple", "tower", "river")
PLACES = ("beach", "forest", "street", "desert", "meadow")


def caption(image, text, language="en"):
    return Caption(image, text, "val", language, 1)


def write(path, encoder, embeddings, curve):
    """A searcher whose text queries have that curve."""
    metadata = [f"images/{i}.png".encode() for i in range(len(embeddings))]
    items = IndexedItems(embeddings=embeddings, metadata=metadata, embedder=encoder)
    content = FileContent(relevance={"search_text": curve} if curve else {}, examples=TEXTS[:2])
    write_index(items, path, IndexSettings(), content)
    return path


@pytest.fixture(scope="module")
def with_curve(tmp_path_factory, encoder, embeddings):
    """A searcher whose text queries have a curve without a gate, as older files have."""
    return write(tmp_path_factory.mktemp("curve") / "searcher.tflite", encoder, embeddings, CURVE)


@pytest.fixture(scope="module")
def gated(tmp_path_factory, with_curve, encoder, embeddings):
    """The same with a gate, a sentence that passes it, and one that does not although results of it are above the cut."""
    with open_text(with_curve) as searcher:
        first = {text: searcher.search(text).nearest_neighbors[0].relevance for text in TEXTS}
    closed, opened = sorted(TEXTS, key=first.get)[0], sorted(TEXTS, key=first.get)[-1]
    curve = {**CURVE, "gate": (first[closed] + first[opened]) / 2, "cut": first[closed] / 2, "measured": {"at_cut": AT_CUT}}
    return write(tmp_path_factory.mktemp("gated") / "searcher.tflite", encoder, embeddings, curve), opened, closed


def open_text(path, shards=(), **options):
    search_options = SearchOptions(**options)
    return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path)), search_options=search_options, shards=shards))


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


def test_gate_and_cut_together_keep_the_share_and_lose_half_each():
    rng = np.random.default_rng(4)
    distances = np.sort(rng.uniform(-1, 0, (2000, 1)) + rng.exponential(0.1, (2000, 10)), axis=1).astype(np.float32)
    judged = JudgedResults(distances, rng.random(distances.shape) < np.exp(-2 * (1 + distances)), np.full(2000, np.nan, np.float32))
    for kept in (0.9, 0.7):
        gate, cut = gate_and_cut(judged, kept)
        passing = np.repeat(distances[:, :1] <= gate, 10, axis=1)
        assert passing[judged.relevant].mean() == pytest.approx((1 + kept) / 2, abs=0.005)
        assert (passing & (distances <= cut))[judged.relevant].mean() == pytest.approx(kept, abs=0.002)


def test_a_query_without_relevant_results_moves_no_gate():
    distances, relevant = np.array([[-0.9, -0.8], [-0.7, -0.2]], np.float32), np.array([[True, True], [True, False]])
    nothing = np.array([np.nan], np.float32)
    some = JudgedResults(distances, relevant, np.repeat(nothing, 2))
    far = np.array([[-0.1, 0.0]], np.float32)
    more = JudgedResults(np.append(distances, far, axis=0), np.append(relevant, [[False, False]], axis=0), np.repeat(nothing, 3))
    assert gate_and_cut(more, 0.9) == gate_and_cut(some, 0.9)


def test_a_gate_answers_fewer_absent_queries_at_the_same_share_of_relevant_results():
    captions, rows, items, queries = scenes()
    curve = calibrate(captions, queries, rows, items, captions)
    assert curve is not None
    words = SharedWords(captions)
    judged = judge(captions, queries, items[[rows[image] for image in words.images]], words)
    line = curve["slope"], curve["intercept"]
    cut = float(probability(np.quantile(judged.distances[judged.relevant], 0.9), *line))
    alone, both = (measure(judged, *line, *at)["at_cut"] for at in ((0.0, cut), probability(np.array(gate_and_cut(judged, 0.9)), *line)))
    assert both["recall_kept"] == pytest.approx(alone["recall_kept"], abs=0.01)
    assert both["absent_answered"] < alone["absent_answered"] - 0.05


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
    judged = JudgedResults(
        np.array([[-0.9, -0.5], [-0.9, -0.8]], np.float32), np.array([[True, False], [True, True]]), np.array([-0.5, np.nan], np.float32)
    )
    at = measure(judged, 10.0, 6.0, 0.0, float(probability(-0.6, 10.0, 6.0)))["at_cut"]
    assert at["recall_kept"] == 1
    assert at["wrong_kept"] == 0
    assert at["precision"] == 1
    assert at["answered"] == 1
    assert at["absent_answered"] == 0  # of the one query whose thing is known


def test_a_gate_takes_all_results_of_a_query_and_what_queries_keep_says_so():
    judged = JudgedResults(
        np.array([[-0.9, -0.5], [-0.7, -0.6], [-0.8, -0.8], [-0.9, -0.9]], np.float32),
        np.array([[True, True], [True, False], [False, True], [False, False]]),
        np.array([-0.75, -0.65, -0.5, -0.85], np.float32),
    )
    gate, cut = (float(probability(distance, 10.0, 6.0)) for distance in (-0.75, -0.55))
    at = measure(judged, 10.0, 6.0, gate, cut)["at_cut"]
    assert (at["gate"], at["cut"]) == (pytest.approx(gate, abs=1e-4), pytest.approx(cut, abs=1e-4))
    assert at["recall_kept"] == 0.5  # -0.5 is below the cut, -0.7 the first below the gate
    assert at["wrong_kept"] == 0.75
    assert at["answered"] == 0.75
    assert at["queries_kept"] == pytest.approx(2 / 3, abs=1e-4)
    assert at["absent_answered"] == 0.5


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


def test_a_first_result_below_the_gate_means_that_nothing_matches(gated):
    path, opened, closed = gated
    with open_text(path, max_results=50) as searcher:
        every = {text: searcher.search(text).nearest_neighbors for text in (opened, closed)}
        curve = searcher.engine.relevance_curve("text")
    assert every[closed][0].relevance > curve.cut
    with open_text(path, max_results=50, min_relevance="auto") as searcher:
        assert searcher.search(closed).nearest_neighbors == []
        kept = searcher.search(opened).nearest_neighbors
        assert kept == [n for n in every[opened] if n.relevance >= curve.cut]
        assert kept[-1].relevance < curve.gate  # which is for the first only
        assert [r.nearest_neighbors for r in searcher.search_batch([closed, opened])] == [[], kept]


def test_a_number_is_a_threshold_for_each_result_and_no_gate(gated):
    path, _, closed = gated
    with open_text(path, max_results=50) as searcher:
        every, cut = searcher.search(closed).nearest_neighbors, searcher.engine.relevance_curve("text").cut
    with open_text(path, max_results=50, min_relevance=cut) as searcher:
        assert searcher.search(closed).nearest_neighbors == [n for n in every if n.relevance >= cut] != []


def test_the_gate_is_for_the_first_of_what_is_allowed(gated):
    path, opened, _ = gated
    with open_text(path, max_results=50) as searcher:
        every, gate = searcher.search(opened).nearest_neighbors, searcher.engine.relevance_curve("text").gate
    below = [n for n in every if n.relevance < gate]
    with open_text(path, max_results=50, min_relevance="auto") as searcher:
        assert searcher.search(opened, allowed=[n.id for n in below]).nearest_neighbors == []
        both = searcher.search(opened, allowed=[every[0].id, below[0].id]).nearest_neighbors
    assert [n.id for n in both] == [every[0].id, below[0].id]


def test_an_item_that_is_added_opens_the_gate_and_one_removed_closes_it(gated):
    path, _, closed = gated
    with open_text(path, max_results=50, min_relevance="auto") as searcher:
        assert searcher.search(closed).nearest_neighbors == []
        new = searcher.add(closed, "the sentence itself")
        found = searcher.search(closed).nearest_neighbors
        assert found[0].id == new
        assert len(found) > 1
        searcher.remove(new)
        assert searcher.search(closed).nearest_neighbors == []


def test_the_first_result_of_all_shards_passes_the_gate_for_all(gated, encoder, embeddings, tmp_path):
    path, opened, _ = gated
    with open_text(path) as searcher:
        best, second, *_ = searcher.search(opened).nearest_neighbors
    curve = {**CURVE, "gate": (best.relevance + second.relevance) / 2, "cut": 0.0}
    parts = {"rest": np.delete(embeddings, best.id, axis=0), "best": embeddings[[best.id]]}
    rest, alone = (write(tmp_path / f"{name}.tflite", encoder, part, curve) for name, part in parts.items())
    with open_text(rest, min_relevance="auto") as one, open_text(rest, [alone], min_relevance="auto") as both:
        assert one.search(opened).nearest_neighbors == []
        found = both.search(opened).nearest_neighbors
        chosen = both.search(opened, allowed=[n.id for n in found[:2]]).nearest_neighbors
    assert found[0].id == len(embeddings) - 1
    assert len(found) == 5
    assert [n.relevance for n in chosen] == pytest.approx([n.relevance for n in found[:2]], abs=1e-5)


def test_shards_with_different_curves_have_none(with_curve, gated, encoder, embeddings, tmp_path):
    for other in (gated[0], write(tmp_path / "other.tflite", encoder, embeddings, None)):
        with open_text(with_curve, [other]) as searcher:
            assert {n.relevance for n in searcher.search(TEXTS[0]).nearest_neighbors} == {None}
        with open_text(with_curve, [other], min_relevance="auto") as searcher, pytest.raises(InvalidArgumentError, match="different ones"):
            searcher.search(TEXTS[0])


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
    "curves",
    [
        [],
        {"search_text": {"slope": -1.0, "intercept": 0, "cut": 0.5}},
        {"search_text": 3},
        *({"search_text": {**CURVE, **wrong}} for wrong in ({"cut": 7}, {"gate": 1.5}, {"gate": None}, {"gate": "0.5"})),
    ],
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


def test_a_curve_stays_with_the_items_that_it_was_fitted_on(with_curve, embeddings, tmp_path):
    again = tmp_path / "again.tflite"
    report = index_embeddings(embeddings[:50], [b"x"] * 50, again, embedder=with_curve)
    assert f"none: the curve of {with_curve} was fitted on its own items and does not apply to others" in "\n".join(report.lines)
    with open_text(again) as searcher:
        assert {n.relevance for n in searcher.search(TEXTS[0]).nearest_neighbors} == {None}
    report = index_embeddings(embeddings[:50], [b"x"] * 50, tmp_path / "without.tflite", embedder=again)
    assert "relevance" not in "\n".join(report.lines)  # nothing was there to be dropped


def test_an_update_of_the_items_keeps_their_curve(gated, tmp_path):
    path, opened, closed = gated
    with open_text(path) as searcher:
        searcher.remove(searcher.search(closed).nearest_neighbors[-1].id)
        searcher.save_overlay(tmp_path / "overlay")
        curve = searcher.engine.manifest.relevance
    assert main(["index", "--update", str(path), "--overlay", str(tmp_path / "overlay"), "--output", str(tmp_path / "new.tflite")]) == 0
    with open_text(tmp_path / "new.tflite", min_relevance="auto") as searcher:
        assert searcher.engine.manifest.relevance == curve
        assert searcher.search(opened).nearest_neighbors
        assert searcher.search(closed).nearest_neighbors == []


def test_the_command_line_shows_relevance_and_says_when_nothing_is(with_curve, capsys):
    assert main(["search", str(with_curve), TEXTS[0], "-k", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == TEXTS[0]
    assert len(shown) == 3
    assert all(" %  images/" in line for line in shown[1:])
    assert main(["search", str(with_curve), TEXTS[0], "--min-relevance", "0.999"]) == 0
    assert capsys.readouterr().out.splitlines() == [TEXTS[0], "  nothing relevant"]
    assert main(["search", str(with_curve), TEXTS[0], "--min-relevance", "auto", "--json"]) == 0
    assert '"relevance": 0.' in capsys.readouterr().out
