"""Queries as people type them: which words of captions become some, which pictures they fit, and how answers to them are measured."""

from __future__ import annotations

import numpy as np
import pytest

from maker.data.captions import Caption
from maker.evaluation.typed_figures import in_words, measure_typed
from maker.evaluation.typed_queries import MORE_WORDS, ONE_WORD, TypedQuery, typed_queries

THINGS = ("dog", "boat", "kite", "horse", "train")
PLACES = ("beach", "street", "field", "forest")
FRAMES = ("a {} on the {}", "the {} near a {}", "a {} at the {}", "there is a {} by the {}", "this {} in a {}")


def captions(pictures=200, each=5, language="en", frames=FRAMES):
    """Pictures of a thing at a place; each caption says both, but takes its other words as they come."""
    rng = np.random.default_rng(3)
    made = []
    for number in range(pictures):
        thing, place = THINGS[number % len(THINGS)], PLACES[number % len(PLACES)]
        for _ in range(each):
            text = frames[rng.integers(len(frames))].format(thing, place)
            made.append(Caption(f"{number}.png", text, "val", language, 1))
    return made, [f"{number}.png" for number in range(pictures)]


def test_queries_are_what_people_agree_on_and_not_the_words_between():
    queries = typed_queries(*captions())
    assert {q.text for q in queries if q.length == ONE_WORD} >= set(PLACES)
    assert not {"a", "the", "on", "near", "this", "is", "there", "at"} & {q.text for q in queries}
    assert all(q.text.split()[0] in THINGS + PLACES for q in queries)


def test_with_one_caption_a_picture_words_that_never_end_a_caption_are_no_queries():
    queries = typed_queries(*captions(each=1))
    assert {q.text for q in queries} >= set(PLACES)
    assert not {"a", "the", "on", "near"} & {q.text for q in queries}
    assert all(np.array_equal(q.pictures, q.mentioned) for q in queries)


def test_pairs_of_words_that_stand_in_the_same_captions_are_queries():
    made, images = captions()
    made = [
        *made,
        *(Caption(c.image, f"{c.text.split()[-1]}, {word}", "val", "en", 1) for c in made for word in c.text.split() if word in THINGS),
    ]
    pair = next(q for q in typed_queries(made, images) if set(q.text.split()) == {"dog", "beach"})
    assert pair.length == MORE_WORDS
    assert pair.pictures.tolist() == [n for n in range(200) if n % 5 == 0 and n % 4 == 0]


def test_a_picture_fits_if_a_third_of_its_captions_hold_the_words():
    holding = {0: 5, 1: 4, 2: 3, 3: 3, 4: 2, 5: 2, 6: 1, 7: 1}  # of five captions
    made = [
        Caption(f"{number}", f"{['a', 'one', 'the'][place % 3]} {'zebra' if place < holding.get(number, 0) else 'sky'}", "val", "en", 1)
        for number in range(60)
        for place in range(5)
    ]
    (zebra,) = [q for q in typed_queries(made, [f"{number}" for number in range(60)]) if q.text == "zebra"]
    assert zebra.pictures.tolist() == [0, 1, 2, 3, 4, 5]
    assert zebra.mentioned.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_languages_have_their_own_queries_and_chinese_words_have_two_characters():
    english, images = captions()
    chinese = [
        Caption(c.image, f"{'狗马船鸟车'[n // 5 % 5]}在{('海边', '街道', '草地', '森林')[n // 5 % 4]}。", "val", "zh", 1)
        for n, c in enumerate(english)
    ]
    queries = typed_queries([*english, *chinese], images)
    assert {q.language for q in queries} == {"en", "zh"}
    texts = {q.text: q for q in queries if q.language == "zh"}
    assert texts["海边"].length == ONE_WORD
    assert "在" not in texts


def test_the_same_captions_give_the_same_queries_and_no_captions_none():
    first, second = typed_queries(*captions()), typed_queries(*captions())
    assert [(q.text, q.pictures.tolist()) for q in first] == [(q.text, q.pictures.tolist()) for q in second]
    assert typed_queries([], []) == []
    assert typed_queries(*captions(pictures=3)) == []  # no word fits five pictures


def query(text, length, pictures):
    return TypedQuery(text, length, "en", np.array(pictures), np.array(pictures))


def test_precision_counts_as_many_results_as_fit():
    items = np.eye(8, dtype=np.float32)
    scores = np.array([[8, 7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7, 8]], np.float32)
    queries = [query("dog", ONE_WORD, [0, 1, 2, 3, 7]), query("red dog", MORE_WORDS, [6, 7])]
    figures = measure_typed(queries, scores, items, "the images", np.array([True, False]))
    assert figures["one_word"]["P@5"] == figures["one_word"]["P@10"] == 80  # four of the first five; ten are more than fit
    assert figures["two_to_three_words"]["P@5"] == 100
    assert (figures["one_word"]["answered"], figures["two_to_three_words"]["answered"]) == (100, 0)
    assert in_words(figures["one_word"]) == "P@5 80.0 %  P@10 80.0 %, 100.0 % answered"
    assert figures["images"] == 8
    assert figures["how"].startswith("the images; ")
    assert measure_typed([], scores, items, "") == {}


@pytest.mark.parametrize("answered", [None, np.array([True])])
def test_answers_are_left_out_where_they_are_unknown(answered):
    figures = measure_typed([query("dog", ONE_WORD, [0])], np.ones((1, 2), np.float32), np.eye(2, dtype=np.float32), "", answered)
    assert ("answered" in figures["one_word"]) == (answered is not None)
