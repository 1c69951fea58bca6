"""`maker index --shards`: a folder of searchers with one tuning, which answer as one."""

from __future__ import annotations

import json
import shutil
import sys
from functools import cache

import numpy as np
import pytest
from conftest import TEXTS

from maker import Collection
from maker.cli import main
from maker.embedding.shards import open_embedding_shards
from maker.errors import DataError
from maker.pipeline import index_embeddings
from task.errors import DamagedFileError, MissingFileError, NewerFormatError
from task.format import searcher_folder
from task.format.searcher_folder import FolderContent
from task.text import TextSearcher

ITEMS = 1000


class Given:
    """Stands for an encoder: gives the embeddings that a test has."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, item):
        if item % 100 == 7:
            raise ValueError("unreadable")
        return vectors()[item]


@cache
def vectors() -> np.ndarray:
    values = np.random.default_rng(4).standard_normal((ITEMS, 16)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "shards"
    rows = Collection.from_list([{"name": f"{number:04d}.png", "item": number} for number in range(ITEMS)], shard_size=300)
    counts = rows.embed(Given("first")).engine(workers=1).to_shards(folder)
    assert (counts.rows, counts.rejected) == (ITEMS, 10)
    return folder


def index(shards, output, *more):
    return main(["index", "--shards", str(shards), "--output", str(output), *more])


def test_searchers_of_shards_answer_as_one_file_of_all_items(shards, encoder, tmp_path, capsys):
    assert index(shards, tmp_path / "index", "--embedder", str(encoder), "--items-per-searcher", "400", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert [one["items"] for one in figures["searchers"]] == [330, 330, 330]
    assert figures["rejected"] == 10
    listed = open_embedding_shards(shards)
    names = [row["name"].encode() for shard in listed.shards for row in shard.rows()]
    everything = np.concatenate([shard.embeddings() for shard in listed.shards])
    assert len(names) == len(everything) == 990
    assert b"0007.png" not in names
    index_embeddings(everything, names, tmp_path / "one.tflite", embedder=encoder)
    with (
        TextSearcher.create_from_files(str(tmp_path / "index")) as many,
        TextSearcher.create_from_file(str(tmp_path / "one.tflite")) as one,
    ):
        assert many.items == one.items == 990
        for number in (0, 329, 330, 989):
            assert many.get_metadata(number) == names[number]
            assert many.search_embedding(everything[number]).nearest_neighbors[0].metadata == names[number]
        for text in TEXTS:
            found, expected = many.search(text).nearest_neighbors, one.search(text).nearest_neighbors
            assert found[0].metadata == expected[0].metadata  # rounding of rows depends on a file's other rows
    assert main(["search", str(tmp_path / "index"), TEXTS[0], "-k", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_first_searcher_is_tuned_and_the_others_scan_the_same_share(tmp_path, capsys):
    rows = Collection.from_list([{"name": str(number), "item": number} for number in range(9000)], shard_size=3000)
    rows.embed(clustered).engine(workers=1).to_shards(tmp_path / "shards")
    assert (
        index(tmp_path / "shards", tmp_path / "index", "--items-per-searcher", "4500", "--leaves", "50", "--recall", "0.9", "--json") == 0
    )
    first, second = json.loads(capsys.readouterr().out)["searchers"]
    assert 0 < first["share_scanned"] < 0.8
    assert second["share_scanned"] == pytest.approx(first["share_scanned"], abs=0.02)
    assert min(first["recall"], second["recall"]) > 0.8


def clustered(item: int) -> np.ndarray:
    rng = np.random.default_rng(item)
    value = np.eye(16, dtype=np.float32)[item % 16] + 0.3 * rng.standard_normal(16).astype(np.float32)
    return value / np.linalg.norm(value)


def test_finished_searchers_are_not_built_again(shards, tmp_path, monkeypatch):
    output = tmp_path / "index"
    assert index(shards, output, "--items-per-searcher", "500") == 0
    written = {path.name: path.stat().st_mtime_ns for path in output.glob("*.tflite")}
    assert len(written) == 2
    (output / "part-00001.json").unlink()
    assert index(shards, output, "--items-per-searcher", "500") == 0
    changed = {path.name for path in output.glob("*.tflite") if path.stat().st_mtime_ns != written[path.name]}
    assert changed == {"part-00001.tflite"}
    assert index(shards, output, "--items-per-searcher", "500", "--overwrite") == 0
    assert all(path.stat().st_mtime_ns != written[path.name] for path in output.glob("*.tflite"))


def test_what_cannot_be_indexed_is_one_line(shards, tmp_path, capsys):
    def refused(source, *more, output="index"):
        assert index(source, tmp_path / output, *more) != 0
        return capsys.readouterr().err

    (tmp_path / "empty").mkdir()
    assert "no shards in it" in refused(tmp_path / "empty")
    assert "--facts: --shards has the embeddings and the names" in refused(shards, "--facts", "f.csv")
    copy = shutil.copytree(shards, tmp_path / "copy")
    other = Collection.from_list([{"name": "x", "item": 1}], shard_size=300).embed(Given("second")).engine(workers=1)
    other.to_shards(tmp_path / "other")
    for suffix in (".npy", ".parquet"):
        shutil.copy(tmp_path / "other" / f"part-000000{suffix}", copy / f"part-000009{suffix}")
    assert "made by another encoder than" in refused(copy)
    (copy / "part-000009.npy").unlink()
    assert "has no part-000009.npy beside it" in refused(copy)
    (copy / "part-000009.parquet").write_bytes(b"PAR1")
    np.save(copy / "part-000009.npy", np.zeros((1, 16), np.float32))
    assert "cannot be read as Parquet" in refused(copy)
    assert index(shards, tmp_path / "index", "--items-per-searcher", "300") == 0
    assert "part-00002.tflite: belongs to none of the 2 searchers" in refused(shards, "--items-per-searcher", "500")
    assert main(["index", "--items-per-searcher", "3", "--output", str(tmp_path / "x.tflite")]) == 2
    assert "--items-per-searcher is for --shards" in capsys.readouterr().err


def test_as_many_searchers_as_the_largest_size_asks_for(shards, tmp_path, capsys):
    assert index(shards, tmp_path / "index", "--max-size", "2015000", "--json") == 0
    sizes = [path.stat().st_size for path in (tmp_path / "index").glob("*.tflite")]
    assert len(sizes) > 1
    assert max(sizes) < 2_015_000


def test_a_damaged_list_of_searchers_is_refused(shards, tmp_path):
    output = tmp_path / "index"
    output.mkdir()
    with pytest.raises(MissingFileError, match="is a folder without manifest.json"):
        TextSearcher.create_from_file(str(output))
    content = FolderContent([{"file": "part-00000.tflite", "items": 3}], {"items": 3})
    assert searcher_folder.decode(searcher_folder.encode(content)) == content
    values = json.loads(searcher_folder.encode(content))
    for change, error in (
        ({"format": "other"}, DamagedFileError),
        ({"format_version": 2}, NewerFormatError),
        ({"format_version": "1"}, DamagedFileError),
        ({"searchers": []}, DamagedFileError),
        ({"searchers": [{"file": "../part.tflite", "items": 1}]}, DamagedFileError),
        ({"searchers": [{"file": "a.tflite"}]}, DamagedFileError),
    ):
        (output / "manifest.json").write_text(json.dumps({**values, **change}))
        with pytest.raises(error):
            TextSearcher.create_from_file(str(output))
    (output / "manifest.json").write_text("[")
    with pytest.raises(DamagedFileError, match="is not JSON"):
        TextSearcher.create_from_file(str(output))
    (output / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(MissingFileError, match="part-00000.tflite"):
        TextSearcher.create_from_file(str(output))


def test_shards_of_an_unfinished_run_are_not_indexed(tmp_path, capsys):
    rows = Collection.from_list([{"name": str(item), "item": item} for item in range(3)], shard_size=1).engine(workers=1)
    with pytest.raises(DataError, match="2: an embedding of 3 dimensions, but 2 has 2"):
        rows.flat_map(twice).embed(lambda item: np.ones(3 if item == 2.5 else 2)).to_shards(tmp_path / "shards")
    assert index(tmp_path / "shards", tmp_path / "index") == 1
    assert "the run that writes its shards has not finished; run it again, or remove" in capsys.readouterr().err
    rows.embed(lambda item: np.ones(2)).to_shards(tmp_path / "shards")
    assert index(tmp_path / "shards", tmp_path / "index") == 0


def twice(row):
    return [row, {**row, "item": row["item"] + 0.5}]


def test_a_killed_run_leaves_no_list_of_new_and_old_searchers(shards, tmp_path, monkeypatch):
    assert index(shards, tmp_path / "index", "--items-per-searcher", "400") == 0

    def killed(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["maker.pipeline.index_shards"], "index_embeddings", killed)
    assert index(shards, tmp_path / "index", "--items-per-searcher", "330", "--distance", "squared_l2") != 0
    with pytest.raises(MissingFileError, match="is a folder without manifest.json"):
        TextSearcher.create_from_file(str(tmp_path / "index"))


def test_other_queries_build_the_searchers_again_and_none_of_no_items(shards, tmp_path, capsys):
    np.save(tmp_path / "q.npy", vectors()[:20])
    np.save(tmp_path / "r.npy", vectors()[20:40])
    written = []
    for queries in ("q.npy", "q.npy", "r.npy"):
        assert index(shards, tmp_path / "index", "--queries", str(tmp_path / queries)) == 0
        written.append((tmp_path / "index" / "part-00000.tflite").stat().st_mtime_ns)
    assert written[0] == written[1] < written[2]
    assert index(shards, tmp_path / "other", "--items-per-searcher", "0") == 1
    assert "a searcher has at least 1 item, found 0" in capsys.readouterr().err
