"""The runtime: options, results, errors, threads."""

from __future__ import annotations

import json
import threading
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import DIMENSION, SIDE, TEXTS, run_fresh

from maker.errors import BuildError
from maker.export.verify import verify
from task import text, vision
from task.core import BaseOptions
from task.errors import DamagedFileError, InvalidArgumentError, MissingFileError, NewerFormatError, TaskError
from task.format import manifest
from task.processor import BoundingBox, EmbeddingOptions, SearchOptions
from task.text import TextSearcher, TextSearcherOptions


def test_importing_the_runtime_loads_nothing_heavy():
    code = """
import sys
import task.core, task.processor, task.text, task.vision
print(sorted({"tensorflow", "scann", "PIL", "maker"} & set(sys.modules)))
"""
    assert run_fresh(code) == "[]"


def test_a_search_loads_nothing_heavy_either(searcher_file):
    code = """
import sys
from task import text
text.TextSearcher.create_from_file(sys.argv[1]).search("a kite")
print(sorted({"tensorflow", "scann", "PIL", "maker"} & set(sys.modules)))
"""
    assert run_fresh(code, str(searcher_file)) == "[]"


def test_neighbours_come_nearest_first_with_bytes_and_floats(searcher_file):
    result = text.TextSearcher.create_from_file(str(searcher_file)).search("a red kite above a green hill")
    assert len(result.nearest_neighbors) == 5
    assert all(isinstance(n.metadata, bytes) and isinstance(n.distance, float) for n in result.nearest_neighbors)
    distances = [n.distance for n in result.nearest_neighbors]
    assert distances == sorted(distances)
    assert result.nearest_neighbors[0].metadata.startswith(b"images/")


def test_text_search_equals_searching_with_the_embedding(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        for query in [*TEXTS, "kite", "zzz unknown words"]:
            embedding = searcher.engine.embed_text(query)
            assert abs(np.linalg.norm(embedding) - 1) < 1e-5
            by_text, by_vector = searcher.search(query), searcher.search_embedding(embedding)
            assert [n.metadata for n in by_text.nearest_neighbors] == [n.metadata for n in by_vector.nearest_neighbors]


@pytest.mark.parametrize("query", ["", "   ", "?!", "😀", "，。"])
def test_a_query_without_a_word_finds_nothing(searcher_file, query):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        assert searcher.search(query).nearest_neighbors == []
        assert searcher.search(query, allowed=range(10)).nearest_neighbors == []
        searcher.remove(0)
        assert searcher.search(query).nearest_neighbors == []
        signature = Interpreter(str(searcher_file)).get_signature_runner("search_text")
        padded = np.zeros(signature.get_input_details()["query"]["shape"], np.uint8)
        padded[0, : len(query.encode())] = np.frombuffer(query.encode(), np.uint8)
        assert (signature(query=padded)["ids"] == -1).all()


def test_distances_are_negative_dot_products(searcher_file, embeddings):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        found = searcher.search_embedding(embeddings[17]).nearest_neighbors
    assert found[0].metadata == b"images/17.png"
    assert abs(found[0].distance + 1) < 0.01


def test_content_and_path_give_the_same_answers(searcher_file):
    by_path = TextSearcher.create_from_file(str(searcher_file)).search(TEXTS[0])
    options = TextSearcherOptions(BaseOptions(file_content=searcher_file.read_bytes(), num_threads=2))
    assert TextSearcher.create_from_options(options).search(TEXTS[0]) == by_path


def test_the_interpreter_has_as_many_threads_as_were_asked_for(searcher_file, monkeypatch):
    asked = []

    def recording(**options):
        asked.append(options["num_threads"])
        return Interpreter(**options)

    monkeypatch.setattr("task.core.interpreter._interpreter_class", lambda: recording)
    for threads in (-1, 1, 3):
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(searcher_file), num_threads=threads))).close()
    assert asked == [None, 1, 3]  # where none are asked for, the interpreter chooses


def test_max_results_is_honoured_below_and_above_k(searcher_file):
    for wanted, expected in ((1, 1), (7, 7), (120, 120), (1000, 300)):  # k is 50, of 300 items
        options = TextSearcherOptions(BaseOptions(str(searcher_file)), search_options=SearchOptions(max_results=wanted))
        assert len(TextSearcher.create_from_options(options).search(TEXTS[0]).nearest_neighbors) == expected


def test_options_and_user_info_can_be_read_back(searcher_file):
    options = TextSearcherOptions(BaseOptions(str(searcher_file)))
    with TextSearcher.create_from_options(options) as searcher:
        assert searcher.options is options
        assert searcher.get_user_info() == "made by a test"


def test_a_closed_searcher_says_so(searcher_file):
    searcher = TextSearcher.create_from_file(str(searcher_file))
    searcher.close()
    searcher.close()
    with pytest.raises(InvalidArgumentError, match="closed"):
        searcher.search("a kite")


def test_the_bare_interpreter_gives_what_task_gives(searcher_file):
    query = TEXTS[1].encode()
    runner = Interpreter(model_path=str(searcher_file)).get_signature_runner("search_text")
    padded = np.zeros(runner.get_input_details()["query"]["shape"], np.uint8)
    padded[0, : len(query)] = np.frombuffer(query, np.uint8)
    found = runner(query=padded)
    result = TextSearcher.create_from_file(str(searcher_file)).search(TEXTS[1])
    assert [f"images/{i}.png".encode() for i in found["ids"][0][:5]] == [n.metadata for n in result.nearest_neighbors]
    assert found["distances"].dtype == np.float32
    assert found["ids"].dtype == np.int32


def test_several_threads_get_the_answers_of_one(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        expected = [searcher.search(query) for query in TEXTS]
        wrong: list[str] = []

        def ask() -> None:
            for _ in range(30):
                wrong.extend(q for q, e in zip(TEXTS, expected, strict=True) if searcher.search(q) != e)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_an_image_search_equals_searching_with_its_embedding(searcher_file):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    with vision.ImageSearcher.create_from_file(str(searcher_file)) as searcher:
        image = vision.TensorImage.create_from_array(pixels)
        resized = vision.resize.resize(pixels, SIDE, SIDE)
        assert searcher.search(image) == searcher.search_embedding(searcher.engine.embed_image(resized))


def test_a_bounding_box_is_the_same_as_cropping_first(searcher_file):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    whole = vision.TensorImage.create_from_array(pixels)
    crop = vision.TensorImage.create_from_array(pixels[10:35, 4:24])
    with vision.ImageSearcher.create_from_file(str(searcher_file)) as searcher:
        assert searcher.search(whole, BoundingBox(4, 10, 20, 25)) == searcher.search(crop)
        for box in (BoundingBox(-1, 0, 5, 5), BoundingBox(0, 0, 31, 5), BoundingBox(0, 0, 0, 5)):
            with pytest.raises(ValueError, match="Invalid crop coordinates"):
                searcher.search(whole, box)


def test_queries_of_a_wrong_kind_are_refused(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        with pytest.raises(InvalidArgumentError, match="str, found int"):
            searcher.search(5)
        with pytest.raises(InvalidArgumentError, match=f"has 3 dimensions, the index {DIMENSION}"):
            searcher.search_embedding(np.ones(3, np.float32))
        with pytest.raises(InvalidArgumentError, match="not finite"):
            searcher.search_embedding(np.full(DIMENSION, np.nan, np.float32))


@pytest.mark.parametrize("value", [0, -1])
def test_max_results_below_one_is_refused_as_the_task_library_does(searcher_file, value):
    options = TextSearcherOptions(BaseOptions(str(searcher_file)), search_options=SearchOptions(max_results=value))
    with pytest.raises(ValueError, match=f"SearchOptions.max_results must be > 0, found {value}"):
        TextSearcher.create_from_options(options)


def test_quantize_is_refused_as_the_task_library_does(searcher_file):
    options = TextSearcherOptions(BaseOptions(str(searcher_file)), EmbeddingOptions(quantize=True))
    with pytest.raises(ValueError, match="not allowed in searchers"):
        TextSearcher.create_from_options(options)


def test_files_that_cannot_be_opened_raise_what_the_task_library_raises(tmp_path):
    with pytest.raises(RuntimeError, match="Unable to open file at"):
        TextSearcher.create_from_file(str(tmp_path / "none.tflite"))
    with pytest.raises(MissingFileError):
        TextSearcher.create_from_file(str(tmp_path / "none.tflite"))
    for content in (b"", b"PK", b"no flatbuffer in here"):
        (tmp_path / "x.tflite").write_bytes(content)
        with pytest.raises(ValueError, match="not a valid Flatbuffer buffer"):
            TextSearcher.create_from_file(str(tmp_path / "x.tflite"))
    with pytest.raises(ValueError, match="ExternalFile must specify"):
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions()))


def test_truncation_anywhere_is_an_error_of_the_runtime(searcher_file):
    content = searcher_file.read_bytes()
    for size in np.linspace(0, len(content) - 1, 40).astype(int):
        with pytest.raises(TaskError):
            TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=content[:size])))


def test_a_newer_format_is_told_from_a_damaged_one(searcher_file):
    content = searcher_file.read_bytes()
    newer = content.replace(b'"format_version": 1', b'"format_version": 9')
    with pytest.raises(NewerFormatError, match="version 9 is newer than 1"):
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=newer)))


def test_a_flipped_byte_of_the_manifest_is_noticed(searcher_file):
    content = searcher_file.read_bytes()
    damaged = content.replace(b'"dimension"', b'"dimensi0n"')
    with pytest.raises(DamagedFileError, match="incomplete"):
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=damaged)))


def test_verify_tells_a_flipped_constant(searcher_file, tmp_path):
    assert len(verify(searcher_file)) == 2
    content = bytearray(searcher_file.read_bytes())
    with zipfile.ZipFile(searcher_file) as tail:
        end = min(e.header_offset for e in tail.infolist())
    content[end - 2000] ^= 1
    (tmp_path / "x.tflite").write_bytes(content)
    with pytest.raises(BuildError, match="model does not match its SHA-256"):
        verify(tmp_path / "x.tflite")


def test_standard_tools_can_read_the_associated_files(searcher_file):
    with zipfile.ZipFile(searcher_file) as tail:
        assert tail.namelist() == ["items.offsets", "items.bytes", "searcher.json"]
        assert tail.testzip() is None
        content = json.loads(tail.read(manifest.FILE))
    assert content["format"] == "pocket-searcher"
    assert {g["signature"] for g in content["golden"]} == {"search_text", "search_image", "search_embedding"}
