"""What SECURITY.md promises about files that others made."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import run_fresh

from maker.errors import BuildError
from maker.export.encoder_file import write_encoder
from maker.export.verify import verify
from task.core import BaseOptions
from task.errors import DamagedFileError, InvalidArgumentError, MissingFileError, TaskError
from task.format import archive, item_table, manifest
from task.text import TextSearcher, TextSearcherOptions
from task.vision import ImageEmbedder, TensorImage

SEARCH = """
import os
import sys
import numpy as np
from task.text import TextSearcher

WATCHED = ("socket", "subprocess", "shutil", "tempfile", "pickle", "os")

def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        seen.append(f"open {arguments[0]}")
    if event.split(".")[0] in WATCHED and event not in ("os.listdir", "os.scandir"):
        seen.append(event)

seen = []
with TextSearcher.create_from_file(sys.argv[1]) as searcher:  # everything that is imported late is imported here
    searcher.search("a red kite")
sys.addaudithook(watch)
with TextSearcher.create_from_file(sys.argv[1]) as searcher:
    assert searcher.search("a red kite").nearest_neighbors
    searcher.search_embedding(np.ones(16, np.float32))
print(seen)
"""


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_changed_bytes_behind_the_model_end_in_an_error_of_the_runtime_or_an_answer(searcher_file, count):
    content = searcher_file.read_bytes()
    start, source = archive.model_size(content), random.Random(5)
    told = 0
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 3)):
            damaged[source.randrange(start, len(content))] = source.randrange(256)
        try:
            with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=bytes(damaged)))) as searcher:
                searcher.search("a red kite")
        except TaskError:
            told += 1
    assert told > count // 3


def test_searching_writes_nothing_and_starts_and_connects_nothing(searcher_file):
    assert run_fresh(SEARCH, str(searcher_file)) == "[]"


def parts(path: Path) -> dict[str, bytes]:
    """The associated files of a searcher."""
    content = path.read_bytes()
    return {name: content[start : start + size] for name, (start, size) in archive.locate(content).items()}


def with_parts(source: Path, target: Path, entries: dict[str, bytes]) -> Path:
    """A searcher with other associated files."""
    content = source.read_bytes()
    target.write_bytes(content[: archive.model_size(content)])
    for name, data in entries.items():
        archive.append(target, name, data)
    return target


def described(entries: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    """The same files with another manifest; None takes a key away."""
    values = json.loads(entries[manifest.FILE]) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    return entries | {manifest.FILE: json.dumps(kept).encode()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e | {manifest.FILE: b"{"}, "is not JSON"),
        (lambda e: e | {manifest.FILE: b"[]"}, 'does not say "format"'),
        (lambda e: described(e, format_version="1"), "format_version is '1', expected a whole number"),
        (lambda e: described(e, dimension=None), "searcher.json is incomplete"),
        (lambda e: described(e, dimension="16"), "dimension is '16', expected int"),
        (lambda e: described(e, distance="cosine"), "distance is 'cosine', expected one of"),
        (lambda e: described(e, dimension=-16), "dimension is -16, expected a number from 1"),
        (lambda e: described(e, k=0), "k is 0, expected a number from 1"),
        (lambda e: described(e, dimension=True), "dimension is True, expected int"),
        (lambda e: described(e, sha256=True), "sha256 is True, expected dict"),
        (lambda e: described(e, golden={}), "golden is {}, expected list"),
        (lambda e: described(e, sha256={"model": 1}), r"sha256\.model is 1, expected str"),
        (lambda e: described(e, distance="9" * 5000), "distance is '9{79}…, expected one of"),
        (lambda e: e | {manifest.FILE: b"[" * 100_000}, "is nested too deeply"),
        (lambda e: described(e, items=7), "the item table has 300 entries, the manifest says 7"),
        (lambda e: {name: data for name, data in e.items() if name != item_table.BYTES}, "associated file 'items.bytes' is missing"),
        (lambda e: e | {item_table.OFFSETS: e[item_table.OFFSETS] + b"\0"}, "has 1205 bytes, expected a multiple of 4"),
        (lambda e: e | {item_table.BYTES: e[item_table.BYTES] + b"x"}, "but items.bytes has"),
    ],
)
def test_parts_that_contradict_each_other_are_damaged(searcher_file, tmp_path, change, message):
    path = with_parts(searcher_file, tmp_path / "s.tflite", change(parts(searcher_file)))
    with pytest.raises(DamagedFileError, match=message) as raised:
        TextSearcher.create_from_file(str(path))
    assert str(path) in str(raised.value)


def test_a_dimension_that_is_not_the_models_is_told_when_a_vector_is_asked(searcher_file, tmp_path):
    path = with_parts(searcher_file, tmp_path / "s.tflite", described(parts(searcher_file), dimension=17))
    for allowed in (None, range(5)):
        told = pytest.raises(DamagedFileError, match="the manifest says 17 dimensions, the model has 16")
        with TextSearcher.create_from_file(str(path)) as searcher, told:
            searcher.search_embedding(np.ones(17, np.float32), allowed=allowed)


def test_an_item_outside_the_table_is_told_when_it_is_found(searcher_file, tmp_path):
    entries = parts(searcher_file)
    count = len(entries[item_table.OFFSETS]) // 4
    offsets = bytearray(entries[item_table.OFFSETS])
    struct.pack_into(f"<{count - 2}I", offsets, 4, *[0xFFFFFFF0] * (count - 2))  # the first and the last one stay
    path = with_parts(searcher_file, tmp_path / "s.tflite", entries | {item_table.OFFSETS: bytes(offsets)})
    with TextSearcher.create_from_file(str(path)) as searcher, pytest.raises(DamagedFileError, match="items.offsets: item .* goes from"):
        searcher.search("a red kite")


def test_compressed_parts_are_told(searcher_file, tmp_path):
    path = with_parts(searcher_file, tmp_path / "s.tflite", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as tail:
        tail.writestr(manifest.FILE, parts(searcher_file)[manifest.FILE])
    with pytest.raises(DamagedFileError, match="is compressed; expected an uncompressed zip archive"):
        TextSearcher.create_from_file(str(path))


def test_a_part_that_reaches_beyond_the_file_is_told(searcher_file):
    content = bytearray(searcher_file.read_bytes())
    entry = content.rindex(b"PK\1\2")  # the last one of the directory: sizes are its bytes 20 to 28
    struct.pack_into("<II", content, entry + 20, 1 << 30, 1 << 30)
    with pytest.raises(DamagedFileError, match="reaches beyond the end of the file"):
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=bytes(content))))


def test_an_overlay_needs_a_base_with_a_digest(searcher_file, tmp_path):
    entries = described(parts(searcher_file), sha256={})
    with TextSearcher.create_from_file(str(with_parts(searcher_file, tmp_path / "s.tflite", entries))) as searcher:
        searcher.add(np.full(16, 0.25, np.float32), b"new")
        with pytest.raises(InvalidArgumentError, match=r"its manifest has no sha256\.model"):
            searcher.save_overlay(str(tmp_path / "overlay"))
    assert not (tmp_path / "overlay").exists()


def test_files_that_are_no_pictures_are_told(tmp_path):
    path = tmp_path / "no.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with pytest.raises(InvalidArgumentError, match=r"no\.jpg: cannot be read as an image"):
        TensorImage.create_from_file(str(path))
    with pytest.raises(InvalidArgumentError, match="cannot be read as an image"):
        TensorImage.create_from_buffer(path.read_bytes())
    with pytest.raises(MissingFileError, match="absent"):
        TensorImage.create_from_file(str(tmp_path / "absent.jpg"))


def test_edge_tpus_are_refused():
    with pytest.raises(InvalidArgumentError, match="Edge TPUs are not supported"):
        BaseOptions("s.tflite", use_coral=True)


def test_a_damaged_model_is_told_by_its_digest_before_the_runtime_opens_it(searcher_file, tmp_path, monkeypatch):
    content = bytearray(searcher_file.read_bytes())
    content[archive.model_size(content) // 2] ^= 1
    (tmp_path / "s.tflite").write_bytes(content)
    monkeypatch.setattr("task.core.interpreter._interpreter_class", lambda: pytest.fail("the runtime may crash on a damaged model"))
    with pytest.raises(BuildError, match=r"s\.tflite: model does not match its SHA-256"):
        verify(tmp_path / "s.tflite")


class ReadsBeyond:
    """A tower that no runtime can prepare: it gathers row 9 of 3."""

    def write(self, g, query):
        return g.gather(np.zeros((3, 16), np.float32), g.constant(np.array([9], np.int32)))


def test_a_model_that_the_runtime_refuses_is_damaged(tmp_path):
    path = tmp_path / "e.tflite"
    write_encoder(path, {"image": ReadsBeyond()}, {"image": (1, 4, 4, 3)}, dimension=16)
    pixels = TensorImage.create_from_array(np.zeros((4, 4, 3), np.uint8))
    told = pytest.raises(DamagedFileError, match=r"e\.tflite: the model cannot be run: .*gather index out of bounds")
    with ImageEmbedder.create_from_file(str(path)) as opened, told:
        opened.embed(pixels)
