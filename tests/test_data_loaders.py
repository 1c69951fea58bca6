"""Model Maker's loaders: texts of a CSV and images of a folder, embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import task_library_files as files
from conftest import DIMENSION, TEXTS, run_fresh
from PIL import Image

from maker import searcher
from maker.errors import DataError, EncoderError
from task.text import TextEmbedder, TextSearcher
from task.vision import ImageEmbedder, TensorImage


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    path.write_text("id,text,note\n" + "".join(f'{i},"{text}",x\n' for i, text in enumerate(TEXTS)), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    (path / "deeper").mkdir(parents=True)
    for name, colour in (("red.png", (220, 0, 0)), ("deeper/green.one.jpg", (0, 220, 0))):
        Image.new("RGB", (20, 10), colour).save(path / name)
    (path / "broken.png").write_bytes(b"no image")
    (path / "red.dat").write_bytes(b"a red one \xc3\xa9\r\n")
    (path / "deeper" / "green.one.dat").write_bytes(b"\xff\0")
    return path


def test_texts_of_a_csv_are_embedded_in_order(encoder, csv_file):
    loader = searcher.TextDataLoader.create(str(encoder))
    loader.load_from_csv(str(csv_file), "text", "id")
    assert (len(loader), loader.metadata, loader.embedder_path) == (5, [b"0", b"1", b"2", b"3", b"4"], str(encoder))
    with TextEmbedder.create_from_file(str(encoder)) as embedder:
        for row, text in zip(loader.dataset, TEXTS, strict=True):
            np.testing.assert_array_equal(row, embedder.embed(text).embeddings[0].feature_vector.value)
    assert loader.rejects.rows == []
    loader.load_from_csv(str(csv_file), "text", "note")
    assert len(loader) == 10
    assert loader.dataset.shape == (10, DIMENSION)


def test_other_delimiters_quotes_and_short_lines(encoder, tmp_path, capsys):
    path = tmp_path / "x.tsv"
    path.write_bytes("\ufefftext\tm\n'a\tred kite'\t猫\nshort\na dog\t\n".encode())
    loader = searcher.TextDataLoader.create(str(encoder))
    loader.load_from_csv(str(path), "text", "m", delimiter="\t", quotechar="'")
    assert loader.metadata == ["猫".encode(), b""]
    assert loader.rejects.rows == [(str(path), "3", "the line has fewer columns than the header")]
    assert f"warning: {path}:3: left out" in capsys.readouterr().err


def test_csv_files_that_cannot_be_used(encoder, tmp_path):
    loader = searcher.TextDataLoader.create(str(encoder))
    cases = {"": "no column 'text'; there are none", "a,b\n": "no column 'text'", "text,m\n": "no item could be embedded"}
    for content, message in cases.items():
        (tmp_path / "x.csv").write_text(content)
        with pytest.raises(DataError, match=message):
            loader.load_from_csv(str(tmp_path / "x.csv"), "text", "m")
    (tmp_path / "x.csv").write_bytes(b"text,m\ncaf\xe9,1\n")
    with pytest.raises(DataError, match="save the file as UTF-8"):
        loader.load_from_csv(str(tmp_path / "x.csv"), "text", "m")
    with pytest.raises(FileNotFoundError):
        loader.load_from_csv(str(tmp_path / "none.csv"), "text", "m")


def test_l2_normalize_divides_by_the_norm(tmp_path, csv_file):
    model = files.lookup_text_model(tmp_path / "m.tflite", np.array([[3, 4], [0, 0]], np.float32))
    csv_file.write_text("t,m\nq0,a\nq1,b\n")
    rows = {}
    for normalize in (False, True):
        loader = searcher.TextDataLoader.create(str(model), l2_normalize=normalize)
        loader.load_from_csv(str(csv_file), "t", "m")
        rows[normalize] = loader.dataset.tolist()
    assert rows[False] == [[3, 4], [0, 0]]
    np.testing.assert_allclose(rows[True], [[0.6, 0.8], [0, 0]], atol=1e-6)


def test_images_of_a_folder_are_named_by_their_files(encoder, folder, capsys):
    loader = searcher.ImageDataLoader.create(str(encoder))
    loader.load_from_folder(str(folder))
    assert loader.metadata == [b"green.one", b"red"]
    with ImageEmbedder.create_from_file(str(encoder)) as embedder:
        image = TensorImage.create_from_file(str(folder / "red.png"))
        np.testing.assert_array_equal(loader.dataset[1], embedder.embed(image).embeddings[0].feature_vector.value)
    ((name, _, reason),) = loader.rejects.rows
    assert name == str(folder / "broken.png")
    assert "cannot be read as an image" in reason
    assert "warning: " in capsys.readouterr().err


def test_metadata_of_dat_files(encoder, folder):
    loader = searcher.ImageDataLoader.create(str(encoder), searcher.MetadataType.FROM_DAT_FILE)
    loader.load_from_folder(str(folder), mode="rb")
    assert loader.metadata == [b"\xff\0", b"a red one \xc3\xa9\r\n"]
    assert [Path(name).name for name, _, _ in loader.rejects.rows] == ["broken.png"]
    loader = searcher.ImageDataLoader.create(str(encoder), searcher.MetadataType.FROM_DAT_FILE)
    loader.load_from_folder(str(folder))
    assert loader.metadata == ["a red one é\n".encode()]
    with pytest.raises(DataError, match="mode must be"):
        loader.load_from_folder(str(folder), mode="w")
    with pytest.raises(DataError, match="not a folder"):
        loader.load_from_folder(str(folder / "red.png"))


def test_embedders_that_cannot_be_used(encoder, tmp_path):
    image = files.echo_image_model(tmp_path / "i.tflite", (4, 4))
    with pytest.raises(EncoderError, match="embeds images, not text"):
        searcher.TextDataLoader.create(str(image))
    text = files.lookup_text_model(tmp_path / "t.tflite", np.eye(2, dtype=np.float32))
    with pytest.raises(EncoderError, match="embeds text, not images"):
        searcher.ImageDataLoader.create(str(text))
    with pytest.raises(EncoderError, match="none.tflite"):
        searcher.TextDataLoader.create(str(tmp_path / "none.tflite"))


def test_loaders_are_appended_and_make_a_searcher(encoder, csv_file, tmp_path):
    first, second = (searcher.TextDataLoader.create(str(encoder)) for _ in range(2))
    first.load_from_csv(str(csv_file), "text", "id")
    second.load_from_csv(str(csv_file), "text", "note")
    first.append(second)
    assert (len(first), first.dataset.shape) == (10, (10, DIMENSION))
    made = searcher.Searcher.create_from_data(first, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))
    made.export(export_filename=tmp_path / "s.tflite")
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as opened:
        found = opened.search(TEXTS[3]).nearest_neighbors[:2]
    assert {(n.id, n.metadata) for n in found} == {(3, b"3"), (8, b"x")}


def test_no_tensorflow_is_imported(encoder, csv_file):
    code = """
import sys
from maker import searcher
loader = searcher.TextDataLoader.create(sys.argv[1])
loader.load_from_csv(sys.argv[2], "text", "id")
print(len(loader), "tensorflow" in sys.modules)
"""
    assert run_fresh(code, str(encoder), str(csv_file)) == "5 False"
