"""Collections: rows through steps, in this process and in others; errors of single rows; their order."""

from __future__ import annotations

import io
import tarfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maker import Collection, embedder
from maker.collection.show import Shown
from maker.data.images import load_image
from maker.errors import BuildError, DataError, EncoderError, UsageError
from task.text import TextEmbedder, TextSearcher
from task.vision import TensorImage
from tests.documents.files import write_image_model


def double(row):
    return {**row, "item": row["item"] * 2}


def half(row):
    if row["item"] == 13:
        raise ValueError("thirteen has no half")
    return {**row, "item": row["item"] / 2}


def twice(row):
    yield row["item"]
    yield {"item": row["item"], "again": True}


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_go_through_the_steps_in_order(workers):
    rows = Collection.from_list(range(100), shard_size=7).map(double).filter(is_large).engine(workers=workers).to_list()
    assert rows == [{"item": 2 * number} for number in range(100) if 2 * number > 50]


def is_large(row):
    return row["item"] > 50


def test_an_error_is_a_row_with_its_reason_and_passes_the_other_steps():
    collection = Collection.from_list([12, 13, 14], shard_size=2).map(half).map(double).flat_map(twice).engine(workers=1)
    assert collection.to_list() == [
        {"item": 12.0},
        {"item": 12.0, "again": True},
        {"item": 13, "reason": "ValueError: thirteen has no half"},
        {"item": 14.0},
        {"item": 14.0, "again": True},
    ]


def test_errors_of_the_project_say_all_by_themselves():
    def refuse(_):
        raise DataError("photo.jpg: not an image")

    assert Collection.from_list(["x"]).map(refuse).to_list() == [{"item": "x", "reason": "photo.jpg: not an image"}]


def test_lambdas_run_in_this_process_unless_workers_are_asked_for():
    assert Collection.from_list(range(600)).map(lambda row: row["item"] + 1).to_list()[-1] == {"item": 600}


def test_batches_hold_rows_and_leave_rejected_ones_beside_them():
    rows = Collection.from_list([1, 13, 2, 3]).map(half).batch(2).map(lambda row: len(row["batch"])).to_list()
    assert rows == [{"item": 13, "reason": "ValueError: thirteen has no half"}, {"item": 2}, {"item": 1}]
    with pytest.raises(UsageError, match="at least 1 row, found 0"):
        Collection.from_list([]).batch(0)


def test_select_keeps_columns_and_rejects_rows_without_one():
    rows = Collection.from_list([{"a": 1, "b": 2}, {"b": 3}]).select("a").to_list()
    assert rows == [{"a": 1}, {"reason": "no column 'a'; found b"}]


def test_nothing_runs_before_a_result_is_asked_for():
    seen = []
    collection = Collection.from_list([1, 2, 3], shard_size=1).map(lambda row: seen.append(row["item"]))
    assert seen == []
    assert next(iter(collection)) == {"item": None}
    assert seen == [1]


def test_files_of_a_pattern_are_rows_in_their_order(tmp_path):
    for name in ("b.txt", "a.txt", "below/c.txt", "other.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = Collection.from_glob(f"{tmp_path}/**/*.txt").to_list()
    assert [row["path"] for row in found] == [str(tmp_path / name) for name in ("a.txt", "b.txt", "below/c.txt")]
    with pytest.raises(DataError, match=r"\*\.png: no such files"):
        Collection.from_glob(f"{tmp_path}/*.png")


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="engine 'spark': unknown"):
        Collection.from_list([1]).engine("spark")
    with pytest.raises(UsageError, match="at least 1 worker is needed, found 0"):
        Collection.from_list([1]).engine("local", workers=0)


@pytest.fixture(scope="module")
def asked_searcher(searcher_file):
    return str(searcher_file)


def test_photos_are_decoded_embedded_searched_and_written(photos, encoder, asked_searcher, tmp_path):
    (photos / "broken.png").write_text("no image")
    embed = embedder(encoder)
    collection = Collection.from_glob(f"{photos}/*.png", shard_size=10).decode().embed(embed).search(asked_searcher, k=3)
    counts = collection.engine("local", workers=2).to_parquet(tmp_path / "answers")
    assert (counts.rows, counts.rejected) == (25, 1)
    files = sorted((tmp_path / "answers").glob("*.parquet"))
    assert [file.name for file in files] == ["part-000000.parquet", "part-000001.parquet", "part-000002.parquet"]
    rows = Collection.from_parquet(files).to_list()
    assert [row["path"] for row in rows] == sorted(str(path) for path in photos.glob("*.png"))
    for row in rows:
        if row["path"].endswith("broken.png"):
            assert row["reason"] == "not an image"
            continue
        assert "reason" not in row
        np.testing.assert_array_equal(np.array(row["embedding"], np.float32), embed(row["path"]))
        with TextSearcher.create_from_file(asked_searcher) as searcher:
            found = searcher.search_embedding(embed(row["path"])).nearest_neighbors
        assert [one["name"] for one in row["found"]] == [one.metadata.decode() for one in found[:3]]
        assert "picture" not in row


def test_a_finished_shard_is_not_worked_on_again_unless_its_items_change(photos, encoder, tmp_path, monkeypatch):
    collection = Collection.from_glob(f"{photos}/*.png", shard_size=10).embed(embedder(encoder)).engine(workers=1)
    collection.to_shards(tmp_path / "shards")
    kept = {file.name: file.read_bytes() for file in (tmp_path / "shards").glob("part-*")}
    assert len(kept) == 6
    (tmp_path / "shards" / "part-000001.npy").unlink()
    (tmp_path / "shards" / ".part-000001.npy.1a2b3c4d.partial").write_bytes(b"of a killed worker")
    embedded = []
    monkeypatch.setattr("maker.embedding.inputs.load_image", lambda path: embedded.append(path.name) or load_image(path))
    assert collection.to_shards(tmp_path / "shards").rows == 24
    assert len(embedded) == 10
    assert not list((tmp_path / "shards").glob(".*.partial"))
    assert {file.name: file.read_bytes() for file in (tmp_path / "shards").glob("part-*")} == kept
    Image.new("RGB", (9, 9), "red").save(photos / "9.png")
    embedded.clear()
    Collection.from_glob(f"{photos}/*.png", shard_size=10).embed(embedder(encoder)).engine(workers=1).to_shards(tmp_path / "shards")
    assert len(embedded) == 4
    with pytest.raises(BuildError, match="part-000002.npy: belongs to none of the shards"):
        Collection.from_glob(f"{photos}/1*.png", shard_size=10).embed(embedder(encoder)).to_shards(tmp_path / "shards")


def test_all_embeddings_go_to_one_file_that_the_index_takes(photos, encoder, tmp_path):
    (photos / "broken.png").write_text("no image")
    counts = Collection.from_glob(f"{photos}/*.png").embed(embedder(encoder)).to_npy(tmp_path / "e.npy")
    assert (counts.rows, counts.rejected) == (25, 1)
    assert np.load(tmp_path / "e.npy").shape == (24, 16)
    assert len((tmp_path / "e.txt").read_text().splitlines()) == 24
    assert (tmp_path / "e.rejects.tsv").read_text().splitlines()[1:] == [f"{photos}/broken.png\t\tnot an image"]
    with pytest.raises(DataError, match="none of 1 rows has an embedding; 7: no column number; found item"):
        Collection.from_list(["7"]).embed(str, "number").to_npy(tmp_path / "none.npy")


def test_an_embedder_takes_every_kind_of_picture_and_sentences(photos, encoder):
    embed, path = embedder(encoder), photos / "3.png"
    expected = embed(str(path))
    assert expected.dtype == np.float32
    assert expected.shape == (16,)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
        for item in (path, path.read_bytes(), picture, pixels, TensorImage.create_from_array(pixels)):
            np.testing.assert_array_equal(embed(item), expected)
    with TextEmbedder.create_from_file(str(encoder)) as reference:
        np.testing.assert_array_equal(embed("a red kite"), reference.embed("a red kite").embeddings[0].feature_vector.value)
    with pytest.raises(DataError, match="absent.png: missing file"):
        embed("absent.png")
    with pytest.raises(DataError, match="cannot embed int"):
        embed(7)


def test_an_image_model_is_an_embedder_by_its_spec(tmp_path, monkeypatch, photos):
    monkeypatch.setenv("POCKET_SEARCHER_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model.tflite"
    write_image_model(model, "features")
    embed = embedder(f"tflite:{model}")
    vector = embed(photos / "0.png")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(embedder(model)(photos / "0.png"), vector)
    with pytest.raises(EncoderError, match="has no tower for sentences, and there is no file 'a dog'"):
        embed("a dog")
    with pytest.raises(EncoderError, match="has no weights before maker build trains it"):
        embedder("scratch")


def test_rows_come_from_tar_and_parquet_files_and_captions(photos, tmp_path):
    picture = (photos / "1.png").read_bytes()
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard:03d}.tar", "w") as archive:
            for name, content in (("a.png", picture), ("a.txt", b"a red picture"), ("b.txt", b"no picture"), ("c.png", b"broken")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    collection = Collection.from_webdataset(f"{tmp_path}/train-*.tar").decode().map(shape).engine(workers=1)
    assert [shard.name for shard in collection.shards] == ["train-000", "train-001"]
    assert collection.to_list()[:3] == [
        {"name": "a", "caption": "a red picture", "shape": (20, 30, 3)},
        {"name": "sample-0000002", "reason": "no image among txt"},
        {"name": "c", "image": b"broken", "reason": "not an image"},
    ]
    (tmp_path / "train-001.tar").write_bytes((tmp_path / "train-001.tar").read_bytes()[:700])
    *_, last = Collection.from_webdataset(f"{tmp_path}/train-*.tar").engine(workers=1).to_list()
    assert "the tar file is cut off or damaged" in last["reason"]
    captions = Collection.from_captions(photos / "captions.tsv", photos).to_list()
    assert len(captions) == 48
    assert captions[0] == {
        "name": "0.png",
        "path": str(photos / "0.png"),
        "caption": "a plain red picture",
        "split": "train",
        "lang": "en",
    }
    with pytest.raises(DataError, match="pass images="):
        Collection.from_captions(photos / "captions.tsv")
    (tmp_path / "list.txt").write_text("photos/0.png\nabsent.png\n")
    listed = Collection.from_lists(tmp_path / "list.txt").decode().map(shape).to_list()
    assert listed[0] == {"name": "photos/0.png", "shape": (20, 30, 3)}
    assert listed[1]["reason"] == "missing file"


def shape(row):
    return {**{key: value for key, value in row.items() if key not in ("picture", "image", "path")}, "shape": row["picture"].shape}


def test_show_prints_a_table_and_draws_thumbnails_in_notebooks(photos, capsys):
    (photos / "broken.png").write_text("no image")
    Collection.from_glob(f"{photos}/[0b]*.png").decode().show()
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["path", "picture", "reason"]
    assert "uint8 20 x 30 x 3" in first
    assert first.startswith("…")
    assert first.split()[0].endswith("photos/0.png")
    assert second.endswith("not an image")
    shown = Shown(Collection.from_glob(f"{photos}/[0b]*.png").decode().to_list())._repr_html_()
    assert shown.count('<img src="data:image/png;base64,') == 2  # the path and the picture
    assert "not an image" in shown


def test_shards_of_other_values_and_of_changed_files_are_written_again(tmp_path):
    def written(*items):
        Collection.from_list(items).engine(workers=1).to_parquet(tmp_path / "out")
        return [row["item"] for row in Collection.from_parquet(tmp_path / "out").to_list()], stamp()

    def stamp():
        return (tmp_path / "out" / "part-000000.parquet").stat().st_mtime_ns

    file = tmp_path / "a.txt"
    file.write_text("one")
    first = written(str(file), "b")
    assert written(str(file), "b") == first
    assert written(str(file), "c")[0] == [str(file), "c"]
    before = stamp()
    file.write_text("three")
    assert written(str(file), "c")[1] > before


def test_written_rows_are_read_back_as_rows_that_steps_take(asked_searcher, encoder, tmp_path):
    embed = embedder(encoder)
    Collection.from_list(["a red kite"]).embed(embed).engine(workers=1).to_parquet(tmp_path / "rows")
    again = Collection.from_parquet(tmp_path / "rows").search(asked_searcher, k=1).to_list()
    assert "reason" not in again[0]
    assert again[0]["found"] == Collection.from_list([embed("a red kite")]).search(asked_searcher, k=1, column="item").to_list()[0]["found"]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (np.ones((1, 2)), r"float64 \(1, 2\) is no embedding"),
        (3.0, "float is no embedding"),
        ([[1], [2, 3]], "list is no embedding"),
        (np.array([1, np.nan]), "a value that is not finite"),
    ],
)
def test_what_is_no_embedding_is_refused_with_its_shape(made, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        Collection.from_list([1]).map(lambda row: {"embedding": made}).to_npy(tmp_path / "e.npy")
    assert Collection.from_list([1]).embed(lambda _: made).engine(workers=1).to_shards(tmp_path / "shards").rejected == 1


def test_embeddings_of_different_dimensions_are_refused_by_name(tmp_path):
    rows = Collection.from_list(["a", "bcd"]).embed(lambda text: np.ones(len(text))).engine(workers=1)
    for write in (rows.to_shards, rows.to_npy):
        with pytest.raises(DataError, match="bcd: an embedding of 3 dimensions, but a has 1"):
            write(tmp_path / "out")


def test_two_runs_never_write_to_one_folder(tmp_path):
    def second(row):
        Collection.from_list([1]).to_parquet(tmp_path / "out")

    rows = Collection.from_list([1])
    rows.map(second).engine(workers=1).to_parquet(tmp_path / "out")
    (row,) = Collection.from_parquet(tmp_path / "out").to_list()
    assert row["reason"] == f"{tmp_path / 'out'}: another run writes to this folder; wait until it ends, or choose another folder"
    (tmp_path / "out" / ".part-000000.parquet.12345678.partial").write_text("of a killed run")
    assert rows.to_parquet(tmp_path / "out").rejected == 0
    assert not list((tmp_path / "out").glob("*.partial"))


def test_overwrite_does_finished_shards_again_but_only_in_a_folder_of_its_own(tmp_path):
    seen = []
    rows = Collection.from_list([1]).map(lambda row: seen.append(row) or row)
    for overwrite in (False, False, True):
        rows.to_parquet(tmp_path / "own", overwrite=overwrite)
    assert len(seen) == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "part-000000.npy").write_text("somebody's")
    with pytest.raises(BuildError, match="which this program did not write"):
        rows.to_shards(tmp_path / "other", overwrite=True)
    assert (tmp_path / "other" / "part-000000.npy").exists()


def test_files_named_twice_and_shards_of_no_rows_are_refused(tmp_path, monkeypatch):
    Collection.from_list([1]).to_parquet(tmp_path / "a")
    Collection.from_list([2]).to_parquet(tmp_path / "b")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="part-000000.parquet: is named twice"):
        Collection.from_parquet(["a", tmp_path / "a" / "part-000000.parquet"])
    assert [row["item"] for row in Collection.from_parquet(["a", tmp_path / "b"]).to_list()] == [1, 2]
    for size in (0, -1):
        with pytest.raises(UsageError, match=f"at least 1 row, found {size}"):
            Collection.from_list([1], shard_size=size)


def test_lists_of_windows_and_names_that_are_no_text_are_rows(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n\xff.png\r\n")
    first, second = Collection.from_lists(tmp_path / "list.txt").to_list()
    assert first["name"] == "a.png"
    assert second == {"name": r"\xff.png", "reason": "name is not UTF-8"}


def test_numbers_beyond_64_bits_are_refused_with_the_file(tmp_path):
    with pytest.raises(DataError, match="part-000000.parquet: cannot be written as Parquet"):
        Collection.from_list([2**70]).to_parquet(tmp_path / "out")


def test_a_sentence_of_any_length_is_embedded(encoder):
    assert embedder(encoder)("a red kite over the sea " * 50).shape == (16,)


def test_a_missing_encoder_is_said_to_be_missing():
    with pytest.raises(EncoderError, match=r"absent.tflite: no such file; expected a searcher"):
        embedder("absent.tflite")


def test_a_missing_picture_is_no_sentence_to_search(asked_searcher):
    rows = Collection.from_list(["absent.png", "absent.wav", 7, "a red kite"]).search(asked_searcher, k=1).to_list()
    assert [row.get("reason") for row in rows] == [
        "missing file",
        "Unable to open file at absent.wav: no such file.",
        "cannot search for int; expected a path, a picture, a sound, an embedding or a sentence",
        None,
    ]


def test_workers_do_only_a_few_shards_ahead_of_the_loop_that_takes_the_rows(tmp_path):
    rows = iter(Collection.from_list([str(tmp_path / str(n)) for n in range(40)], shard_size=1).map(touch).engine(workers=2))
    next(rows)
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) <= 6
    assert len(list(rows)) == 39


def touch(row):
    Path(row["item"]).touch()
    return row


def test_rows_of_one_process_come_one_by_one(capsys):
    seen = []
    rows = Collection.from_list(range(9)).map(lambda row: seen.append(row["item"]) or row)
    next(iter(rows))
    assert seen == [0]
    rows.show(2)
    assert seen == [0, 0, 1]


def test_an_edited_function_does_finished_shards_again(tmp_path):
    def written(function):
        Collection.from_list([3]).map(function).to_parquet(tmp_path / "out")
        return Collection.from_parquet(tmp_path / "out").to_list()[0]["item"]

    def times(factor):
        return lambda row: row["item"] * factor

    assert written(lambda row: row["item"] + 1) == 4
    assert written(lambda row: row["item"] + 2) == 5
    assert [written(times(factor)) for factor in (2, 5)] == [6, 15]
    assert [written(partial(scaled, factor=factor)) for factor in (2, 5)] == [6, 15]
    stamp = (tmp_path / "out" / "part-000000.parquet").stat().st_mtime_ns
    assert written(partial(scaled, factor=5)) == 15
    assert (tmp_path / "out" / "part-000000.parquet").stat().st_mtime_ns == stamp


def scaled(row, factor):
    return row["item"] * factor
