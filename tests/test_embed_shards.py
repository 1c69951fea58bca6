"""`maker embed` with a folder as output: a shard in, a file of embeddings and a table of names out."""

from __future__ import annotations

import io
import sys
import tarfile

import numpy as np
import pytest
from pyarrow import parquet

from maker.cli import main


def embed(encoder, source, output, *more):
    return main(["embed", str(encoder), str(source), "--kind", "image", "--output", str(output), *more])


def test_a_folder_of_photos_gives_the_embeddings_of_the_plain_way_in_shards(photos, encoder, tmp_path, capsys):
    (photos / "broken.png").write_text("no image")
    assert embed(encoder, photos, tmp_path / "plain.npy") == 0
    assert embed(encoder, photos, tmp_path / "shards", "--shard-size", "10", "--workers", "1") == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        f"{tmp_path / 'shards'}: 24 embeddings of 16 dimensions in 3 shards, 1 rejected (their reasons are in the .parquet files)"
    )
    shards = [np.load(path) for path in sorted((tmp_path / "shards").glob("*.npy"))]
    assert [len(shard) for shard in shards] == [10, 10, 4]
    np.testing.assert_array_equal(np.concatenate(shards), np.load(tmp_path / "plain.npy"))
    rows = [row for path in sorted((tmp_path / "shards").glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]
    assert [row["name"] for row in rows if row["reason"] is None] == (tmp_path / "plain.txt").read_text().split()
    assert [row for row in rows if row["reason"]] == [{"name": "broken.png", "reason": "not an image", "captions": []}]


def test_tar_files_are_shards_and_keep_their_captions(photos, encoder, tmp_path, capsys):
    folder = tmp_path / "tars"
    folder.mkdir()
    for number in range(2):
        with tarfile.open(folder / f"{number:02d}.tar", "w") as archive:
            for name, content in (("a.png", (photos / f"{number}.png").read_bytes()), ("a.txt", b"a picture")):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    assert embed(encoder, folder, tmp_path / "shards", "--workers", "2") == 0
    assert embed(encoder, folder / "*.tar", tmp_path / "shards") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == f"{tmp_path / 'shards'}: 2 embeddings of 16 dimensions in 2 shards"
    assert parquet.read_table(tmp_path / "shards" / "01.parquet").to_pylist() == [{"name": "a", "reason": None, "captions": ["a picture"]}]


def test_overwrite_embeds_finished_shards_again(photos, encoder, tmp_path):
    written = []
    for more in ([], [], ["--overwrite"]):
        assert embed(encoder, photos, tmp_path / "shards", *more) == 0
        written.append((tmp_path / "shards" / "part-000000.npy").stat().st_mtime_ns)
    first, resumed, again = written
    assert first == resumed != again


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "e.npy", "--workers", "2"], "--workers is for shards; name a folder as --output"),
        (["--output", "shards", "--work-dir", "w"], "a folder as --output takes images, and is its own work folder"),
        (["--output", "shards", "--gpus", "1"], "a Ray address, CPUs and GPUs are for the engine ray"),
        (["--output", "shards", "--engine", "ray", "--cpus", "0"], "an actor needs a CPU or a GPU"),
        (["--output", "shards", "--shard-size", "0"], "a shard has at least 1 photo, found 0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(photos, encoder, arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["embed", str(encoder), str(photos), "--kind", "image", *arguments]) != 0
    assert said in capsys.readouterr().err


def test_files_of_other_kinds_are_no_shards(photos, encoder, tmp_path, capsys):
    assert embed(encoder, photos / "*.png", tmp_path / "shards") == 1
    assert "expected a folder of photos, or files that end in .tar" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").touch()
    assert embed(encoder, photos, tmp_path / "mine") == 1
    assert "holds thesis.doc, which this program did not write" in capsys.readouterr().err


def test_photos_beside_shards_are_not_left_out_silently(photos, encoder, tmp_path, capsys):
    (photos / "labels.parquet").touch()
    assert embed(encoder, photos, tmp_path / "shards") == 1
    assert "holds shards, labels.parquet, and photos, 0.png; keep them in folders of their own" in capsys.readouterr().err


def test_a_source_without_any_readable_picture_is_an_error(encoder, tmp_path, capsys):
    (tmp_path / "empty.tar").touch()
    assert embed(encoder, tmp_path / "empty.tar", tmp_path / "shards") == 1
    assert "none of 1 pictures could be embedded; the reasons are in" in capsys.readouterr().err


def test_without_ray_the_engine_says_what_to_install(photos, encoder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert embed(encoder, photos, tmp_path / "shards", "--engine", "ray") == 2
    assert "the engine ray needs Ray: pip install 'pocket-searcher[ray]'" in capsys.readouterr().err
