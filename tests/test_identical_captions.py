"""Captions that stand for several images: each of the images counts as right, beside the strict figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from maker.cli import main
from maker.evaluation.identical_captions import lenient_figures, lenient_ranks, repeated_captions
from maker.training.metrics import ranks

TEXTS = ["a dog", "a cat", "a dog", "a red boat", "a dog"]
IMAGES = np.array([3, 1, 0, 2, 3])


def test_a_caption_of_several_images_has_them_all():
    found = repeated_captions(TEXTS, IMAGES)
    assert {number: images.tolist() for number, images in found.items()} == {0: [0, 3], 2: [0, 3], 4: [0, 3]}


def test_captions_that_repeat_for_one_image_only_are_none():
    assert not repeated_captions(["a dog", "a dog", "a cat"], np.array([3, 3, 1]))


def test_few_repeated_captions_are_not_worth_a_line():
    texts = [str(number) for number in range(300)]
    assert not repeated_captions([*texts, "0"], np.arange(301))
    assert len(repeated_captions([*texts, "0", "1", "2"], np.arange(303))) == 6


def test_the_best_image_of_a_caption_counts(rng):
    items = rng.standard_normal((6, 8)).astype(np.float32)
    queries = rng.standard_normal((5, 8)).astype(np.float32)
    strict = ranks(queries, items, IMAGES)
    lenient = lenient_ranks(strict, repeated_captions(TEXTS, IMAGES), queries, items)
    order = [np.argsort(-items @ query).tolist() for query in queries]
    expected = [min(order[q].index(i) for i in (0, 3)) if TEXTS[q] == "a dog" else order[q].index(IMAGES[q]) for q in range(5)]
    assert lenient.tolist() == expected
    figures = lenient_figures(lenient, IMAGES, repeated_captions(TEXTS, IMAGES), 6)
    assert figures["captions"] == 3
    assert not [name for name in figures if name.endswith("_chance")]


@pytest.mark.parametrize("towers", [True, False])
def test_both_figures_are_shown_where_captions_repeat(encoder, photos, tmp_path, capsys, towers):
    searcher = tmp_path / "s.tflite"
    assert main(["embed", str(encoder), str(photos), "--kind", "image", "--output", str(tmp_path / "e.npy")]) == 0
    names = sorted(path.name for path in photos.glob("*.png"))
    (tmp_path / "items.txt").write_text("\n".join(names))
    inputs = ["--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "items.txt"), "--embedder", str(encoder)]
    assert main(["index", *inputs, "--output", str(searcher)]) == 0
    command = ["evaluate", str(searcher), "--images", str(photos), "--captions", str(photos / "captions.tsv")]
    command += [] if towers else ["--no-towers"]
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    for source in ("file", "towers") if towers else ("file",):
        strict = figures[source]["text_to_image"]
        lenient = strict["identical_captions"]
        assert lenient["captions"] == 48
        assert lenient["R@10"] > strict["R@10"]
        assert lenient["R@1"] >= strict["R@1"]
    assert main(command) == 0
    assert "any image of the same caption" in capsys.readouterr().out
