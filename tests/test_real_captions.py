"""Captions files as programs and people write them: nothing is cut, merged or lost without a line in the rejects."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from maker.data.captions import open_captions, read_captions
from maker.data.formats import recognise
from maker.data.images import load_image
from maker.errors import DataError
from maker.workspace import Rejects


def read(path: Path, content: str | bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Image and text of each caption, and place and reason of each reject."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rejects = Rejects()
    captions = read_captions(path, rejects)
    return [(c.image, c.text) for c in captions], [(place, reason) for _, place, reason in rejects.rows]


A_CAT, A_DOG = ("a.png", "a cat, black"), ("b.png", "a dog")


@pytest.mark.parametrize(
    "content",
    [
        '"image","caption"\n"a.png","a cat, black"\n"b.png","a dog"\n',  # R, pandas, databases
        '﻿image,caption\r\na.png,"a cat, black"\r\nb.png,a dog\r\n',  # Excel
        "image;caption\na.png;a cat, black\nb.png;a dog\n",  # Excel where the decimal mark is a comma
        '"image"\t"caption"\n"a.png"\t"a cat, black"\n"b.png"\t"a dog"\n',
        "Filename,Description\na.png,a cat, black\nb.png,a dog\n",
        "image,caption\na.png,a cat, black,,\nb.png,a dog,,\n".replace("a cat, black", '"a cat, black"'),
        "caption,image\n" + '"a cat, black",a.png\na dog,b.png\n',
        json.dumps([{"image": "a.png", "caption": "a cat, black"}, {"image": "b.png", "caption": "a dog"}]),
        json.dumps([{"image": "a.png", "caption": "a cat, black"}, {"image": "b.png", "caption": "a dog"}], indent=1),
        '{"Image": "a.png", "CAPTION": "a cat, black"}\n{"IMAGE": "b.png", "Caption": "a dog"}\n',
        "image,caption\na.png,a cat, black\nb.png,a dog\n".encode("utf-16"),
        gzip.compress(b"image\tcaption\na.png\ta cat, black\nb.png\ta dog\n"),
    ],
)
def test_the_same_captions_are_read_however_they_are_written(tmp_path, content):
    assert read(tmp_path / "captions", content) == ([A_CAT, A_DOG], [])


def test_a_cell_in_quotes_may_hold_line_ends(tmp_path):
    found, rejected = read(tmp_path / "c.csv", 'image,caption\na.png,"a cat\nand a dog"\nb.png,a dog\n')
    assert found == [("a.png", "a cat\nand a dog"), A_DOG]
    assert not rejected


def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path):
    rows = [f"{n}.png,a plain picture" for n in range(24)]
    rows[3] = '3.png,"an odd picture'
    found, rejected = read(tmp_path / "c.csv", "image,caption\n" + "\n".join(rows) + "\n")
    assert len(found) == 24
    assert found[3] == ("3.png", '"an odd picture')
    assert not rejected
    rows[10] = '10.png,"a quoted, closed one"'
    found, rejected = read(tmp_path / "c.csv", "image,caption\n" + "\n".join(rows) + "\n")
    assert len(found) == 24
    rows[3] = '3.png,"an odd, picture'
    found, rejected = read(tmp_path / "c.csv", "image,caption\n" + "\n".join(rows) + "\n")
    assert len(found) == 23
    assert rejected == [("line 5", "a quote is opened and never closed")]


def test_rows_with_other_columns_than_the_header_are_joined_or_rejected(tmp_path):
    found, rejected = read(tmp_path / "c.csv", "image,caption\na.png,a cat, black\nb.png\n")
    assert found == [A_CAT]
    assert rejected == [("line 3", "too few columns: 1, expected 2")]
    found, rejected = read(tmp_path / "c.tsv", "caption\timage\na\tcat\ta.png\na dog\tb.png\n")
    assert found == [A_DOG]
    assert rejected == [("line 2", "too many columns: 3, expected 2")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"image": "a.png", "caption": NaN}', "empty caption"),
        ('{"image": "a.png", "caption": 7}', "caption is not text: int"),
        ('{"image": "a.png", "caption": {"en": "a cat"}}', "caption is not text: dict"),
        ('{"image": ["a.png"], "caption": "x"}', "image is not text: list"),
        ('{"image": "a.png", "caption": []}', "empty caption"),
        ("[" * 100_000, "not JSON: nested too deeply"),
    ],
)
def test_json_that_is_no_caption_is_rejected_by_line(tmp_path, line, reason):
    found, rejected = read(tmp_path / "c.jsonl", '{"image": "b.png", "caption": "a dog"}\n' + line + "\n")
    assert found == [A_DOG]
    assert rejected == [("line 2", reason)]


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path):
    lines = ['{"image": "a.png", "caption": "a cat \\ud83d"}', '{"image": "b\\ud800.png", "caption": "a \\ud83d\\ude00"}']
    found, _ = read(tmp_path / "c.jsonl", "\n".join(lines))
    assert found == [("a.png", "a cat �"), ("b�.png", "a 😀")]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "x \ud83d"}]}
    assert read(tmp_path / "coco.json", json.dumps(content)) == ([("a.png", "x �")], [])


def test_a_first_line_of_any_length_is_recognised(tmp_path):
    long = "a cat " * 20_000
    lines = [json.dumps({"image": "a.png", "caption": long}), json.dumps({"image": "b.png", "caption": "a dog"})]
    found, _ = read(tmp_path / "c.jsonl", "\n".join(lines))
    assert [image for image, _ in found] == ["a.png", "b.png"]
    assert recognise(tmp_path / "c.jsonl") == "jsonl"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"image\tcaption\na.png\ta cat\n" * 99)[:-20], "the gzip file is cut off or damaged"),
        ("image\tcaption\na.png\tcaf\xe9\n".encode("cp1252"), r"not UTF-8 \(.* at byte \d+\); it may be Windows-1252: .* iconv -f cp1252"),
        ("[" * 100_000, "not JSON .nested too deeply"),
        ("[1, 2]", "no captions in it"),
        ('{"a": 1,\n"b": 2}', "expected images .id, file_name. and annotations"),
        (b"PK\x03\x04rest", "a ZIP archive; unpack it"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "captions", content)
    assert "captions" in str(caught.value)
    assert "\n" not in str(caught.value)


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def unpacked(path: Path, folder: Path) -> tuple[dict[int, str], list[str]]:
    """Shade of each image to its caption, and the reasons of rejects."""
    rejects = Rejects()
    source = open_captions(path, None, folder, rejects)
    shades = [int(load_image(source.images / c.image)[0, 0, 0]) for c in source.captions]
    assert len(set(shades)) == len(shades), "two captions share an image"
    return dict(zip(shades, (c.text for c in source.captions), strict=True)), [reason for _, _, reason in rejects.rows]


@pytest.mark.parametrize(
    "keys",
    [
        ["cats/0000", "cats/0001", "dogs/0000", "dogs/0001"],
        ["cats/0000", "dogs/0000", "cats/0001", "dogs/0001"],
        ["a b", "a_b", "a#b", "A_B"],
        ["../up", "up", "./up", "a/../up"],
        ["x", "x", "y", "y"],
    ],
)
def test_every_webdataset_sample_keeps_its_own_image(tmp_path, keys):
    members = [
        (f"{key}.{kind}", png(n) if kind == "png" else f"number {n}".encode()) for n, key in enumerate(keys) for kind in ("png", "txt")
    ]
    found, rejected = unpacked(tar(tmp_path / "shard.tar", members), tmp_path / "out")
    assert found == {n: f"number {n}" for n in range(len(keys))}
    assert not rejected
    assert not list(tmp_path.glob("*.png"))  # nothing is written outside


def test_a_key_that_is_too_long_for_a_file_is_one_reject(tmp_path):
    members = [("k" * 400 + ".png", png(1)), ("k" * 400 + ".txt", b"long"), ("b.png", png(2)), ("b.txt", b"short")]
    found, rejected = unpacked(tar(tmp_path / "shard.tar", members), tmp_path / "out")
    assert found == {2: "short"}
    (reason,) = rejected
    assert reason.startswith("name too long for a file: 00000-kkk")


def test_shards_that_are_only_numbers_belong_together(tmp_path):
    for number in range(3):
        tar(tmp_path / f"{number:05d}.tar", [("a.png", png(number)), ("a.txt", f"number {number}".encode())])
    found, _ = unpacked(tmp_path / "00000.tar", tmp_path / "out")
    assert found == {n: f"number {n}" for n in range(3)}


@pytest.mark.parametrize("cut", [700, 1500, 3000])
def test_a_damaged_tar_is_one_line(tmp_path, cut):
    whole = tar(tmp_path / "whole.tar", [(f"{n}.{kind}", png(n) * 3) for n in range(3) for kind in ("png", "txt")]).read_bytes()
    (tmp_path / "shard.tar").write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"shard.tar: (the tar file is cut off or damaged|no captions)"):
        unpacked(tmp_path / "shard.tar", tmp_path / "out")
