"""Dead ends that new users met: each ends in an answer, or in one line that says what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, words_tower
from PIL import Image

from maker.cli import main
from maker.data.captions import read_captions
from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import backbone
from maker.encoders.spellings import spellings
from maker.errors import DataError
from maker.export.encoder_file import write_encoder
from maker.graph.flatbuffer import check_space
from maker.graph.model import Model
from maker.preview import site
from maker.report.charts import latency_chart
from maker.workspace import Rejects, atomic
from task.text import TextSearcher


def said(capsys) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("maker: error:")]
    return line


# Task Library files


@pytest.fixture(scope="module")
def worded(tmp_path_factory, embeddings) -> Path:
    """A searcher beside the work folder of its build, which also holds the encoders of other builds."""
    folder = tmp_path_factory.mktemp("worded")
    (folder / "s.work").mkdir()
    for name, seed in (("a", 1), ("b", 0), ("c", 2)):
        tower = words_tower(seed)
        shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
        training = {"options": {"seed": seed}}
        path = folder / "s.work" / f"encoder-{name}.tflite"
        write_encoder(
            path,
            {"text": tower, "image": PooledColours()},
            shapes,
            dimension=DIMENSION,
            training=training,
            words=spellings(TEXTS, tower.hashes),
        )
    np.save(folder / "e.npy", embeddings)
    (folder / "e.txt").write_text("\n".join(f"item {i}" for i in range(len(embeddings))))
    arguments = ["index", "--embeddings", str(folder / "e.npy"), "--metadata", str(folder / "e.txt"), "--embedder"]
    assert main([*arguments, str(folder / "s.work" / "encoder-b.tflite"), "--output", str(folder / "s.tflite")]) == 0
    return folder / "s.tflite"


def test_export_finds_the_words_in_the_work_folder(worded, tmp_path, capsys):
    assert main(["export", str(worded), "--output", str(tmp_path / "t.tflite")]) == 0
    assert "encoder-b.tflite" in capsys.readouterr().err
    with TextSearcher.create_from_file(str(worded)) as own, TextSearcher.create_from_file(str(tmp_path / "t.tflite")) as other:
        for text in TEXTS[:2]:
            assert own.search(text).nearest_neighbors[0].metadata == other.search(text).nearest_neighbors[0].metadata


def test_export_without_the_work_folder_says_what_to_put_where(worded, tmp_path, capsys):
    shutil.copy(worded, tmp_path / "alone.tflite")
    assert main(["export", str(tmp_path / "alone.tflite"), "--output", str(tmp_path / "t.tflite")]) == 1
    line = said(capsys)
    assert "work folder of the build" in line
    assert ".work" in line


def test_task_library_files_are_inspected_and_verified_but_not_reported(worded, tmp_path, capsys):
    task_library = tmp_path / "t.tflite"
    assert main(["export", str(worded), "--output", str(task_library)]) == 0
    capsys.readouterr()
    assert main(["inspect", str(task_library)]) == 0
    printed = capsys.readouterr().out
    assert f"300 items of {DIMENSION} dimensions, dot_product, for the Task Library" in printed
    assert "on_device_scann_index.ldb" in printed
    assert main(["inspect", str(task_library), "--json"]) == 0
    assert '"items": 300' in capsys.readouterr().out
    assert main(["verify", str(task_library)]) == 0
    assert "no digests and golden queries" in capsys.readouterr().out
    assert main(["report", str(task_library)]) == 1
    assert "a Task Library file, which has no figures to report" in said(capsys)


# Captions files


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Filename,Description", "a.jpg,a cat"),
        ("image;caption", "a.jpg;a cat"),
        ("Image Path;Alt Text", "a.jpg;a cat"),
        ("photo\tcaption", "a.jpg\ta cat"),
    ],
)
def test_tables_that_people_have_are_read(tmp_path, header, row):
    (tmp_path / "c.csv").write_text(f"{header}\n{row}\n")
    (caption,) = read_captions(tmp_path / "c.csv", Rejects())
    assert (caption.image, caption.text) == ("a.jpg", "a cat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,caption\na.jpg,Müller im Café\n".encode("cp1252"), "Windows-1252: save it as CSV UTF-8 in Excel, or convert it: iconv"),
        (b"Foto,caption\na.jpg,a cat\n", "no column 'image' (or image_path, "),
        (b"image,Beschreibung\na.jpg,a cat\n", "no column 'caption' (or captions, text, "),
        (
            b"just some words\n",
            "expected a header with the columns image and caption, separated by tabs or commas, found 'just some words'",
        ),
    ],
)
def test_other_tables_say_in_one_line_what_is_wrong_with_them(tmp_path, content, message):
    (tmp_path / "c.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_captions(tmp_path / "c.csv", Rejects())
    assert message in str(caught.value)
    assert "WebDataset" not in str(caught.value)
    assert len(str(caught.value).removeprefix(str(tmp_path))) < 240


# Files that are no searchers, full disks, sites that are there


def test_an_image_is_not_a_searcher(tmp_path, capsys):
    for suffix, kind in (("png", "a PNG image"), ("jpg", "a JPEG image"), ("webp", "a WebP image")):
        Image.new("RGB", (8, 8)).save(tmp_path / f"photo.{suffix}")
        for verb in (["search"], ["inspect"], ["verify"]):
            assert main([*verb, str(tmp_path / f"photo.{suffix}"), *(["cat"] if verb == ["search"] else [])]) == 1
            line = said(capsys)
            assert kind in line
            assert "not a searcher" in line


def test_a_full_disk_is_named_with_the_path_and_what_was_needed(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="the disk is full: 0.0 MB of the file were written") as caught, atomic(tmp_path / "s.tflite"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "s.tflite")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 2_000_000))
    with pytest.raises(OSError, match="the file needs 3.5 MB, 2.0 MB are free") as caught, atomic(tmp_path / "s.tflite") as temporary:
        check_space(temporary, 3_500_000)
    assert caught.value.filename == str(tmp_path / "s.tflite")


def test_an_index_that_does_not_fit_on_the_disk_says_how_much_it_needs(tmp_path, encoder, embeddings, monkeypatch, capsys):
    np.save(tmp_path / "e.npy", embeddings)
    (tmp_path / "e.txt").write_text("\n".join(map(str, range(len(embeddings)))))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    arguments = ["index", "--embeddings", str(tmp_path / "e.npy"), "--metadata", str(tmp_path / "e.txt"), "--embedder", str(encoder)]
    assert main([*arguments, "--output", str(tmp_path / "s.tflite")]) == 1
    line = said(capsys)
    assert "s.tflite" in line
    assert "MB, 0.0 MB are free" in line


def test_serve_serves_the_site_that_is_there(searcher_file, photos, tmp_path, monkeypatch, capsys):
    served = []
    monkeypatch.setattr("maker.preview.server.serve", lambda folder, *_: served.append(folder))
    output = tmp_path / "site"
    output.mkdir()
    (output / site.SITE).write_text(f'{{"format": "{site.FORMAT}"}}')
    (output / site.START).touch()
    shutil.copy(searcher_file, output / site.SEARCHER)
    arguments = ["preview", str(searcher_file), "--images", str(photos), "--output", str(output), "--serve"]
    assert main(arguments) == 0
    assert served == [output]
    assert "serving the site that is there" in capsys.readouterr().err
    (output / site.SEARCHER).write_bytes(b"another one")
    assert main(arguments) == 1
    assert served == [output]


# Class scores are not an embedding


def classifier(path: Path, classes: int, softmax: bool) -> Path:
    """An image model with 96 pooled features and class scores after them."""
    model = Model("classifier")
    g = model.subgraph("main")
    query = g.tensor("image", (1, 8, 8, 3), np.float32)
    rng = np.random.default_rng(0)
    features = g.fully_connected(g.reshape(query, (64, 3)), rng.normal(size=(96, 3)).astype(np.float32))
    pooled = g.mean(g.reshape(features, (1, 64, 96)), axis=1)
    scores = g.fully_connected(pooled, rng.normal(size=(classes, 96)).astype(np.float32))
    scores = g.softmax(scores) if softmax else scores
    model.signature(g, {"image": query}, {"scores": scores})
    model.write(path)
    return path


@pytest.mark.parametrize(("classes", "softmax", "taken"), [(1001, False, 96), (1000, True, 96), (12, True, 96), (32, False, 32)])
def test_a_classifier_gives_its_pooled_features_and_says_so(tmp_path, capsys, classes, softmax, taken):
    path = classifier(tmp_path / "c.tflite", classes, softmax)
    tower = backbone(f"tflite:{path}", ImageModelOptions(), tmp_path)
    assert tower.dimension == taken
    assert ("is class scores" in capsys.readouterr().err) == (taken == 96)
    assert backbone(f"tflite:{path}#scores", ImageModelOptions(), tmp_path).dimension == classes


def test_any_folder_can_be_labelled(searcher_file, photos, tmp_path, capsys):
    arguments = ["classify", str(searcher_file), "--images", str(photos), "--work-dir", str(tmp_path / "work")]
    output = tmp_path / "labels.tsv"
    assert main([*arguments, "--labels", "red,blue", "--template", "a {} picture", "--output", str(output)]) == 0
    header, *rows = [line.split("\t") for line in output.read_text().splitlines()]
    assert header == ["image", "label", "similarity"]
    assert [row[0] for row in rows] == sorted(f"{n}.png" for n in range(24))
    assert {row[1] for row in rows} <= {"red", "blue"}
    assert all(-1.001 <= float(row[2]) <= 1.001 for row in rows)
    printed = capsys.readouterr().out
    assert sum(int(line.split()[0]) for line in printed.splitlines()) == 24
    assert main([*arguments, "--labels", "red,blue", "--output", str(output)]) == 1
    assert "pass --overwrite" in said(capsys)
    assert main([*arguments, "--output", str(tmp_path / "other.tsv")]) == 2
    assert "--labels" in said(capsys)


# The output


def test_the_notes_of_the_runtime_are_not_shown(searcher_file):
    done = subprocess.run(
        [sys.executable, "-m", "maker.cli", "search", str(searcher_file), "a kite"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    # What is not a note is shown: here, something that another library says while the runtime says its note.
    code = (
        "import os, maker.graph.quiet_runtime as q; m = q._model(); q._model = lambda: (os.write(2, b'ERROR: kept\\nINFO: gone\\n'), m)[1]"
    )
    done = subprocess.run([sys.executable, "-c", f"{code}; q.quiet_runtime()"], capture_output=True, text=True, check=False)
    assert done.stderr == "ERROR: kept\n"


def test_the_labels_of_the_latency_chart_are_below_each_other():
    drawn = latency_chart(np.array([0.09] * 98 + [0.1, 0.14]))
    heights = [float(y) for y in re.findall(r"<text[^>]*translate\([\d.]+ ([\d.]+)\)[^>]*>p[59]\d [\d.]+ ms", drawn)] or [
        float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>p[59]\d [\d.]+ ms', drawn)
    ]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) > 10
