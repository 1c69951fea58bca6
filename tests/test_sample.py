"""Tests of the drawn sample corpus."""

# ruff: noqa: D103 - a test's name says what it tests

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maker.data.query_file import read_query_file
from maker.sample import plan as planning
from maker.sample.backgrounds import PAINTERS
from maker.sample.catalogue import BACKDROPS, COLOURS, KINDS
from maker.sample.corpus import draw_corpus, draw_scene
from maker.sample.objects import OBJECTS
from maker.sample.plan import Scene, plan_corpus, split_triples
from maker.sample.sentences import plural, write_captions
from maker.sample.truth import ABSENT, typed_queries

TRAIN, HELD_OUT, SIZE, SEED = 30, 10, 48, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus on disk."""
    folder = tmp_path_factory.mktemp("corpus")
    draw_corpus(folder, scenes=TRAIN, held_out=HELD_OUT, size=SIZE, seed=SEED)
    return folder


@pytest.fixture(scope="module")
def plan() -> list[Scene]:
    """The full-sized corpus, planned but not drawn."""
    return plan_corpus(2400, 400, 0)


def rows(folder: Path) -> list[dict[str, str]]:
    """Reads the captions."""
    with (folder / "captions.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def words(text: str) -> list[str]:
    """Splits a caption into words."""
    return re.findall(r"[a-z]+(?:-[a-z]+)?", text.lower())


def test_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    captions = draw_corpus(tmp_path, scenes=TRAIN, held_out=HELD_OUT, size=SIZE, seed=SEED)
    assert captions.read_bytes() == (folder / "captions.tsv").read_bytes()
    for row in rows(folder):
        first, second = (np.asarray(Image.open(where / row["image"])) for where in (folder, tmp_path))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_same_seed_gives_the_same_scenes_in_another_process(hash_seed: str) -> None:
    # Sets of strings come in another order in every process, unless their hashes are fixed.
    code = "from maker.sample.plan import plan_corpus; import sys; sys.stdout.write(repr(plan_corpus(30, 10, 3)))"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == repr(plan_corpus(30, 10, 3))


def test_another_seed_gives_other_scenes(folder: Path, tmp_path: Path) -> None:
    captions = draw_corpus(tmp_path, scenes=TRAIN, held_out=HELD_OUT, size=SIZE, seed=SEED + 1)
    assert captions.read_bytes() != (folder / "captions.tsv").read_bytes()


def test_counts_and_split(folder: Path) -> None:
    assert (folder / "captions.tsv").read_text(encoding="utf-8").startswith("image\tsplit\tlang\tcaption\n")
    images = {split: [row["image"] for row in rows(folder) if row["split"] == split] for split in ("train", "val")}
    assert len(images["train"]) == 3 * TRAIN
    assert len(images["val"]) == 3 * HELD_OUT
    assert len(set(images["train"]) | set(images["val"])) == TRAIN + HELD_OUT
    assert {row["lang"] for row in rows(folder)} == {"en"}


def test_folder_holds_images_captions_and_queries_only(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"images", "captions.tsv", "queries.tsv"}
    drawn = {f"images/{path.name}" for path in (folder / "images").iterdir()}
    assert drawn == {row["image"] for row in rows(folder)}


def test_images_open_in_the_size_asked_for(folder: Path) -> None:
    for name in {row["image"] for row in rows(folder)}:
        with Image.open(folder / name) as image:
            assert (image.size, image.mode) == ((SIZE, SIZE), "RGB")
            assert np.asarray(image).std() > 10


def test_progress_sees_every_scene(tmp_path: Path) -> None:
    seen: list[Scene] = []

    def progress(scenes: Iterable[Scene]) -> Iterable[Scene]:
        for scene in scenes:
            seen.append(scene)
            yield scene

    draw_corpus(tmp_path, scenes=3, held_out=2, size=16, progress=progress)
    assert [scene.split for scene in seen] == ["train"] * 3 + ["val"] * 2


def test_held_out_combinations_never_occur_in_training(plan: list[Scene]) -> None:
    seen = {split: set().union(*(s.triples for s in plan if s.split == split)) for split in ("train", "val")}
    assert not seen["train"] & seen["val"]
    assert len(seen["val"]) > 200
    # What is new must be the combination, not its parts: those have to be learned from somewhere.
    for part in range(3):
        assert {triple[part] for triple in seen["val"]} <= {triple[part] for triple in seen["train"]}


def test_scenes_differ_and_vary(plan: list[Scene]) -> None:
    held_out = [scene for scene in plan if scene.split == "val"]
    looks = {(s.background, frozenset((i.kind, i.colour, i.count, i.size) for i in s.items)) for s in held_out}
    assert len(looks) == 400
    assert {scene.background for scene in held_out} == set(BACKDROPS)
    assert {len(scene.items) for scene in plan} == {2, 3, 4}
    assert {item.kind for scene in plan for item in scene.items} == set(KINDS)
    for scene in plan:
        assert len({item.kind for item in scene.items}) == len(scene.items)
        assert len({item.colour for item in scene.items}) == len(scene.items)


def test_captions_name_every_object_with_its_colour(plan: list[Scene]) -> None:
    for scene in plan[::7]:
        captions = write_captions(scene, 0)
        assert len(captions) == 3
        text = " ".join(captions).lower()
        for item in scene.items:
            nouns = [plural(noun) if item.count > 1 else noun for noun in KINDS[item.kind].nouns]
            named = [f"{colour} {noun}" for colour in COLOURS[item.colour][1] for noun in nouns]
            assert any(name in text for name in named), (text, item)
        for caption in captions:
            assert any(place in caption.lower() for place in BACKDROPS[scene.background].places), caption


def test_relations_are_true(plan: list[Scene]) -> None:
    checked = 0
    for scene in plan:
        relation = write_captions(scene, 0)[1].lower()
        if len(scene.items) != 2 or " left of " not in relation:
            continue
        left, right = sorted(scene.items, key=lambda item: item.x)
        before, after = relation.split(" left of ")
        assert set(words(before)) & {n for noun in KINDS[left.kind].nouns for n in (noun, plural(noun))}, relation
        assert set(words(after)) & {n for noun in KINDS[right.kind].nouns for n in (noun, plural(noun))}, relation
        checked += 1
    assert checked > 10


def test_captions_are_tidy_and_varied(plan: list[Scene]) -> None:
    captions = [caption for scene in plan[:400] for caption in write_captions(scene, 0)]
    for caption in captions:
        assert re.fullmatch(r"[A-Z][a-z,: -]+[a-z]\.", caption), caption
        assert "  " not in caption
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption.lower()), caption
        assert 5 <= len(words(caption)) <= 45, caption
    assert len(set(captions)) > 0.97 * len(captions)
    assert len({word for caption in captions for word in words(caption)}) > 120
    # With every colour and noun blanked out, many ways to say it must be left.
    blanks = {w for _, names in COLOURS.values() for name in names for w in words(name)}
    blanks |= {n for kind in KINDS.values() for noun in kind.nouns for n in (noun, plural(noun))}
    frames = {tuple(word for word in words(caption) if word not in blanks) for caption in captions}
    assert len(frames) > 0.7 * len(captions)


def test_every_object_shows_up_on_its_background(plan: list[Scene]) -> None:
    size = 64
    for scene in plan[:60]:
        bare = Scene(scene.name, scene.split, scene.background, ())
        changed = np.abs(np.asarray(draw_scene(scene, size), int) - np.asarray(draw_scene(bare, size), int)).max(2) > 25
        for item in scene.items:
            top, left = int((item.y - item.radius) * size), int((item.x - item.radius) * size)
            across = int(2 * item.radius * size)
            assert changed[max(top, 0) : top + across, max(left, 0) : left + across].mean() > 0.1, (scene.name, item)


def test_queries_are_answered_by_what_is_drawn(plan: list[Scene]) -> None:
    queries = {query.text: query for query in typed_queries(plan)}
    assert {query.kind for query in queries.values()} == {"object", "colour object", "two objects", "counted"}
    by_name = {scene.name: scene for scene in plan}
    for text, shows in {
        "kitten": lambda scene: any(item.kind == "cat" for item in scene.items),
        "yellow car": lambda scene: any((item.kind, item.colour) == ("car", "yellow") for item in scene.items),
        "three fish": lambda scene: any((item.kind, item.count) == ("fish", 3) for item in scene.items),
        "cat and flower": lambda scene: {"cat", "flower"} <= {item.kind for item in scene.items},
    }.items():
        assert list(queries[text].scenes) == [name for name, scene in by_name.items() if shows(scene)]
    assert all(len(query.scenes) >= 5 for query in queries.values())
    assert "fish and car" not in queries  # never drawn together


def test_the_corpus_comes_with_queries_that_evaluate_reads(folder: Path) -> None:
    asked = read_query_file(folder / "queries.tsv")
    expected = typed_queries(plan_corpus(TRAIN, HELD_OUT, SEED))
    assert expected
    assert [(query.text, tuple(query.relevant)) for query in asked] == [(query.text, query.scenes) for query in expected]


def test_nothing_that_is_called_absent_is_in_a_caption(plan: list[Scene]) -> None:
    said = {word for scene in plan for caption in write_captions(scene, 0) for word in words(caption)}
    assert not {query.removeprefix("red ") for query in ABSENT} & said


def test_tables_fit_together() -> None:
    assert set(KINDS) == set(OBJECTS)
    assert set(BACKDROPS) == set(PAINTERS)
    train, held_out = split_triples(0)
    assert not train & held_out
    assert 0.15 < len(held_out) / len(train | held_out) < 0.35


def test_too_many_scenes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "BACKDROPS", {"sea": BACKDROPS["sea"]})
    triples = {("sea", "kite", "red"), ("sea", "boat", "green")}
    assert len(planning.plan_scenes("val", triples, 5, 0)) == 5
    with pytest.raises(ValueError, match="different val scenes"):
        planning.plan_scenes("val", triples, 50, 0)
