"""Figures of few pictures: chance beside them, honest intervals, and which pictures were held out."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maker.cli import main
from maker.encoders.embedder import embedder_manifest
from maker.evaluation.item_splits import ItemSplits
from maker.training.metrics import best_epoch, chance, few_images, interval, mean_interval, retrieval, selects_by
from maker.training.options import TrainingOptions
from task.text import TextSearcher

ITEMS = 40


def test_chance_is_what_a_random_order_finds(rng):
    positives = rng.integers(1, 6, 3)
    found = []
    for _ in range(20_000):
        order = rng.permutation(ITEMS)
        found.append([(order[:10] < p).any() for p in positives])
    assert chance(10, ITEMS, positives) == pytest.approx(100 * np.mean(found), abs=1)
    assert chance(10, ITEMS) == 25
    assert chance(10, 8) == 100
    assert chance(10, 8, np.array([1, 8])) == 100


def test_figures_hold_the_chance_of_each():
    figures = retrieval(np.array([0.0, 3.0]), np.arange(2), items=20)
    assert [figures[f"R@{k}_chance"] for k in (1, 5, 10)] == [5, 25, 50]


def test_few_hits_out_of_few_tries_prove_little():
    low, high = interval(np.zeros(12), np.arange(12), 10)
    assert high == 100
    assert low == pytest.approx(75.75, abs=0.05)  # Wilson's interval of 12 of 12
    low, high = interval(np.array([0.0]), np.array([0]), 10)
    assert (low, high) == (pytest.approx(20.65, abs=0.05), 100)
    low, high = mean_interval(np.array([0.25, 0.5]), np.arange(2), 4, largest=1)
    assert 0 < low < 0.375 < high < 1


def test_the_interval_of_few_images_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(2000):
        low, high = interval(np.where(rng.random(15) < 0.85, 0.0, 99.0), np.arange(15), 10)
        held += low <= 85 <= high
    assert held / 2000 > 0.93


def test_below_a_hundred_images_figures_come_with_a_warning():
    assert "only 12 held-out images" in few_images({"images": 12, "R@10_chance": 83.3})
    assert "R@10 83 %" in few_images({"images": 12, "R@10_chance": 83.3})
    assert few_images({"images": 100, "R@10_chance": 10.0}) == ""


def test_among_few_images_the_best_epoch_has_the_best_reciprocal_rank():
    history = [{"epoch": 1, "R@10": 100.0, "MRR": 0.4}, {"epoch": 2, "R@10": 99.0, "MRR": 0.8}, {"epoch": 3, "R@10": 100.0, "MRR": 0.6}]
    assert best_epoch(history, selects_by(12))["epoch"] == 2
    assert best_epoch(history, selects_by(100))["epoch"] == 3  # of equal R@10, the larger MRR
    assert best_epoch([{"epoch": 1}], "R@10") is None


def test_the_splits_of_items_come_back_from_the_manifest(rng):
    splits = ItemSplits(rng.random(77) < 0.8, rng.random(77) < 0.1, "random")
    back = ItemSplits.decode({"splits": json.loads(json.dumps(splits.encode()))}, 77)
    assert back is not None
    assert np.array_equal(back.trained_on, splits.trained_on)
    assert np.array_equal(back.held_out, splits.held_out)
    assert back.how == "random"
    assert ItemSplits.decode({}, 77) is None


def main_output(arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(arguments) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Forty pictures of four colours, one of them without a caption, a table without splits, and the searcher and output of its build."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "photos").mkdir()
    colours = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
    lines = ["image\tcaption"]
    for number in range(ITEMS):
        name, colour = list(colours.items())[number % 4]
        noise = np.random.default_rng(number).integers(-20, 20, (20, 30, 3))
        Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(folder / "photos" / f"{number:02d}.png")
        if number:
            lines += [f"{number:02d}.png\ta plain {name} picture", f"{number:02d}.png\tsomething all {name}"]
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def built(album):
    """What the build prints, for people and as figures."""
    arguments = ["build", "--images", str(album / "photos"), "--captions", str(album / "captions.tsv"), "--output", str(album / "s.tflite")]
    arguments += ["--epochs", "2", "--min-steps", "20", "--dimension", "16", "--overwrite"]
    return main_output(arguments), json.loads(main_output([*arguments, "--json"]))


def held_out():
    """The pictures that the seeded random split holds out."""
    return set(random.Random(0).sample([f"{n:02d}.png" for n in range(1, ITEMS)], 3))


def test_the_summary_of_a_build_says_chance_and_what_r_at_10_is(built):
    printed, figures = built
    assert re.search(r"R@10 [\d.]+ % \(by chance 25\.0 %\)", printed)  # ten of forty: training pictures are searched too
    assert "R@10 is the share of captions whose own picture is among the first ten results" in printed
    assert "6 held-out captions of 3 images, searched among 40 images" in printed
    assert "warning: only 3 held-out images, fewer than 100" in printed
    assert figures["retrieval"]["R@10_chance"] == 25
    assert "none: 6 held-out captions are too few to fit a relevance curve" in printed
    assert "36 training pictures are few for an image tower from scratch" in printed
    low, high = figures["retrieval"]["R@10_interval"]
    assert high - low > 40


def test_the_card_and_the_report_say_it_too(built, album):
    for document in ("s.card.md", "s.report.html"):
        text = (album / document).read_text()
        assert "only 3 held-out images" in text
        assert "by chance" in text


def test_few_pictures_are_passed_over_until_the_least_steps_are_taken(built, album):
    training = embedder_manifest(album / "s.tflite").training
    assert training["options"]["min_steps"] == 20
    assert [entry["epoch"] for entry in training["history"]] == [1, 2]
    assert training["selected_by"] == "MRR"
    from maker.training.loop import EncodedSplit, _Feed
    from maker.training.replicas import Replicas

    few = _Feed(EncodedSplit(None, np.repeat(np.arange(36), 2)), None, TrainingOptions(epochs=2, batch_size=18, min_steps=20), Replicas())
    assert (few.passes, few.steps) == (3, 12)  # a pass takes two captions of 36 images, in batches of 18
    many = replace(few, options=replace(few.options, min_steps=8))
    assert (many.passes, many.steps) == (1, 4)


def test_the_random_split_has_a_name(built, album):
    arguments = ["evaluate", str(album / "s.tflite"), "--images", str(album / "photos"), "--captions", str(album / "captions.tsv")]
    figures = json.loads(main_output([*arguments, "--split", "held-out", "--no-towers", "--json"]))
    assert (figures["queries"], figures["images"], figures["trained_on"]) == (2 * len(held_out()), 3, 0)


def test_evaluating_training_pictures_is_said(built, album):
    arguments = ["evaluate", str(album / "s.tflite"), "--images", str(album / "photos"), "--captions", str(album / "captions.tsv")]
    printed = main_output([*arguments, "--no-towers"])
    assert "Warning: 72 of the captions are of images that were trained on" in printed
    assert "by chance" in printed


def test_a_split_that_the_table_lacks_names_the_random_one(built, album, capsys):
    arguments = ["evaluate", str(album / "s.tflite"), "--images", str(album / "photos"), "--captions", str(album / "captions.tsv")]
    assert main([*arguments, "--split", "val"]) == 1
    error = capsys.readouterr().err
    assert "no split column" in error
    assert "--split held-out" in error


def test_a_file_that_does_not_say_what_was_held_out_refuses_the_name(searcher_file, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "c.tsv").write_text("image\tcaption\nimages/1.png\ta kite\n")
    arguments = ["evaluate", str(searcher_file), "--images", str(tmp_path), "--captions", str(tmp_path / "c.tsv"), "--no-towers"]
    assert main([*arguments, "--split", "held-out"]) == 1
    assert "does not say which pictures were held out" in capsys.readouterr().err
    assert main(arguments) == 0
    assert "The file does not say which images were trained on" in capsys.readouterr().out


def test_a_report_draws_its_figures_from_what_was_held_out(built, album, capsys):
    arguments = ["report", str(album / "s.tflite"), "--images", str(album / "photos"), "--captions", str(album / "captions.tsv")]
    assert main([*arguments, "--output", str(album / "r.html")]) == 0
    assert "6 held-out captions" in capsys.readouterr().err
    table = album / "splits.tsv"
    rows = (album / "captions.tsv").read_text().splitlines()
    table.write_text("\n".join(["image\tcaption\tsplit", *(f"{row}\tall" for row in rows[1:])]) + "\n")
    arguments[arguments.index(str(album / "captions.tsv"))] = str(table)
    assert main([*arguments, "--split", "all", "--output", str(album / "all.html")]) == 0
    page = (album / "all.html").read_text()
    assert "72 of 78 are of pictures that were trained on" in page
    assert "Held-out captions" not in page


def test_a_merged_searcher_knows_the_splits_of_the_items_that_it_kept(built, album, tmp_path):
    shutil.copy(album / "s.tflite", tmp_path / "s.tflite")
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as opened:
        opened.remove(int(min(held_out()).removesuffix(".png")))
        opened.add("a lilac picture", b"added")
        opened.save_overlay(str(tmp_path / "o.overlay"))
    arguments = ["index", "--update", str(tmp_path / "s.tflite"), "--overlay", str(tmp_path / "o.overlay"), "--output"]
    assert main([*arguments, str(tmp_path / "merged.tflite")]) == 0
    manifest = embedder_manifest(tmp_path / "merged.tflite")
    splits = ItemSplits.decode(manifest.report, manifest.items)
    assert (splits.trained_on.sum(), splits.held_out.sum()) == (36, 2)
    assert not splits.trained_on[-1]
    names = [name for name in (f"{n:02d}.png" for n in range(ITEMS)) if name != min(held_out())]
    assert {names[i] for i in np.flatnonzero(splits.held_out)} == held_out() - {min(held_out())}


def test_towers_of_a_searcher_over_other_items_say_nothing_of_splits(built, album, tmp_path):
    np.save(tmp_path / "e.npy", np.eye(16, dtype=np.float32))
    (tmp_path / "e.txt").write_text("\n".join(map(str, range(16))))
    arguments = ["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "e.txt"), "--output"]
    assert main([*arguments, str(tmp_path / "other.tflite"), "--embedder", str(album / "s.tflite")]) == 0
    assert "splits" not in embedder_manifest(tmp_path / "other.tflite").report
