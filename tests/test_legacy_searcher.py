"""Task Library searchers through the same classes as graph files."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest
import task_library_files as files
from conftest import TEXTS

from task.core import BaseOptions
from task.errors import ArgumentTypeError, InvalidArgumentError, MissingFileError, SearcherError, TaskError
from task.processor import BoundingBox, EmbeddingOptions, SearchOptions
from task.task_library.resize_fixed import resize_fixed
from task.text import TextEmbedder, TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, TensorImage
from tests.outside_data import LEGACY, absent

REGEX_SEARCHER = LEGACY / "regex_searcher.tflite"
REGEX_EMBEDDER = LEGACY / "regex_one_embedding_with_metadata.tflite"
published = pytest.mark.skipif(not REGEX_SEARCHER.exists(), reason=absent(REGEX_SEARCHER))

QUERY = "The weather was excellent."
WEATHER, SUN, CAT, SUNNY, CAR = (
    b"The weather was excellent.",
    b"The sun was shining on that day.",
    b"The cat is chasing after the mouse.",
    b"It was a sunny day.",
    b"He was very happy with his newly bought car.",
)
ITEMS, WIDTH = 50, 6
ROWS = np.random.default_rng(9).standard_normal((ITEMS, WIDTH)).astype(np.float32)
METADATA = [f"item {i}".encode() for i in range(ITEMS)]


def text_searcher(model: Path, index: Path | None = None, **options) -> TextSearcher:
    normalize = options.pop("l2_normalize", None)
    search = SearchOptions(index_file_name=None if index is None else str(index), **options)
    return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(model)), EmbeddingOptions(normalize), search))


def names(result) -> list[bytes]:
    return [n.metadata for n in result.nearest_neighbors]


def distances(result) -> list[float]:
    return [n.distance for n in result.nearest_neighbors]


@pytest.fixture(scope="module")
def index_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("index") / "index.ldb"
    path.write_bytes(files.float_index(ROWS, METADATA, leaves=5, searched=2, user_info=b"info"))
    return path


@pytest.fixture(scope="module")
def bare_model(tmp_path_factory) -> Path:
    return files.lookup_text_model(tmp_path_factory.mktemp("model") / "bare.tflite", ROWS)


@pytest.fixture(scope="module")
def searcher_model(tmp_path_factory, index_file) -> Path:
    return files.lookup_text_model(tmp_path_factory.mktemp("model") / "searcher.tflite", ROWS, index_file.read_bytes())


# -- what tflite-support's own tests expect --------------------------------------------------------------------------------------


@published
def test_the_published_searcher_finds_what_its_test_expects():
    with text_searcher(REGEX_SEARCHER) as searcher:
        result = searcher.search(QUERY)
        assert names(result) == [WEATHER, SUN, CAT, SUNNY, CAR]
        np.testing.assert_allclose(distances(result), [0.889665, 0.889668, 0.889670, 0.889671, 0.889672], atol=1e-5)
        assert searcher.get_user_info() == "userinfo"


@published
def test_the_published_searcher_finds_what_its_test_expects_when_normalised():
    with text_searcher(REGEX_SEARCHER, l2_normalize=True) as searcher:
        result = searcher.search(QUERY)
        assert names(result)[0] == WEATHER
        np.testing.assert_allclose(distances(result), [0.0, 5.7e-5, 8.9e-5, 1.13e-4, 1.19e-4], atol=1e-5)


@published
def test_max_results_are_the_first_ones():
    with text_searcher(REGEX_SEARCHER, max_results=2) as two, text_searcher(REGEX_SEARCHER) as five:
        assert two.search(QUERY).nearest_neighbors == five.search(QUERY).nearest_neighbors[:2]


@published
@pytest.mark.parametrize("model_as_content", [False, True])
@pytest.mark.parametrize("index_as_content", [False, True])
def test_model_and_index_by_name_and_by_content(tmp_path, model_as_content, index_as_content):
    from task.core.model_file import ModelFile

    with ModelFile(BaseOptions(str(REGEX_SEARCHER))) as opened:
        index = opened.read("index.ldb")
    (tmp_path / "index.ldb").write_bytes(index)
    base = BaseOptions(file_content=REGEX_EMBEDDER.read_bytes()) if model_as_content else BaseOptions(str(REGEX_EMBEDDER))
    search = SearchOptions(index_file_content=index) if index_as_content else SearchOptions(str(tmp_path / "index.ldb"))
    with TextSearcher.create_from_options(TextSearcherOptions(base, search_options=search)) as searcher:
        assert names(searcher.search(QUERY)) == [WEATHER, SUN, CAT, SUNNY, CAR]


@published
def test_the_published_embedder_is_named_when_it_has_no_index():
    with pytest.raises(ValueError, match="Unable to find index file: SearchOptions.index_file is not set"):
        TextSearcher.create_from_file(str(REGEX_EMBEDDER))


# -- searching -------------------------------------------------------------------------------------------------------------------


def test_embedded_and_separate_index_answer_alike(searcher_model, bare_model, index_file):
    with text_searcher(searcher_model) as embedded, text_searcher(bare_model, index_file) as separate:
        for number in range(ITEMS):
            found = embedded.search(f"q{number}")
            assert found == separate.search(f"q{number}")
            assert found.nearest_neighbors[0].metadata == METADATA[number]
            assert abs(found.nearest_neighbors[0].distance) < 1e-5
        assert embedded.get_user_info() == separate.get_user_info() == "info"


def test_a_separate_index_wins_over_the_embedded_one(searcher_model, tmp_path):
    (tmp_path / "other.ldb").write_bytes(files.float_index(ROWS, [b"other " + m for m in METADATA]))
    with text_searcher(searcher_model, tmp_path / "other.ldb") as searcher:
        assert names(searcher.search("q3"))[0] == b"other item 3"


def test_batches_are_single_queries(searcher_model):
    with text_searcher(searcher_model) as searcher:
        queries = ["q1", "q7", "q1"]
        assert searcher.search_batch(queries) == [searcher.search(q) for q in queries]
        assert searcher.search_batch(queries, num_leaves_to_search=5) == [searcher.search(q, num_leaves_to_search=5) for q in queries]
        with pytest.raises(ArgumentTypeError, match="found one str"):
            searcher.search_batch("q1")


def test_leaves_at_query_time(searcher_model):
    exact = np.argsort(((ROWS - ROWS[4]) ** 2).sum(1), kind="stable")[:20]
    with text_searcher(searcher_model, max_results=20) as searcher:
        assert names(searcher.search("q4", num_leaves_to_search=5)) == [METADATA[i] for i in exact]
        assert names(searcher.search_embedding(ROWS[4], num_leaves_to_search=5)) == [METADATA[i] for i in exact]
        assert len(names(searcher.search("q4", num_leaves_to_search=1))) < 20


def test_vectors_can_be_searched(searcher_model):
    with text_searcher(searcher_model) as searcher:
        assert searcher.search_embedding(ROWS[8]) == searcher.search("q8")
        with pytest.raises(InvalidArgumentError, match="has 7 dimensions, the index 6"):
            searcher.search_embedding(np.ones(7, np.float32))
        with pytest.raises(InvalidArgumentError, match="not finite"):
            searcher.search_embedding(np.full(6, np.inf, np.float32))


def test_several_threads_get_the_answers_of_one(searcher_model):
    with text_searcher(searcher_model) as searcher:
        expected = [searcher.search(f"q{i}") for i in range(ITEMS)]
        found: dict[int, list] = {}

        def ask(number: int) -> None:
            found[number] = [searcher.search(f"q{i}") for i in range(ITEMS)]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(found[i] == expected for i in range(4))


def test_images_are_searched(tmp_path):
    projection = np.random.default_rng(0).standard_normal((WIDTH, 8 * 6 * 3)).astype(np.float32) / 100
    model = files.echo_image_model(tmp_path / "m.tflite", (8, 6), projection=projection, index=files.float_index(ROWS, METADATA))
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image, crop = TensorImage.create_from_array(pixels), TensorImage.create_from_array(pixels[2:18, 5:25])
    with ImageSearcher.create_from_file(str(model)) as searcher:
        vector = projection @ resize_fixed(pixels, 8, 6).reshape(-1).astype(np.float32)
        found = searcher.search(image)
        assert names(found) == names(searcher.search_embedding(vector))
        assert searcher.search_batch([image, crop]) == [found, searcher.search(crop)]
        assert searcher.search(image, BoundingBox(5, 2, 20, 16)) == searcher.search(crop)
        with pytest.raises(ValueError, match="Invalid crop coordinates"):
            searcher.search(image, BoundingBox(5, 2, 200, 16))


def test_a_graph_encoder_with_a_separate_index(encoder, tmp_path):
    with TextEmbedder.create_from_file(str(encoder)) as embedder:
        rows = np.stack([embedder.embed(text).embeddings[0].feature_vector.value for text in TEXTS])
    (tmp_path / "index.ldb").write_bytes(files.float_index(rows, [text.encode() for text in TEXTS], distance=files.DOT))
    with text_searcher(encoder, tmp_path / "index.ldb") as searcher:
        for text in TEXTS:
            assert names(searcher.search(text))[0] == text.encode()


def test_leaves_of_a_graph_are_fixed(searcher_file):
    with (
        TextSearcher.create_from_file(str(searcher_file)) as searcher,
        pytest.raises(InvalidArgumentError, match="num_leaves_to_search is fixed"),
    ):
        searcher.search("a red kite", num_leaves_to_search=2)


# -- what cannot be used -----------------------------------------------------------------------------------------------------------


def test_errors_are_those_of_the_task_library(bare_model, index_file, tmp_path):
    (tmp_path / "bad.ldb").write_bytes(b"no table" * 20)
    (tmp_path / "short.ldb").write_bytes(b"short")
    (tmp_path / "empty.ldb").write_bytes(b"")
    cases = [
        (bare_model, None, {}, ValueError, "Unable to find index file"),
        (bare_model, tmp_path / "none.ldb", {}, RuntimeError, "Unable to open file at"),
        (bare_model, tmp_path / "bad.ldb", {}, RuntimeError, "bad magic number"),
        (bare_model, tmp_path / "short.ldb", {}, RuntimeError, "file is too short to be an sstable"),
        (bare_model, tmp_path / "empty.ldb", {}, RuntimeError, "file is too short to be an sstable"),
        (tmp_path / "none.tflite", index_file, {}, RuntimeError, "Unable to open file at"),
        (index_file, index_file, {}, ValueError, "not a valid Flatbuffer buffer"),
        (bare_model, index_file, {"max_results": -1}, ValueError, "SearchOptions.max_results must be > 0, found -1."),
    ]
    for model, index, options, error, message in cases:
        with pytest.raises(error, match=message) as raised:
            text_searcher(model, index, **options)
        assert isinstance(raised.value, TaskError)
    with pytest.raises(ValueError, match="ExternalFile must specify"):
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(bare_model)), search_options=SearchOptions("")))
    with pytest.raises(MissingFileError):
        text_searcher(bare_model, tmp_path / "none.ldb")


def test_queries_of_a_wrong_type_are_type_errors(searcher_model):
    with text_searcher(searcher_model) as searcher:
        for query in (5, b"q1", None):
            with pytest.raises(TypeError, match="has to be a str"):
                searcher.search(query)


def test_models_of_the_other_kind_are_named(searcher_model, tmp_path):
    with (
        ImageSearcher.create_from_file(str(searcher_model)) as searcher,
        pytest.raises(InvalidArgumentError, match="embeds text, not images"),
    ):
        searcher.search(TensorImage.create_from_array(np.zeros((3, 3, 3), np.uint8)))
    image_model = files.echo_image_model(tmp_path / "m.tflite", (4, 4))
    with TextEmbedder.create_from_file(str(image_model)) as embedder, pytest.raises(InvalidArgumentError, match="embeds images, not text"):
        embedder.embed("a cat")


def test_an_index_of_another_dimension_is_refused(bare_model, tmp_path):
    (tmp_path / "index.ldb").write_bytes(files.float_index(ROWS[:, :4].copy(), METADATA))
    with pytest.raises(InvalidArgumentError, match="the model makes 6 dimensions, the index has 4"):
        text_searcher(bare_model, tmp_path / "index.ldb")


def test_a_custom_operator_is_named_with_what_to_do(tmp_path):
    def build(g):
        ids = g.tensor("ids", (1, 4), np.int32)
        return [ids], [g.cast(ids, np.float32)]

    model = files.write_model(tmp_path / "m.tflite", build, custom_operator="TFSentencepieceTokenizeOp")
    with pytest.raises(InvalidArgumentError, match="custom operator TFSentencepieceTokenizeOp.*builtin operators only"):
        TextEmbedder.create_from_file(str(model))


@pytest.mark.parametrize(
    ("inputs", "dtype", "outputs", "message"),
    [
        (2, np.int32, 1, "Expected 1 or 3 input tensors, got 2"),
        (1, np.int32, 1, "needs RegexTokenizerOptions"),
        (1, np.float32, 1, "float32, expected int32"),
        (1, np.int32, 2, "2 output tensors, expected exactly 1"),
        (3, np.int32, 1, "int32, expected string"),
    ],
)
def test_models_that_are_no_embedders(tmp_path, inputs, dtype, outputs, message):
    def build(g):
        given = [g.tensor(f"given_{i}", (1, 4), dtype) for i in range(inputs)]
        return given, [g.mul(given[0], np.array(i + 1, dtype)) for i in range(outputs)]

    model = files.write_model(tmp_path / "m.tflite", build)
    with pytest.raises(InvalidArgumentError, match=message):
        TextEmbedder.create_from_file(str(model))


def test_files_that_the_metadata_name_have_to_be_there(tmp_path):
    def build(g):
        ids = g.tensor("ids", (1, 4), np.int32)
        return [ids], [g.cast(ids, np.float32)]

    model = files.write_model(tmp_path / "m.tflite", build, inputs=[{"name": "ids", "process_units": [files.regex_unit()]}])
    with pytest.raises(SearcherError, match=r"vocab.txt' is missing"):
        TextEmbedder.create_from_file(str(model))


def test_a_closed_embedder_says_so(bare_model):
    embedder = TextEmbedder.create_from_file(str(bare_model))
    embedder.close()
    embedder.close()
    with pytest.raises(InvalidArgumentError, match="the embedder is closed"):
        embedder.embed("q1")


def test_truncation_anywhere_is_an_error(searcher_model):
    content = searcher_model.read_bytes()
    for size in np.linspace(0, len(content) - 1, 150).astype(int):
        with pytest.raises(TaskError):
            TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=content[:size])))


@pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_mutated_metadata_and_associated_files_end_in_an_error_or_an_answer(searcher_model, count):
    content = searcher_model.read_bytes()
    start = content.index(b"M001") - 4
    size = int.from_bytes(content[start - 4 : start], "little")
    tail = content.index(b"PK\3\4")
    source = random.Random(6)
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 3)):
            at = source.randrange(start, start + size) if source.random() < 0.5 else source.randrange(tail, len(content))
            damaged[at] = source.randrange(256)
        try:
            with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=bytes(damaged)))) as searcher:
                searcher.search("q3")
        except TaskError:
            pass
