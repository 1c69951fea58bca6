"""The fit of what a query says: it learns from absent things, hears words that nothing shows, and is measured on what it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from maker.data.captions import Caption
from maker.evaluation.asked import Asked, Question, ask, caption_questions, typed_questions
from maker.evaluation.found import AskedQueries, fit_found, shift
from maker.evaluation.judged import Predicted, measure_predicted
from maker.evaluation.shared_words import SharedWords
from maker.evaluation.typed_queries import ONE_WORD, TypedQuery
from maker.evaluation.word_probes import fit_probes
from task.processor.relevance import FoundCurve

WORDS, DIMENSION = 40, 24


@pytest.fixture(scope="module")
def world():
    """Pictures of two words each; a caption names both, a typed query one. An embedding is the sum of its words, with noise."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((WORDS, DIMENSION)).astype(np.float32)
    shown = np.array([rng.choice(WORDS, 2, replace=False) for _ in range(600)])
    items = unit(vectors[shown].sum(axis=1) + 1.2 * rng.standard_normal((600, DIMENSION)))
    captions = [
        Caption(f"{n:03d}", f"a {spell(one)} near the {spell(other)}" if k else f"the {spell(other)} by a {spell(one)}", "val", "en", n)
        for n, (one, other) in enumerate(shown)
        for k in range(2)
    ]
    texts = unit(np.repeat(vectors[shown].sum(axis=1), 2, axis=0) + 0.8 * rng.standard_normal((1200, DIMENSION)))
    rows = np.zeros((1200, 6), np.int32)
    rows[:, :2] = 1 + np.repeat(shown, 2, axis=0)
    return captions, items, texts, rows, {spell(word): word + 1 for word in range(WORDS)}, unit(vectors)


def spell(word):
    return "thing" + chr(97 + word // 26) + chr(97 + word % 26)


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def probes(world):
    captions, items, _, _, spelt, _ = world
    found = fit_probes(captions, {f"{n:03d}": n for n in range(600)}, items, spelt)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def asked(world, probes):
    """All captions, and a query for each word."""
    captions, items, texts, rows, _, vectors = world
    words = SharedWords(captions)
    showing = [np.flatnonzero((rows[::2, :2] == word + 1).any(axis=1)) for word in range(WORDS)]
    typed = [TypedQuery(spell(word), ONE_WORD, "en", showing[word], showing[word]) for word in range(WORDS)]
    questions = [*caption_questions(captions, words), *typed_questions(typed, words)]
    short = np.zeros((WORDS, 6), np.int32)
    short[:, 0] = 1 + np.arange(WORDS)
    embeddings, every = np.concatenate([texts, vectors]), np.concatenate([rows, short])
    return AskedQueries(questions, embeddings, every, ask(questions, embeddings, every, items, probes))


@pytest.fixture(scope="module")
def fitted(world, asked, probes):
    made = fit_found(asked, world[1], probes.table(world[1], WORDS + 1))
    assert made is not None
    return made


def test_probes_tell_pictures_of_a_word_from_others(world, probes):
    _, items, _, rows, _, _ = world
    assert len(probes.rows) == WORDS
    for place, row in enumerate(probes.rows):
        shows = (rows[::2] == row).any(axis=1)
        scores = items @ probes.directions[place] - probes.offsets[place]
        assert np.median(scores[shows]) == pytest.approx(0, abs=1e-3)
        assert scores[~shows].std() == pytest.approx(1, rel=0.01)
        assert scores[~shows].mean() < -1


def test_the_evidence_of_a_word_falls_where_its_pictures_are_gone(world, probes):
    _, items, _, rows, _, _ = world
    whole = probes.evidence(items)
    for place, row in enumerate(probes.rows[:10]):
        left = ~(rows[::2] == row).any(axis=1)
        without = probes.evidence(items[left])
        assert without[place] < whole[place] - 0.2
    table = probes.table(items, WORDS + 5)
    np.testing.assert_allclose(table.table[probes.rows, 0], whole, rtol=1e-5)
    assert table.table[:, 1].sum() == WORDS


def test_words_that_nobody_agrees_on_have_no_probe(world):
    captions, items, _, _, spelt, _ = world
    assert fit_probes(captions, {f"{n:03d}": n for n in range(600)}, items, {"a": 1, "near": 2}) is None
    assert fit_probes(captions, {f"{n:03d}": n for n in range(600)}, items, {}) is None
    assert fit_probes([], {}, items, spelt) is None


def test_results_are_those_of_exact_search_with_and_without_the_thing(world, asked):
    _, items, texts, rows, _, _ = world
    results = asked.asked
    scores = texts[7] @ items.T
    np.testing.assert_allclose(results.distances[7], np.sort(-scores)[:10], atol=1e-5)
    # Both words are as frequent as the other captions say; the thing is the rarer one.
    missing = [np.sort(-scores[~(rows[::2] == row).any(axis=1)])[:10] for row in rows[7, :2]]
    assert min(np.abs(results.absent[7] - one).max() for one in missing) < 1e-5
    assert (results.absent_words[:, 0] < results.words[:, 0]).mean() > 0.95


def test_a_fit_tells_absent_things_better_than_the_first_distance(world, asked, fitted):
    _, items, _, _, _, _ = world
    first = asked.asked.distances[:, 0], asked.asked.absent[:, 0]
    plain = (first[0][:, None] < first[1][None]).mean()
    assert fitted.measured["absent_auc"] > plain + 0.05
    at = fitted.measured["at_cut"]
    assert at["recall_kept"] == pytest.approx(0.9, abs=0.01)
    assert fitted.measured["expected_calibration_error"] < 0.05
    assert set(fitted.measured["by_length"]) == {"captions", ONE_WORD}
    without_words = fit_found(AskedQueries(asked.questions, asked.embeddings, None, asked.asked), items, None)
    assert without_words.measured["absent_auc"] < fitted.measured["absent_auc"]
    assert without_words.evidence.words is None


def test_the_parts_of_the_fit_add_up_to_its_predictions(asked, fitted):
    """What graph and manifest hold gives queries whose thing is there a larger `found`, as was measured."""
    said = fitted.evidence(asked.embeddings, asked.rows)[:, 0]

    def found(distances, evidence):
        return evidence + np.stack([distances[:, 0], distances.mean(axis=1), distances[:, -1]], axis=1) @ fitted.described["shows"]

    gate = np.log(fitted.described["gate"] / (1 - fitted.described["gate"]))
    kept = np.repeat(found(asked.asked.distances, said) >= gate, asked.asked.relevant.sum(axis=1)).mean()
    assert kept == pytest.approx(0.92, abs=0.03)
    assert found(asked.asked.absent, said).mean() < found(asked.asked.distances, said).mean() - 0.5


def test_what_was_removed_cannot_be_seen_but_in_the_results(world):
    """The covariance and the mean are those of all items, whether the thing was removed or not: they must not betray the removal."""
    _, items, texts, _, _, _ = world
    rng = np.random.default_rng(0)
    distances = np.sort(-np.abs(rng.standard_normal((1200, 10))), axis=1).astype(np.float32)
    same = Asked(
        distances,
        rng.random((1200, 10)) < 0.5,
        distances[rng.permutation(1200)],
        np.zeros((1200, 2)),
        np.zeros((1200, 2)),
        np.full(1200, 600),
    )
    questions = [Question("", "captions", n, lambda images: images < 0, lambda: None) for n in range(1200)]
    fitted = fit_found(AskedQueries(questions, texts, None, same), items, None)
    assert fitted is None or abs(fitted.measured["absent_auc"] - 0.5) < 0.05


def test_that_fewer_pictures_are_left_says_nothing(world):
    """Random pictures are removed in the place of the thing's."""
    _, items, texts, _, _, _ = world
    rng = np.random.default_rng(0)

    def without(n):
        left = np.zeros(600, bool)
        left[rng.choice(600, rng.integers(200, 500), replace=False)] = True
        return left

    noise = unit(rng.standard_normal(items.shape))
    questions = [Question("", "captions", n, lambda images: np.arange(len(images)) < 3, lambda n=n: without(n)) for n in range(1200)]
    asked = ask(questions, texts, None, noise, None)
    assert asked.left.mean() == pytest.approx(350, abs=10)
    assert (asked.absent[:, 0] > asked.distances[:, 0]).mean() > 0.3
    assert abs(fit_found(AskedQueries(questions, texts, None, asked), noise, None).measured["absent_auc"] - 0.5) < 0.1


def test_a_fit_holds_among_other_and_more_items(world, probes):
    captions, items, texts, rows, _, _ = world

    def ask_about(pictures):
        names = {f"{n:03d}" for n in pictures}
        chosen = [n for n, c in enumerate(captions) if c.image in names]
        words = SharedWords([captions[n] for n in chosen])
        questions = caption_questions([captions[n] for n in chosen], words)
        return AskedQueries(questions, texts[chosen], rows[chosen], ask(questions, texts[chosen], rows[chosen], items[pictures], probes))

    few, many = ask_about(np.arange(200)), ask_about(np.arange(200, 600))
    fitted = fit_found(few, items[:200], probes.table(items[:200], WORDS + 1))
    evidence = fitted.moved(200, items[200:], probes.table(items[200:], WORDS + 1))
    curve = FoundCurve.of(fitted.described)

    def judge(said):
        answers = [curve.judge(numbers.tolist(), distances.tolist()) for numbers, distances in zip(said, many.asked.distances, strict=True)]
        passing = np.array([found >= curve.gate for found, _ in answers])
        counts = many.asked.relevant.sum(axis=1)
        error = abs(np.mean([relevance for _, relevance in answers]) - many.asked.relevant.mean())
        return (passing * counts).sum() / counts.sum(), error

    kept, error = judge(evidence(many.embeddings, many.rows))
    assert 0.86 < kept < 1
    assert error < 0.05
    same = fitted.moved(200, items[:200], fitted.evidence.words)(texts, rows)
    np.testing.assert_allclose(same, fitted.evidence(texts, rows), atol=1e-6)


def test_more_items_have_nearer_results():
    assert (shift(100, 1000) > 0).all()
    assert shift(500, 500).tolist() == [0, 0, 0]
    rng = np.random.default_rng(0)
    few, many = (np.sort(rng.standard_normal((2000, count)), axis=1)[:, ::-1][:, :10].mean(axis=0) for count in (100, 1000))
    expected = [many[0] - few[0], many.mean() - few.mean(), many[9] - few[9]]
    np.testing.assert_allclose(shift(100, 1000), expected, atol=0.05)


def test_too_few_queries_fit_nothing(world, asked):
    _, items, _, _, _, _ = world
    few = Asked(*(getattr(asked.asked, name)[:60] for name in asked.asked.__dataclass_fields__))
    assert fit_found(AskedQueries(asked.questions[:60], asked.embeddings[:60], None, few), items, None) is None


def test_gate_and_cut_share_what_is_lost():
    rng = np.random.default_rng(3)
    p, passing = rng.random((4000, 10)), rng.random(4000)
    predicted = Predicted(p, passing, rng.random((4000, 10)) < p, p[:, :1], np.where(rng.random(4000) < 0.5, passing, np.nan))
    gate, cut = predicted.gate_and_cut(0.9, 0.8)
    assert np.repeat(passing >= gate, predicted.relevant.sum(axis=1)).mean() == pytest.approx(0.92, abs=0.001)
    measured = measure_predicted(predicted, gate, cut, 0.8)
    assert measured["at_cut"]["recall_kept"] == pytest.approx(0.9, abs=0.001)
    assert measured["expected_calibration_error"] < 0.02
    assert measured["absent_auc"] == pytest.approx(0.5, abs=0.02)
    assert "trade" not in measure_predicted(predicted, gate, cut, 0.8, short=True)
