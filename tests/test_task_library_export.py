"""What `maker` writes for the Task Library: index files, and searchers with TFLite Metadata that `task` opens as it opens others'."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import task_library_files as files
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, run_fresh, words_tower
from PIL import Image

from maker import searcher
from maker.encoders.spellings import decode, encode, pairs, polynomial, spellings, units
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import PAIR_FACTOR, TokenizerSize
from maker.errors import BuildError, EncoderError
from maker.export.encoder_file import write_encoder
from maker.index.options import ScoreAH
from maker.task_library import scalar_codebooks
from maker.task_library.scann_index import search_fraction
from maker.task_library.words_model import delimiters
from task.format import archive, tflite_metadata, tflite_model
from task.task_library.regex_tokenizer import RegexTokenizer
from task.task_library.scann_file import ScannFile
from task.text import TextEmbedder, TextSearcher
from task.vision import ImageSearcher, TensorImage
from tests.outside_data import LEGACY, WEIGHTS, absent

TASK_LIBRARY, INDEX_FILE = searcher.ExportFormat.TASK_LIBRARY, searcher.ExportFormat.SCANN_INDEX_FILE
SCORERS = {"float": {"score_brute_force": searcher.ScoreBruteForce()}, 1: {"score_ah": ScoreAH(1)}, 3: {"score_ah": ScoreAH(3)}}
CAPTIONS = [*TEXTS, "a café above a Café", "SEA sea", "naïve, naïve naive"]


@pytest.fixture(scope="module")
def worded(tmp_path_factory) -> Path:
    """The encoder of the other tests, with its words."""
    path, tower = tmp_path_factory.mktemp("worded") / "encoder.tflite", words_tower()
    shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    words = spellings(CAPTIONS, tower.hashes)
    write_encoder(path, {"text": tower, "image": PooledColours()}, shapes, dimension=DIMENSION, words=words)
    return path


def made(embedder, embeddings, tree=None, scorer="float", distance="dot_product", metadata=None):
    options = searcher.ScaNNOptions(distance, tree=tree, **SCORERS[scorer])
    metadata = [f"item {i}" for i in range(len(embeddings))] if metadata is None else metadata
    data = searcher.DataLoader(None if embedder is None else str(embedder), embeddings, metadata)
    return searcher.Searcher.create_from_data(data, options, trainer="own")


# -- the index -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "scorer", "distance"), list(itertools.product((None, searcher.Tree(13, 7)), SCORERS, ("dot_product", "squared_l2")))
)
def test_an_exported_index_finds_what_is_near(embeddings, tmp_path, tree, scorer, distance):
    contents = []
    for compression in (True, False):
        path = tmp_path / f"{compression}.ldb"
        made(None, embeddings, tree, scorer, distance).export(INDEX_FILE, path, "NUL \0 猫", compression)
        contents.append(path.read_bytes())
    model = files.lookup_text_model(tmp_path / "m.tflite", embeddings[:40])
    exact = -embeddings[:40] @ embeddings.T if distance == "dot_product" else ((embeddings[:40, None] - embeddings[None]) ** 2).sum(2)
    assert len(contents[0]) < len(contents[1])
    answers = []
    for compression in (True, False):
        with TextSearcher.create_from_file(str(model), str(tmp_path / f"{compression}.ldb")) as opened:
            assert opened.get_user_info() == "NUL \0 猫"
            answers.append([opened.search(f"q{i}").nearest_neighbors for i in range(40)])
    for i, neighbors in enumerate(answers[0]):
        assert neighbors == answers[1][i]
        ids = [int(n.metadata.removeprefix(b"item ")) for n in neighbors]
        assert i in ids[: 1 if scorer != 3 else 5]
        tolerance = {"float": 1e-5, 1: 0.08, 3: 0.8}[scorer]  # 8-bit look-up tables
        np.testing.assert_allclose([n.distance for n in neighbors], exact[i, ids], atol=tolerance)
        if tree is None and scorer == "float":
            assert ids == np.argsort(exact[i])[:5].tolist()


def test_the_index_is_laid_out_as_the_task_library_has_it(embeddings, tmp_path):
    made(None, embeddings, searcher.Tree(13, 7), 3).export(INDEX_FILE, tmp_path / "i.ldb")
    index = ScannFile((tmp_path / "i.ldb").read_bytes())
    scann = index.config.scann_config
    assert index.partitions == len(scann.partitioner.leaf) == 13
    assert sum(len(index.partition(i)) for i in range(13)) == len(embeddings)
    assert [book.shape for book in scann.asymmetric_hashing.subspace] == [(256, 3)] * 5 + [(256, 1)]
    assert index.config.embedding_dim == 6
    assert scann.asymmetric_hashing.lookup_type.name == "INT8"
    assert {scann.query_distance, scann.partitioner.query_distance, scann.asymmetric_hashing.query_distance} == {files.DOT}
    made(None, embeddings).export(INDEX_FILE, tmp_path / "flat.ldb")
    flat = ScannFile((tmp_path / "flat.ldb").read_bytes())
    assert (flat.partitions, flat.config.scann_config.partitioner, flat.config.scann_config.asymmetric_hashing) == (1, None, None)
    np.testing.assert_array_equal(flat.partition(0), embeddings)


def test_few_items_and_odd_metadata(tmp_path):
    metadata = [b"", b"\0\xff", "猫".encode()]
    for scorer in SCORERS:
        made(None, np.eye(3, 4, dtype=np.float32), None, scorer, metadata=metadata).export(INDEX_FILE, tmp_path / "i.ldb")
        model = files.lookup_text_model(tmp_path / "m.tflite", np.eye(3, 4, dtype=np.float32))
        with TextSearcher.create_from_file(str(model), str(tmp_path / "i.ldb")) as opened:
            assert [opened.search(f"q{i}").nearest_neighbors[0].metadata for i in range(3)] == metadata


@pytest.mark.parametrize("leaves", [1, 7, 13, 100, 351])
def test_the_share_of_leaves_is_never_one_too_many(leaves):
    for searched in range(1, leaves + 1):
        fraction = np.float32(search_fraction(searched, leaves))
        assert np.ceil(np.float32(leaves) * fraction) == searched


def test_codebooks_of_single_dimensions_are_close_to_the_values():
    rows = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
    rows[:, 2] = 0.25
    books = scalar_codebooks.train(rows, ScoreAH(1), 0)
    codes = scalar_codebooks.encode(rows, books)
    decoded = np.stack([book[codes[:, d], 0] for d, book in enumerate(books)], 1)
    assert all(book.shape == (256, 1) for book in books)
    assert np.sqrt(((rows - decoded) ** 2).mean(0)).max() < 0.008  # the best is 0.0064
    nearest = np.abs(rows[:100, 0, None] - books[0][None, :, 0]).min(1)
    np.testing.assert_allclose(np.abs(rows[:100, 0] - decoded[:100, 0]), nearest, atol=1e-6)


# -- text ------------------------------------------------------------------------------------------------------------------------


def test_plain_python_finds_the_units_that_the_graph_finds():
    texts = [*CAPTIONS, "Café cafe\u0301 ＣＡＦＥ", "빨간 집 🐱🐶", "don't; stop--now", "", "Ελληνικά Русский ﬁx", "a\u0301\u0302b ́ c"]
    found = tokenize(texts, TokenizerSize())
    for row, text in enumerate(texts):
        assert [polynomial(folded) for folded, _ in units(text)] == found.hashes[row][found.present[row] > 0].tolist()


def test_words_keep_how_they_are_spelt(worded):
    content = worded.read_bytes()
    start, size = archive.locate(content)["words.txt"]
    words = decode(content[start : start + size])
    assert decode(encode(words)) == words
    assert {"red", "sea", "猫"} <= set(words)
    assert len(set(words.values())) == len(words_tower().hashes)


def test_the_words_tower_gives_the_encoder_s_embeddings(worded, embeddings, tmp_path):
    path = tmp_path / "s.tflite"
    made(worded, embeddings).export(TASK_LIBRARY, path, "info")
    queries = ["a red kite above a green hill", "A RED Kite; above... a\tGreen\nhill!", "two white dogs", "boat", ""]
    with TextEmbedder.create_from_file(str(worded)) as own, TextEmbedder.create_from_file(str(path)) as other:
        for query in queries:
            a, b = (e.embed(query).embeddings[0].feature_vector.value for e in (own, other))
            np.testing.assert_allclose(b, a, atol=1e-6)
        unknown = other.embed("xylophone").embeddings[0].feature_vector.value
        assert (unknown == 0).all()
    with TextSearcher.create_from_file(str(path)) as opened:
        assert opened.get_user_info() == "info"
        assert len(opened.search("a red kite").nearest_neighbors) == 5


def test_pairs_of_words_give_the_encoder_s_embeddings(embeddings, tmp_path):
    tower, path = words_tower(word_pairs=2), tmp_path / "encoder.tflite"
    words = spellings(CAPTIONS, tower.hashes)
    known = {word for word in words if " " in word}
    assert {"red kite", "green hill", "two white"} <= known
    assert "kite red" not in known
    assert decode(encode(words)) == words
    write_encoder(path, {"text": tower}, {"text": (1, tower.size.max_bytes)}, dimension=DIMENSION, words=words)
    made(path, embeddings).export(TASK_LIBRARY, tmp_path / "s.tflite")
    queries = ["a red kite above a green hill", "a kite red", "red", "Two White dogs", "old boat", "", "a a red red kite"]
    with TextEmbedder.create_from_file(str(path)) as own, TextEmbedder.create_from_file(str(tmp_path / "s.tflite")) as other:
        for query in queries:
            a, b = (e.embed(query).embeddings[0].feature_vector.value for e in (own, other))
            np.testing.assert_allclose(b, a, atol=1e-6, err_msg=query)
        across, apart = (other.embed(q).embeddings[0].feature_vector.value for q in ("red xylophone kite", "kite red"))
        np.testing.assert_allclose(across, apart, atol=1e-6)
        together = other.embed("red kite").embeddings[0].feature_vector.value
    assert np.abs(together - apart).max() > 0.05


def test_pairs_have_at_most_one_separator_between_them():
    texts = ["red kite", "red-kite", "red, kite", "red  kite", "re\u0301d kite", "红色 car", "a b c"]
    size = TokenizerSize()
    found = tokenize(texts, size)
    for row, text in enumerate(texts):
        graph = found.pair_hashes[row][found.pair_present[row] > 0].tolist()
        plain = [(polynomial(a) * PAIR_FACTOR + polynomial(b)) & 0xFFFFFFFF for a, b in pairs(text)]
        assert [value & 0xFFFFFFFF for value in graph] == plain, text


def test_spellings_case_and_accents_map_to_one_id(tmp_path, embeddings):
    captions = [*CAPTIONS * 2]
    tower = words_tower()
    hashes = np.unique([polynomial(word) for word in ("cafe", "naive", "sea", "strasse")]).astype(np.int32)
    words = spellings([*captions, "Straße"], hashes)
    assert {"cafe", "café", "naive", "naïve", "sea"} <= set(words)
    assert words["café"] == words["cafe"]
    path = tmp_path / "e.tflite"
    table = np.random.default_rng(0).standard_normal((1 + len(hashes) + tower.size.gram_rows, DIMENSION)).astype(np.float32)
    write_encoder(path, {"text": type(tower)(hashes, table, tower.size)}, {"text": (1, 96)}, dimension=DIMENSION, words=words)
    made(path, embeddings).export(TASK_LIBRARY, tmp_path / "s.tflite")
    with TextEmbedder.create_from_file(str(tmp_path / "s.tflite")) as embedder:
        found = [
            embedder.embed(t).embeddings[0].feature_vector.value.tolist()
            for t in ("cafe", "Cafe", "CAFE", "café", "Café", "CAFÉ", "cafe\u0301", "«café»")
        ]
    assert all(vector == found[0] for vector in found)
    assert any(found[0])


def test_the_delimiters_are_what_the_encoder_s_tokenizer_separates_at():
    vocabulary = b"<PAD> 0\n<UNKNOWN> 1\na 2\n"
    tokenizer = RegexTokenizer("x", delimiters(), vocabulary)
    for separator in " \t\n.,;:!?-–—_'\"’“”«»…/\\[](){}^|`~@#$%&*+=<>¿¡©\u00a0\u3000。、\x0b\x00":
        assert tokenizer.encode(f"a{separator}a", 3) == [2, 2, 0], separator
    for letter in "éß猫аωא0٣\u0301":
        assert tokenizer.encode(f"a{letter}a", 3) == [1, 0, 0], letter


def test_an_encoder_without_words_is_a_clear_error(encoder, embeddings, tmp_path):
    with pytest.raises(EncoderError, match=r"there is no words\.txt.*They are in the encoder file"):
        made(encoder, embeddings).export(TASK_LIBRARY, tmp_path / "x.tflite")
    assert list(tmp_path.iterdir()) == []


# -- images ----------------------------------------------------------------------------------------------------------------------


def picture(height: int = 20, width: int = 30) -> TensorImage:
    return TensorImage.create_from_array(np.random.default_rng(4).integers(0, 256, (height, width, 3)).astype(np.uint8))


def test_the_image_tower_of_an_encoder(worded, embeddings, tmp_path):
    path = tmp_path / "s.tflite"
    made(worded, embeddings).export(TASK_LIBRARY, path, query="image")
    made(worded, embeddings).export(searcher.ExportFormat.TFLITE, tmp_path / "g.tflite")
    image = picture(SIDE, SIDE)
    with ImageSearcher.create_from_file(str(path)) as opened, ImageSearcher.create_from_file(str(tmp_path / "g.tflite")) as graph:
        found, expected = (s.search(image).nearest_neighbors for s in (opened, graph))
    assert [n.metadata for n in found] == [n.metadata for n in expected]
    np.testing.assert_allclose([n.distance for n in found], [n.distance for n in expected], atol=1e-5)
    with pytest.raises(BuildError, match="query must be one of text, image"):
        made(worded, embeddings).export(TASK_LIBRARY, path, query="sound")


@pytest.mark.skipif(not WEIGHTS.exists(), reason=absent(WEIGHTS))
@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_224_float", "mobilenet_v2_035_96_embedder_with_metadata"])
def test_models_of_others_are_copied_as_they_are(tmp_path, name):
    source, path = WEIGHTS / f"{name}.tflite", tmp_path / "s.tflite"
    if "float" in name:  # there is no word of its normalisation, so that loaders do not take it; what is exported says it
        made(source, np.ones((1, 1001), np.float32)).export(TASK_LIBRARY, tmp_path / "first.tflite")
        source = tmp_path / "first.tflite"
    (tmp_path / "images").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (40, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    data = searcher.ImageDataLoader.create(str(source))
    data.load_from_folder(str(tmp_path / "images"))
    options = searcher.ScaNNOptions("squared_l2", score_brute_force=searcher.ScoreBruteForce())
    searcher.Searcher.create_from_data(data, options).export(TASK_LIBRARY, path, "info")
    with ImageSearcher.create_from_file(str(path)) as opened:
        nearest = opened.search(TensorImage.create_from_file(str(tmp_path / "images" / "1.png"))).nearest_neighbors[0]
    assert nearest.metadata == b"1"
    assert abs(nearest.distance) < 1e-2


def test_a_float_model_says_how_pixels_become_floats(tmp_path):
    projection = np.random.default_rng(0).standard_normal((5, 48)).astype(np.float32)
    model = files.echo_image_model(tmp_path / "m.tflite", (4, 4), np.float32, projection=projection)
    made(model, np.eye(5, dtype=np.float32)).export(TASK_LIBRARY, tmp_path / "s.tflite")
    content = tflite_model.metadata((tmp_path / "s.tflite").read_bytes(), tflite_metadata.NAME)
    first = tflite_metadata.first_input(content)
    assert (first.mean, first.std) == ([127.5], [127.5])
    unit = files.normalization_unit([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    model = files.echo_image_model(tmp_path / "m.tflite", (4, 4), np.float32, unit, projection)
    made(model, np.eye(5, dtype=np.float32)).export(TASK_LIBRARY, tmp_path / "s.tflite")
    first = tflite_metadata.first_input(tflite_model.metadata((tmp_path / "s.tflite").read_bytes(), tflite_metadata.NAME))
    assert (first.mean, first.std) == ([1, 2, 3], [4, 5, 6])


def test_an_int8_output_is_dequantised_in_the_graph(tmp_path):
    def build(g):
        pixels = g.tensor("image", (1, 1, 2, 3), np.uint8)
        codes = np.arange(-5, 5, dtype=np.int8).reshape(5, 2)
        row = g.cast(g.reshape(g.slice(pixels, (0, 0, 0, 0), (1, 1, 1, 1)), (1,)), np.int32)
        return [pixels], [g.gather(g.constant(codes, "codes", 0.5), row)]

    model = files.write_model(tmp_path / "m.tflite", build, inputs=[{"name": "image"}])
    made(model, np.eye(2, dtype=np.float32)).export(TASK_LIBRARY, tmp_path / "s.tflite")
    with ImageSearcher.create_from_file(str(tmp_path / "s.tflite")) as opened:
        pixels = np.full((1, 2, 3), 4, np.uint8)
        distances = [n.distance for n in opened.search(TensorImage.create_from_array(pixels)).nearest_neighbors]
    assert distances == [-2.0, -1.5]  # codes 4 and 3, each half


# -- re-indexing -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["text", "image"])
def test_an_exported_searcher_is_an_embedder_again(worded, embeddings, tmp_path, query):
    made(worded, embeddings).export(TASK_LIBRARY, tmp_path / "old.tflite", "old", query=query)
    again = made(tmp_path / "old.tflite", embeddings[:50], searcher.Tree(4, 2), 1)
    again.export(TASK_LIBRARY, tmp_path / "new.tflite", "new")
    again.export(TASK_LIBRARY, tmp_path / "old.tflite", "new")  # over itself
    assert (tmp_path / "old.tflite").read_bytes() == (tmp_path / "new.tflite").read_bytes()
    with zipfile.ZipFile(tmp_path / "new.tflite") as tail:
        assert tail.namelist() == (["vocab.txt"] if query == "text" else []) + ["on_device_scann_index.ldb"]
        assert {entry.compress_type for entry in tail.infolist()} == {zipfile.ZIP_STORED}
    with TextSearcher.create_from_file(str(tmp_path / "new.tflite")) as opened:
        assert opened.get_user_info() == "new"
    if query == "text":
        with pytest.raises(EncoderError, match="expected"):
            again.export(searcher.ExportFormat.TFLITE, tmp_path / "graph.tflite")


@pytest.mark.skipif(not LEGACY.exists(), reason=absent(LEGACY))
def test_a_published_searcher_is_indexed_again(tmp_path):
    source = LEGACY / "regex_searcher.tflite"
    loader = searcher.TextDataLoader.create(str(source), l2_normalize=True)
    (tmp_path / "x.csv").write_text("text,m\nThe weather was excellent.,weather\na cat sleeps,cat\n")
    loader.load_from_csv(str(tmp_path / "x.csv"), "text", "m")
    options = searcher.ScaNNOptions("dot_product", score_brute_force=searcher.ScoreBruteForce())
    searcher.Searcher.create_from_data(loader, options).export(TASK_LIBRARY, tmp_path / "s.tflite", "new")
    with zipfile.ZipFile(tmp_path / "s.tflite") as tail:
        assert tail.namelist() == ["vocab.txt", "on_device_scann_index.ldb"]
    with TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as opened:
        assert sorted(n.metadata for n in opened.search("a cat").nearest_neighbors) == [b"cat", b"weather"]


def test_the_metadata_say_what_model_maker_s_say(worded, embeddings, tmp_path):
    made(worded, embeddings).export(TASK_LIBRARY, tmp_path / "s.tflite")
    content = (tmp_path / "s.tflite").read_bytes()
    described = tflite_metadata.decode(tflite_model.metadata(content, tflite_metadata.NAME))
    assert described["min_parser_version"] == "1.4.0"
    (output,) = described["subgraph_metadata"][0]["output_tensor_metadata"]
    assert [(f["name"], f["type"]) for f in output["associated_files"]] == [("on_device_scann_index.ldb", 6)]
    (given,) = described["subgraph_metadata"][0]["input_tensor_metadata"]
    assert given["process_units"][0]["options_type"] == tflite_metadata.REGEX_TOKENIZER


def test_no_tensorflow_is_imported(worded, tmp_path):
    code = """
import sys
import numpy as np
from maker import searcher
rows = np.random.default_rng(0).standard_normal((300, int(sys.argv[2]))).astype(np.float32)
data = searcher.DataLoader(sys.argv[1], rows, [str(i) for i in range(300)])
options = searcher.ScaNNOptions("dot_product", tree=searcher.Tree(8, 2), score_ah=searcher.ScoreAH(1, 0.2))
searcher.Searcher.create_from_data(data, options).export(searcher.ExportFormat.TASK_LIBRARY, sys.argv[3], "")
print("tensorflow" in sys.modules)
"""
    assert run_fresh(code, str(worded), str(DIMENSION), str(tmp_path / "s.tflite")) == "False"
