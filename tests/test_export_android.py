"""A searcher and its thumbnails come to lie where the Android demo's build finds them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, words_tower
from PIL import Image

from maker import cli, searcher
from maker.encoders.spellings import spellings
from maker.errors import BuildError, DataError
from maker.export.encoder_file import write_encoder
from maker.pipeline import android
from maker.pipeline.android import export_android
from maker.pipeline.empty import export_empty
from task.errors import InvalidArgumentError
from task.text import TextSearcher

DEMO = Path(__file__).parents[1] / "android_demo"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Gradle project as far as the export looks."""
    folder = tmp_path / "android_demo"
    (folder / "app/src/main").mkdir(parents=True)
    (folder / "app/src/main/AndroidManifest.xml").write_text("<manifest/>")
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The first three images that the searcher's items name."""
    folder = tmp_path / "photos"
    (folder / "images").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (640, 480), (number * 80, 0, 0)).save(folder / "images" / f"{number}.png")
    return folder


def test_the_searcher_is_copied_and_thumbnails_are_named_as_its_items(project: Path, images: Path, searcher_file: Path) -> None:
    report = export_android(searcher_file, images, project)
    assets = project / "app/src/main/assets"
    assert (report.assets, report.flavor, report.items) == (assets, "graph", 300)
    assert (assets / "searcher.tflite").read_bytes() == searcher_file.read_bytes()
    with TextSearcher.create_from_file(str(assets / "searcher.tflite")) as opened:
        first = opened.search("a red kite").nearest_neighbors[0].metadata.decode()
    assert first.startswith("images/")
    made = sorted((assets / "thumbnails").rglob("*.webp"))
    assert [p.relative_to(assets).as_posix() for p in made] == [f"thumbnails/images/{n}.png.webp" for n in range(3)]
    with Image.open(made[0]) as thumbnail:
        assert min(thumbnail.size) == 320
    assert report.bytes == searcher_file.stat().st_size + sum(p.stat().st_size for p in made)


def test_a_searcher_without_items_needs_no_images(project: Path, tmp_path: Path, searcher_file: Path) -> None:
    empty = tmp_path / "empty.tflite"
    export_empty(str(searcher_file), empty)
    report = export_android(empty, None, project)
    assert (report.items, report.made, report.bytes) == (0, 0, empty.stat().st_size)
    with pytest.raises(BuildError, match="has 300 items; name the folder of their pictures with --images"):
        export_android(searcher_file, None, project)


def test_missing_images_are_named(project: Path, images: Path, searcher_file: Path) -> None:
    report = export_android(searcher_file, images, project)
    rows = (project / "rejects.tsv").read_text(encoding="utf-8").splitlines()
    assert (len(rows), rows[1]) == (1 + 297, "images/3.png\t\tmissing file")
    assert len(report.rejects.rows) == 297


def test_another_export_replaces_the_first(project: Path, images: Path, searcher_file: Path) -> None:
    export_android(searcher_file, images, project)
    (images / "images/0.png").unlink()
    again = export_android(searcher_file, images, project)
    assert (again.made, again.kept) == (0, 2)
    assert not (project / "app/src/main/assets/thumbnails/images/0.png.webp").exists()


def task_library_file(folder: Path, embeddings: np.ndarray, query: str) -> Path:
    """The items of `searcher_file` for the Task Library."""
    tower, encoder = words_tower(), folder / "encoder.tflite"
    towers, shapes = {"text": tower, "image": PooledColours()}, {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    write_encoder(encoder, towers, shapes, dimension=DIMENSION, words=spellings(TEXTS, tower.hashes))
    data = searcher.DataLoader(str(encoder), embeddings, [f"images/{i}.png" for i in range(len(embeddings))])
    options = searcher.ScaNNOptions("dot_product", score_brute_force=searcher.ScoreBruteForce())
    path = folder / f"task_library_{query}.tflite"
    searcher.Searcher.create_from_data(data, options).export(searcher.ExportFormat.TASK_LIBRARY, path, query=query)
    return path


def test_a_task_library_file_goes_to_the_flavour_that_asks_it(project: Path, images: Path, tmp_path: Path, embeddings: np.ndarray) -> None:
    path = task_library_file(tmp_path, embeddings, "text")
    report = export_android(path, images, project)
    assert (report.flavor, report.assets) == ("taskLibrary", project / "app/src/taskLibrary/assets")
    assert (report.assets / "searcher.tflite").read_bytes() == path.read_bytes()
    assert len(list((report.assets / "thumbnails").rglob("*.webp"))) == 3


def test_a_task_library_file_has_to_take_text(project: Path, images: Path, tmp_path: Path, embeddings: np.ndarray) -> None:
    with pytest.raises(InvalidArgumentError, match="image"):
        export_android(task_library_file(tmp_path, embeddings, "image"), images, project)


def test_what_cannot_be_exported_is_told_and_nothing_is_written(
    project: Path, images: Path, tmp_path: Path, searcher_file: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildError, match=r"has no app.*expected the folder android_demo"):
        export_android(searcher_file, images, tmp_path)
    with pytest.raises(InvalidArgumentError, match="It is an encoder file, without items"):
        export_android(encoder, images, project)
    with pytest.raises(DataError, match="no thumbnail for any of the 300 images"):
        export_android(searcher_file, tmp_path / "android_demo", project)
    monkeypatch.setattr(android, "MAX_BYTES", 1000)
    with pytest.raises(BuildError, match="an Android app maps at most 1000; index fewer items"):
        export_android(searcher_file, images, project)
    assert not (project / "app/src/main/assets/searcher.tflite").exists()


def test_the_command_prints_what_it_wrote(project: Path, images: Path, searcher_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export-android", str(searcher_file), "--images", str(images), str(project), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["flavor"], figures["items"], figures["thumbnails"], figures["rejected"]) == ("graph", 300, 3, 297)


def test_the_demo_is_a_project_that_keeps_exports_out_of_git() -> None:
    assert (DEMO / android.APP).is_file()
    written = [str(DEMO / folder / name) for folder in android.ASSETS.values() for name in (android.SEARCHER, "thumbnails/a.webp")]
    ignored = subprocess.run(
        ["git", "check-ignore", *written, str(DEMO / android.REJECTS)], cwd=DEMO, capture_output=True, text=True, check=False
    )
    if ignored.returncode == 128:
        pytest.skip("not a git checkout")
    assert len(ignored.stdout.splitlines()) == len(written) + 1
