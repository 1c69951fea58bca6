"""The shared overlays: written alike, read alike, and refused alike. JavaScript and Kotlin are asked the same."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))
from task.errors import DamagedFileError, InvalidArgumentError, NewerFormatError
from task.format import facts, overlay_file
from task.format.lexical import LexicalIndex
from tests.overlays.cases import FILE, apply, entries, opened, pack, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overlays")
    write(path)
    return path


@pytest.fixture(scope="module")
def content(folder):
    return json.loads((folder / FILE).read_text(encoding="utf-8"))


def test_the_overlays_are_written_again_byte_for_byte(folder, content, tmp_path):
    for case in content["cases"]:
        with opened(folder / case["base"], case["start"] and folder / case["start"]) as searcher:
            for operation in case["operations"]:
                apply(searcher, operation, folder)
            searcher.save_overlay(str(tmp_path / "by operations"))
        with opened(folder / case["base"], folder / case["file"]) as searcher:
            searcher.save_overlay(str(tmp_path / "by reading"))
        expected = (folder / case["file"]).read_bytes()
        assert (tmp_path / "by operations").read_bytes() == expected, case["name"]
        assert (tmp_path / "by reading").read_bytes() == expected, case["name"]


def test_they_answer_after_reading_as_before_writing(folder, content):
    for case in content["cases"]:
        with opened(folder / case["base"], folder / case["file"]) as searcher:
            for asked in case["answers"]:
                given = {key: asked[key] for key in ("allowed", "where") if key in asked}
                found = searcher.search_embedding(np.array(asked["query"], np.float32), **given).nearest_neighbors
                if "first" in asked:
                    assert [found[0].id] == asked["first"], case["name"]
                    continue
                assert [one.id for one in found] == asked["ids"], case["name"]
                np.testing.assert_allclose([one.distance for one in found], asked["distances"], atol=1e-4, rtol=1e-5)


def test_every_case_finds_what_it_added(folder, content):
    """So that the set itself tests something: the nearest to an added vector is that item, where it was not removed."""
    names = {case["name"]: case for case in content["cases"]}
    for name, answer, item in [("added", 2, 96 + 3), ("facts", 0, 96), ("again", 5, 105), ("many", 2, 96 + 4200), ("many", 0, None)]:
        asked = names[name]["answers"][answer]
        first = (asked.get("ids") or asked["first"])[0]
        assert first == item if item else first != 100


def test_float_rows_beside_an_8_bit_searcher_are_rounded_when_they_are_read(folder, content):
    added = (folder / "added.overlay").read_bytes()
    assert (folder / "old.overlay").read_bytes() == added
    assert (folder / "floats-in.overlay").read_bytes() == added


def test_damaged_overlays_are_refused_with_a_sentence(folder, content):
    assert len(content["refused"]) > 20
    for case in content["refused"]:
        kinds = NewerFormatError if case["newer"] else (DamagedFileError, InvalidArgumentError)
        with pytest.raises(kinds) as raised:
            opened(folder / case["base"], folder / case["file"])
        message = str(raised.value)
        assert case["file"] in message, case["why"]
        assert "\n" not in message
        assert len(message) < 400


def test_the_bytes_stay_those_of_this_release(tmp_path):
    """Values that are written down, so that every machine and every later release has to give these bytes."""
    rows, scales = overlay_file.quantise(np.array([[0.5, -1.5, 2.5, 127], [0, 0, 0, 0], [1e-44, 0, 0, 0], [0.1, 0.2, -0.3, 0]], np.float32))
    assert rows[:2].tolist() == [[0, -2, 2, 127], [0, 0, 0, 0]]  # halves go to the even one
    assert scales[:3].tolist() == [1, 1, 1]
    content = overlay_file.OverlayContent(
        base="0123456789abcdef" * 4,
        items=7,
        next_id=12,
        rows=rows,
        scales=scales,
        ids=np.array([7, 8, 10, 11]),
        metadata=[b"a.jpg", b"", "Å".encode(), b"\xff"],
        removed=np.array([0, 6]),
        facts={"größe": facts.numbers([1.5, None, 3, -0.0]), "tags": facts.tags([["b", "a"], [], ["a"], ["猫"]])},
        lexical=LexicalIndex.of(np.array([5, 3, 3], np.uint32), np.array([0, 0, 2]), 4, leave_out=False),
    )
    overlay_file.write(tmp_path / "o", content)
    assert hashlib.sha256((tmp_path / "o").read_bytes()).hexdigest() == "a9484053cad9ca5b6227d9dde33d2d583683485a4db2063855d1d05a509a1895"


def test_columns_stay_in_the_order_in_which_they_came(folder):
    columns = json.loads(entries(folder / "facts.overlay")["facts.json"])["columns"]
    first = ["stars", "album", "tags", "taken", "ratio", "größe", "camera", "bytes", "people", "lat", "lon"]
    assert [column["name"] for column in columns] == first


def test_every_code_of_a_file_is_written_again_as_it_was(folder, tmp_path):
    """The lowest code too, which no writer makes."""
    parts = entries(folder / "added.overlay")
    codes = np.frombuffer(parts[overlay_file.CODES], np.int8).copy()
    codes[: 2 * 128] = np.arange(-128, 128)
    pack(tmp_path / "all.overlay", parts | {overlay_file.CODES: codes.tobytes()})
    with opened(folder / "asked.tflite", tmp_path / "all.overlay") as searcher:
        searcher.save_overlay(str(tmp_path / "again.overlay"))
    assert (tmp_path / "again.overlay").read_bytes() == (tmp_path / "all.overlay").read_bytes()


def test_a_column_whose_unknown_values_went_with_their_items_is_written_as_known():
    column = facts.Numbers(np.array([1.0, 2.0]), np.array([True, False])).take(np.array([0]))
    assert facts.encode({"n": column}, 1) == facts.encode({"n": facts.numbers([1.0])}, 1)
