"""Phrases mined from captions: what counts as one, what is left out, and which pictures they describe."""

from __future__ import annotations

import numpy as np

from maker.encoders.phrases import mine_phrases


def found(captions, longest=2, least=2, most=1.0):
    """The number of captions of each phrase."""
    phrases = mine_phrases(captions, np.arange(len(captions)), longest, least, most)
    return dict(zip(phrases.texts, phrases.captions.tolist(), strict=True))


def test_phrases_are_as_many_as_a_plain_count_finds():
    rng = np.random.default_rng(0)
    captions = [" ".join(rng.choice(list("abcdef"), rng.integers(1, 7))) for _ in range(60)]
    phrases = mine_phrases(captions, np.arange(60) // 3, longest=3, least=4, most=0.5)
    padded = [f" {text} " for text in captions]
    candidates = {" ".join(text.split()[i : i + n]) for text in captions for n in (1, 2, 3) for i in range(len(text.split()) - n + 1)}
    expected = {c: [i for i, text in enumerate(padded) if f" {c} " in text] for c in candidates}
    expected = {c: held for c, held in expected.items() if 4 <= len(held) <= 30}
    assert set(phrases.texts) == set(expected)
    assert len(phrases.texts) == len(expected)
    for number, text in enumerate(phrases.texts):
        pictures, counts = np.unique(np.array(expected[text]) // 3, return_counts=True)
        assert phrases.captions[number] == len(expected[text])
        assert phrases.pictures_of(number).tolist() == pictures.tolist()
        assert phrases.counts[phrases.starts[number] : phrases.starts[number + 1]].tolist() == counts.tolist()
    assert [sorted(labels) for labels in map(list, phrases.of_pictures(20))] == [
        [n for n in range(len(phrases.texts)) if picture in phrases.pictures_of(n)] for picture in range(20)
    ]


def test_a_caption_counts_once_and_rare_or_too_frequent_phrases_are_left_out():
    captions = ["a dog, a dog", "a cat", "a dog", "a bird"]
    assert found(captions) == {"a": 4, "dog": 2, "a dog": 2}
    assert found(captions, most=0.5) == {"dog": 2, "a dog": 2}  # a frequent word still begins a phrase
    assert found(captions, least=3) == {"a": 4}


def test_no_phrase_crosses_punctuation_or_captions():
    assert "dog cat" not in found(["a dog, cat", "the dog . cat", "one (dog) cat", "dog", "cat"])
    assert found(["red t-shirt"] * 2, longest=3)["red t shirt"] == 2


def test_words_are_folded_and_written_as_most_captions_write_them():
    assert found(["Café noir", "café NOIR", "cafe noir"]) == {"café": 3, "noir": 3, "café noir": 3}


def test_characters_of_scripts_without_spaces_are_words():
    captions = ["雪地里的狗。", "黑狗，雪地", "a 狗"]
    assert found(captions, longest=2) == {"雪": 2, "地": 2, "狗": 3, "雪地": 2}
    assert "狗雪" not in found(["黑狗，雪地", "白狗。雪山"])


def test_captions_without_words_have_no_phrases():
    phrases = mine_phrases(["…", "!"], np.array([0, 1]), least=1)
    assert phrases.texts == []
    assert [labels.tolist() for labels in phrases.of_pictures(2)] == [[], []]
    assert mine_phrases([], np.zeros(0, int)).texts == []


def test_endings_tell_words_that_only_lead_to_others():
    captions = ["the dog, the cat", "a cat on the mat.", "the dog runs"]
    phrases = mine_phrases(captions, np.arange(3), 2, 1, 1.0)
    endings = dict(zip(phrases.texts, phrases.endings.tolist(), strict=True))
    assert endings["the"] == 0
    assert endings["cat"] == 0.5
    assert endings["the dog"] == 0.5
    assert endings["mat"] == endings["the mat"] == 1
