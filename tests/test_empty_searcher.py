"""Searchers without items: written from files and checkpoints, filled by adding, and refused where items are needed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS

from maker.cli import main
from maker.encoders import sentence_tower
from maker.encoders.embedder import open_embedder
from maker.errors import BuildError
from maker.export import golden
from maker.graph.source import Source
from maker.pipeline.empty import export_empty
from task.core import BaseOptions
from task.errors import InvalidArgumentError
from task.format import archive, manifest
from task.search.graph import GraphEngine
from task.text import Query, TextEmbedder, TextSearcher
from task.vision import ImageSearcher, TensorImage

sys.path.append(str(Path(__file__).parents[1]))
from tests.asked.items import write_asked
from tests.checkpoints import files
from tests.written_searcher import write_encoder_file
from tests.written_sounds import sound_encoder


@pytest.fixture
def empty(searcher_file, tmp_path) -> Path:
    assert main(["export", str(searcher_file), "--empty", "--output", str(tmp_path / "empty.tflite")]) == 0
    return tmp_path / "empty.tflite"


def test_nothing_is_found_until_something_is_added(empty, searcher_file):
    image = TensorImage.create_from_array(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    with TextSearcher.create_from_file(str(empty)) as by_text, ImageSearcher.create_from_file(str(empty)) as by_image:
        for one, query in ((by_text, TEXTS[0]), (by_image, image)):
            assert one.items == 0
            assert one.search(query).nearest_neighbors == []
            assert one.search(query, allowed=[]).nearest_neighbors == []
            assert one.search_embedding(np.ones(DIMENSION, np.float32)).nearest_neighbors == []
            assert one.search(Query(query) - TEXTS[1]).nearest_neighbors == []
            assert one.facets() == {}
            ids = [one.add(TEXTS[0], "sentence", {"stars": 3}), one.add(image, "image")]
            assert ids == [0, 1]
            assert one.search(query).nearest_neighbors[0].metadata == (b"sentence" if one is by_text else b"image")
            assert [n.id for n in one.search(query, where="stars == 3").nearest_neighbors] == [0]
            assert [n.id for n in one.similar(0).nearest_neighbors] == [1]
            one.remove(0)
            assert [n.id for n in one.search(query).nearest_neighbors] == [1]
            with pytest.raises(InvalidArgumentError, match="there is no item -1 to remove"):
                one.remove(-1)
    with TextSearcher.create_from_file(str(empty)) as one, TextSearcher.create_from_file(str(searcher_file)) as full:
        np.testing.assert_allclose(one.engine.embed_text(TEXTS[0]), full.engine.embed_text(TEXTS[0]), atol=1e-6)


def test_what_is_added_is_kept_and_becomes_a_searcher(empty, tmp_path, capsys):
    overlay, full = tmp_path / "o", tmp_path / "full.tflite"
    with TextSearcher.create_from_file(str(empty)) as one:
        for text in TEXTS:
            one.add(text, text, {"length": len(text)})
        one.remove(1)
        one.save_overlay(str(overlay))
        expected = [n.metadata for n in one.search(TEXTS[2]).nearest_neighbors]
    with TextSearcher.create_from_file(str(empty), overlay=str(overlay)) as again:
        assert again.items == len(TEXTS)
        assert [n.metadata for n in again.search(TEXTS[2]).nearest_neighbors] == expected
    assert main(["index", "--update", str(empty), "--overlay", str(overlay), "--output", str(full)]) == 0
    assert f"{len(TEXTS) - 1} items added" in capsys.readouterr().out
    with TextSearcher.create_from_file(str(full)) as one:
        assert one.engine.manifest.k == GraphEngine(BaseOptions(str(empty))).manifest.k
        assert "search_text" in one.engine.signatures
        assert [n.metadata for n in one.search(TEXTS[2]).nearest_neighbors] == expected
        assert [n.metadata.decode() for n in one.search(TEXTS[2], where=f"length == {len(TEXTS[0])}").nearest_neighbors][0] in TEXTS


def test_an_empty_searcher_of_a_searcher_keeps_what_does_not_depend_on_its_items(tmp_path):
    write_asked(tmp_path / "asked.tflite")
    export_empty(str(tmp_path / "asked.tflite"), tmp_path / "empty.tflite", k=7)
    one, other = (GraphEngine(BaseOptions(str(tmp_path / name))).manifest for name in ("asked.tflite", "empty.tflite"))
    assert (other.items, other.k, other.index, other.relevance) == (0, 7, {"kind": "none"}, {})
    assert (other.distance, other.dimension, other.normalized, other.means) == (one.distance, one.dimension, one.normalized, one.means)
    assert other.query == one.query
    assert one.means
    with TextSearcher.create_from_file(str(tmp_path / "empty.tflite")) as searcher:  # of one that indexes words
        searcher.add(np.eye(one.dimension, dtype=np.float32)[0], "a.jpg", captions=["a walrus"])
        assert [n.metadata for n in searcher.search("walrus", lexical="only").nearest_neighbors] == [b"a.jpg"]


def test_an_encoder_file_becomes_an_empty_searcher_and_is_none_itself(tmp_path, capsys):
    encoder, empty = tmp_path / "encoder.tflite", tmp_path / "empty.tflite"
    write_encoder_file(encoder)
    with pytest.raises(InvalidArgumentError, match="It is an encoder file, without items; `maker export --empty` makes a searcher of it"):
        TextSearcher.create_from_file(str(encoder))
    assert main(["export", str(encoder), "--empty", "--lexical", "--output", str(empty)]) == 0
    assert main(["verify", str(empty)]) == 0
    assert "4 golden queries" in capsys.readouterr().out
    assert set(Source(empty).signatures) == {"embed_text", "embed_image"}
    with TextSearcher.create_from_file(str(empty)) as one:
        assert one.search("a ball", lexical="auto").nearest_neighbors == []
    # It serves as an embedder of the next build, as the encoder file does.
    assert {kind: tower.dimension for kind, tower in open_embedder(empty).items()} == {"text": 32, "image": 32}
    with TextEmbedder.create_from_file(str(empty)) as embedder:
        assert embedder.embed("a ball").embeddings


def test_a_checkpoint_becomes_an_empty_searcher(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    pytest.importorskip("tokenizers")
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 20)
    checkpoint, empty = files.clip(tmp_path / "clip"), tmp_path / "empty.tflite"
    assert main(["export", str(checkpoint), "--empty", "--weights", "float32", "--output", str(empty)]) == 0
    with TextSearcher.create_from_file(str(empty)) as one:
        assert one.engine.manifest.encoders["image"]["spec"] == "clip"
        assert one.engine.manifest.normalized
        added = one.add("a photo of a cat", "cat")
        assert one.search("a photo of a cat").nearest_neighbors[0].id == added


def test_an_encoder_of_sounds_becomes_an_empty_searcher(tmp_path):
    export_empty(str(sound_encoder(tmp_path / "encoder.tflite")), tmp_path / "empty.tflite")
    assert golden.check_answers(tmp_path / "empty.tflite") == 3
    with TextSearcher.create_from_file(str(tmp_path / "empty.tflite")) as one:
        sound = one.engine.embed_audio(golden.pattern_sound(one.engine.sound_format.samples))
        assert one.search_embedding(sound).nearest_neighbors == []
        assert one.add(sound, "sound") == 0
        assert one.search(TEXTS[0]).nearest_neighbors[0].metadata == b"sound"


def test_a_damaged_empty_searcher_fails_its_golden_queries(empty):
    content = empty.read_bytes()
    start, size = archive.locate(content)[manifest.FILE]
    described = json.loads(content[start : start + size])
    kinds = [entry["signature"] for entry in described["golden"]]
    assert {"embed_text", "embed_image"} == set(kinds)
    first = str(described["golden"][0]["embedding"][0])
    changed = empty.with_name("changed.tflite")
    changed.write_bytes(content[: archive.model_size(content)])
    for name, (at, length) in archive.locate(content).items():
        part = content[at : at + length]
        archive.append(changed, name, part.replace(first.encode(), b"0.987", 1) if name == manifest.FILE else part)
    with pytest.raises(BuildError, match="a value differs by"):
        golden.check_answers(changed)


def test_what_needs_items_says_so(empty, tmp_path, capsys):
    queries = tmp_path / "q.csv"
    queries.write_text("query,relevant\na,b\n")
    for verb in (
        ["report", empty],
        ["evaluate", empty, "--queries", queries],
        ["export", empty, "--output", tmp_path / "x.tflite"],
    ):
        assert main([str(part) for part in verb]) == 1
        assert "empty.tflite: has no items; add some" in capsys.readouterr().err
    assert main(["search", str(empty), TEXTS[0]]) == 0
    assert "nothing found: the searcher has no items" in capsys.readouterr().out
    assert main(["inspect", str(empty)]) == 0
    assert "0 items of 16 dimensions" in capsys.readouterr().out
    with TextSearcher.create_from_file(str(empty)) as one:
        one.save_overlay(str(tmp_path / "nothing"))
    update = ["index", "--update", str(empty), "--overlay", str(tmp_path / "nothing"), "--output", str(tmp_path / "full.tflite")]
    assert main(update) == 1
    assert "adds no item to" in capsys.readouterr().err


def test_what_gives_no_towers_is_refused(empty, embeddings, tmp_path, capsys):
    from maker.pipeline import index_embeddings

    index_embeddings(embeddings, [b"x"] * len(embeddings), tmp_path / "rows.tflite")
    shutil.copy(Path(__file__), tmp_path / "text.tflite")
    output = str(tmp_path / "y.tflite")
    for source, problem in (
        (tmp_path / "rows.tflite", "has no towers, only items"),
        (tmp_path / "none.tflite", "no such searcher, encoder file or checkpoint"),
        (tmp_path / "text.tflite", "not a TFLite"),
    ):
        assert main(["export", str(source), "--empty", "--output", output]) == 1
        assert problem in capsys.readouterr().err
    assert main(["export", str(empty), "--empty", "--leaves", "3", "--output", output]) == 2
    assert "--leaves does not go with --empty" in capsys.readouterr().err
    assert main(["export", str(empty), "--lexical", "--output", output]) == 2
    assert "--lexical only goes with --empty" in capsys.readouterr().err
    assert main(["export", str(empty), "--empty", "--output", str(empty)]) == 1
    assert "--overwrite" in capsys.readouterr().err
