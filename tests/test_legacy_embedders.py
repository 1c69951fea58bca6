"""Embedders: graph files and Task Library models, their tokenizers and how they take images."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import task_library_files as files
from ai_edge_litert import schema_py_generated as schema
from conftest import DIMENSION, SIDE, TEXTS
from PIL import Image

from task.core import BaseOptions
from task.errors import DamagedFileError, InvalidArgumentError
from task.format import tflite_metadata
from task.processor import EmbeddingOptions, FeatureVector
from task.search.tokenizers import WordPieceTokenizer
from task.task_library.regex_tokenizer import RegexTokenizer
from task.task_library.resize_fixed import resize_fixed
from task.text import TextEmbedder, TextEmbedderOptions
from task.vision import ImageEmbedder, ImageEmbedderOptions, TensorImage
from tests.outside_data import WEIGHTS, absent

weights = pytest.mark.skipif(not WEIGHTS.exists(), reason=absent(WEIGHTS))

ITEMS, WIDTH = 50, 6
ROWS = np.random.default_rng(9).standard_normal((ITEMS, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def bare_model(tmp_path_factory) -> Path:
    return files.lookup_text_model(tmp_path_factory.mktemp("model") / "bare.tflite", ROWS)


# -- embedding -------------------------------------------------------------------------------------------------------------------


def test_text_embeddings_of_a_graph_file(encoder, searcher_file):
    for path in (encoder, searcher_file):
        with TextEmbedder.create_from_file(str(path)) as embedder:
            (embedding,) = embedder.embed(TEXTS[0]).embeddings
            value = embedding.feature_vector.value
            assert (value.shape, value.dtype, embedding.output_index) == ((DIMENSION,), np.float32, 0)
            assert abs(np.linalg.norm(value) - 1) < 1e-5
            assert (embedder.get_embedding_dimension(0), embedder.get_embedding_dimension(1)) == (DIMENSION, -1)
            assert embedder.number_of_output_layers == 1


def test_image_embeddings_of_a_graph_file(encoder):
    image = TensorImage.create_from_array(np.full((SIDE, SIDE, 3), 90, np.uint8))
    with ImageEmbedder.create_from_file(str(encoder)) as embedder:
        (embedding,) = embedder.embed(image).embeddings
        assert embedding.feature_vector.value.shape == (DIMENSION,)
        assert abs(embedder.cosine_similarity(embedding.feature_vector, embedding.feature_vector) - 1) < 1e-6


def test_text_embeddings_of_a_task_library_model(bare_model):
    options = TextEmbedderOptions(BaseOptions(str(bare_model)), EmbeddingOptions(l2_normalize=True))
    with TextEmbedder.create_from_file(str(bare_model)) as plain, TextEmbedder.create_from_options(options) as normalized:
        np.testing.assert_array_equal(plain.embed("q5").embeddings[0].feature_vector.value, ROWS[5])
        unit = ROWS[5] / np.linalg.norm(ROWS[5])
        np.testing.assert_allclose(normalized.embed("q5").embeddings[0].feature_vector.value, unit, atol=1e-6)
        assert plain.get_embedding_dimension(0) == WIDTH


def test_quantised_embeddings(bare_model):
    options = TextEmbedderOptions(BaseOptions(str(bare_model)), EmbeddingOptions(l2_normalize=True, quantize=True))
    with TextEmbedder.create_from_options(options) as embedder:
        vectors = [embedder.embed(f"q{i}").embeddings[0].feature_vector for i in (5, 6)]
        assert vectors[0].value.dtype == np.uint8
        unit = ROWS[5] / np.linalg.norm(ROWS[5])
        np.testing.assert_array_equal(vectors[0].value.view(np.int8), np.clip(np.rint(unit * 128), -128, 127))
        a, b = (v.value.view(np.int8).astype(float) for v in vectors)
        assert abs(embedder.cosine_similarity(*vectors) - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) < 1e-9


@pytest.mark.parametrize(
    ("u", "v", "message"),
    [
        (np.ones(3, np.float32), np.ones(3, np.uint8), "quantized and float"),
        (np.ones(3, np.float32), np.ones(4, np.float32), "of sizes 3 and 4"),
        (np.ones(3, np.float32), np.zeros(3, np.float32), "0 norm"),
        (np.ones(0, np.float32), np.ones(0, np.float32), "of sizes 0 and 0"),
    ],
)
def test_vectors_that_have_no_cosine(bare_model, u, v, message):
    with TextEmbedder.create_from_file(str(bare_model)) as embedder, pytest.raises(ValueError, match=message):
        embedder.cosine_similarity(FeatureVector(u), FeatureVector(v))


@weights
def test_a_float_image_model_is_normalised_by_its_metadata():
    model = WEIGHTS / "mobilenet_v2_035_96_embedder_with_metadata.tflite"
    dog, cat = (TensorImage.create_from_array(np.random.default_rng(i).integers(0, 256, (120, 90, 3), dtype=np.uint8)) for i in range(2))
    options = ImageEmbedderOptions(BaseOptions(str(model)), EmbeddingOptions(l2_normalize=True))
    with ImageEmbedder.create_from_options(options) as embedder:
        a, b = (embedder.embed(image).embeddings[0].feature_vector for image in (dog, cat))
        assert a.value.shape == (1280,)
        assert 0 < embedder.cosine_similarity(a, b) < 1


@weights
def test_uint8_outputs_are_dequantised():
    model = WEIGHTS / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
    image = TensorImage.create_from_array(np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8))
    with ImageEmbedder.create_from_file(str(model)) as embedder:
        value = embedder.embed(image).embeddings[0].feature_vector.value
        assert (value.shape, value.dtype) == ((1024,), np.float32)
        steps = value / 0.023528477177023888
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert 0 < steps.max() <= 255


@weights
def test_a_float_image_model_without_normalisation_is_what_the_task_library_says():
    with pytest.raises(RuntimeError, match="Input tensor has type kTfLiteFloat32: it requires specifying NormalizationOptions"):
        ImageEmbedder.create_from_file(str(WEIGHTS / "mobilenet_v1_0.25_224_float.tflite"))


def test_one_or_three_means(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = TensorImage.create_from_array(pixels)
    for mean, std in (([10.0], [2.0]), ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])):
        model = files.echo_image_model(tmp_path / "m.tflite", (4, 5), np.float32, files.normalization_unit(mean, std))
        with ImageEmbedder.create_from_file(str(model)) as embedder:
            expected = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(std)
            np.testing.assert_allclose(embedder.embed(image).embeddings[0].feature_vector.value, expected.reshape(-1), rtol=1e-5)
    for mean, std, message in (([1.0], [0.0], "has a zero"), ([1.0, 2.0], [1.0, 1.0], "expected 1 or 3")):
        model = files.echo_image_model(tmp_path / "m.tflite", (4, 5), np.float32, files.normalization_unit(mean, std))
        with pytest.raises(InvalidArgumentError, match=message):
            ImageEmbedder.create_from_file(str(model))


# -- tokenizers: the expected ids were made by tflite-support 0.4.4 with the same vocabularies ---------------------------------------

WORDS = b"<PAD> 0\n<START> 1\n<UNKNOWN> 2\nthe 3\nThe 4\ncat's 5\nweather 6\nit 7\nna 9\n"
PIECES = "[PAD] [UNK] [CLS] [SEP] the cat ##s un ##aff ##able ' s , ! 猫 naive na ##ï ##ve".replace(" ", "\n").encode()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 0, 0, 0, 0, 0, 0, 0]),
        ("the cat's The weather", [1, 3, 5, 4, 6, 0, 0, 0]),
        (" the, ,it!! ", [1, 3, 7, 0, 0, 0, 0, 0]),
        ("THE the_it", [1, 2, 2, 0, 0, 0, 0, 0]),
        ("naïve it", [1, 9, 2, 7, 0, 0, 0, 0]),
        ("the\0it", [1, 3, 7, 0, 0, 0, 0, 0]),
        ("it " * 20, [1, 7, 7, 7, 7, 7, 7, 7]),
    ],
)
def test_regex_ids(tmp_path, text, ids):
    model = files.echo_ids_model(tmp_path / "m.tflite", 8, WORDS)
    with TextEmbedder.create_from_file(str(model)) as embedder:
        assert embedder.embed(text).embeddings[0].feature_vector.value.tolist() == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [2, 3, 0, 0, 0, 0, 0, 0]),
        ("The cats", [2, 4, 5, 6, 3, 0, 0, 0]),
        ("UNAFFABLE's", [2, 7, 8, 9, 10, 11, 3, 0]),
        ("猫猫the", [2, 14, 14, 4, 3, 0, 0, 0]),
        ("naïve, dog!", [2, 16, 17, 18, 12, 1, 13, 3]),
        ("the the the the the the the the", [2, 4, 4, 4, 4, 4, 4, 3]),
        ("the\0cat", [2, 4, 3, 0, 0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize("input_names", [("ids", "mask", "segment_ids"), ("a", "b", "c")])
def test_bert_ids(tmp_path, text, ids, input_names):
    model = files.echo_bert_model(tmp_path / "m.tflite", 8, PIECES, input_names)
    with TextEmbedder.create_from_file(str(model)) as embedder:
        value = embedder.embed(text).embeddings[0].feature_vector.value.reshape(3, 8).tolist()
    last = 1 if "mask" in input_names else 2  # without names, the mask comes last
    assert value[0] == ids
    assert value[last] == [float(i <= ids.index(3)) for i in range(8)]
    assert value[3 - last] == [0.0] * 8


def test_bert_models_of_open_length_get_all_pieces(tmp_path):
    def build(g):
        given = [g.tensor(f"given_{i}", (1, 1), np.int32) for i in range(3)]
        for tensor in given:
            g.table.tensors[tensor].shapeSignature = [1, -1]
        total = g.add(given[0], g.add(given[1], given[2]))  # ids, plus the mask; its sum is what is left of them
        return given, [g.reshape(g.cast(g.sum(total, axis=1), np.float32), (1, 1))]

    inputs = [{"name": name} for name in ("ids", "mask", "segment_ids")]
    units = {"input_process_units": [files.bert_unit()], "files": {files.VOCABULARY: PIECES}}
    model = files.write_model(tmp_path / "m.tflite", build, inputs=inputs, **units)
    with TextEmbedder.create_from_file(str(model)) as embedder:
        for text, ids in (("the", [2, 4, 3]), ("", [2, 3]), ("the cat " * 9, [2, *[4, 5] * 9, 3]), ("the", [2, 4, 3])):
            assert embedder.embed(text).embeddings[0].feature_vector.value.tolist() == [sum(ids) + len(ids)]


@pytest.mark.parametrize(("inputs", "expected"), [(1, "hello"), (3, "")])
def test_string_models_get_the_text_itself(tmp_path, inputs, expected):
    """A model that says which of its inputs are `expected`; of three, the question of a universal sentence encoder is the last."""
    content = expected.encode()
    packed = np.frombuffer(struct.pack("<iii", 1, 12, 12 + len(content)) + content, np.uint8)

    def build(g):
        given = [g.tensor(f"given_{i}", (1,), np.uint8) for i in range(inputs + 1)]
        for tensor in given:
            g.table.tensors[tensor].type = schema.TensorType.STRING
        constant = given.pop()
        g.table.tensors[constant].buffer = g.shared.buffer(packed)
        found = []
        for tensor in given:
            found.append(g.tensor(f"found_{tensor}", (1,), np.bool_))
            options = (schema.EqualOptionsT(), schema.BuiltinOptions.EqualOptions)
            g.operator(schema.BuiltinOperator.EQUAL, [tensor, constant], [found[-1]], *options)
        out = g.reshape(g.concat([g.cast(t, np.float32) for t in found]), (1, inputs))
        return given, [out] if inputs == 1 else [out, g.mul(out, np.array(2, np.float32))]

    model = files.write_model(tmp_path / "m.tflite", build)
    with TextEmbedder.create_from_file(str(model)) as embedder:
        for text in ("hello", "", "é"):
            value = embedder.embed(text).embeddings[0].feature_vector.value.tolist()
            assert value == ([float(text == expected)] if inputs == 1 else [2.0, 2.0, 2.0 * (text == expected)])


def test_a_long_word_is_unknown():
    tokenizer = WordPieceTokenizer(b"[UNK]\na\n##a\n")
    assert tokenizer.pieces("a" * 100)[0] == "a"
    assert tokenizer.pieces("a" * 101) == ["[UNK]"]


def test_the_longest_piece_is_found():
    assert WordPieceTokenizer(b"[UNK]\nelephant\ne\n##l\n").pieces("elephant") == ["elephant"]


def test_long_words_are_counted_in_bytes_as_the_task_library_does():
    vocabulary = "[UNK]\né\n##é\n".encode()
    assert WordPieceTokenizer(vocabulary).pieces("é" * 50) == ["é", *["##é"] * 49]
    assert WordPieceTokenizer(vocabulary).pieces("é" * 51) == ["[UNK]"]
    assert WordPieceTokenizer(vocabulary, len).pieces("é" * 51) == ["é", *["##é"] * 50]


def test_the_vertical_tab_is_no_space_to_the_task_library():
    tokenizer = RegexTokenizer("test", r"[\s,]+|\s", WORDS)
    assert tokenizer.encode("the\vit it", 4) == [1, 2, 7, 0]


def test_vocabularies_that_cannot_be_used():
    for vocabulary, message in ((b"<PAD> 0\n", "no <UNKNOWN>"), (b"<PAD> 0\nx\n", "line 2 of the vocabulary is 'x'")):
        with pytest.raises(DamagedFileError, match=message):
            RegexTokenizer("test", r"\s+", vocabulary)
    with pytest.raises(InvalidArgumentError, match="cannot be used"):
        RegexTokenizer("test", "(", WORDS)


def test_sentence_piece_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    options = {"sentencePiece_model": [{"name": files.VOCABULARY}]}
    unit = {"options_type": tflite_metadata.SENTENCE_PIECE_TOKENIZER, "options": options}
    monkeypatch.setattr(files, "bert_unit", lambda: unit)
    model = files.echo_bert_model(tmp_path / "m.tflite", 8, b"model")
    with pytest.raises(InvalidArgumentError, match="pip install sentencepiece"):
        TextEmbedder.create_from_file(str(model))


# -- resizing: the expected pixels were made by tflite-support 0.4.4 -------------------------------------------------------------------


def ramp(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 10, columns * 8, np.full_like(rows, 255)], 2).astype(np.uint8)


def test_shrinking_is_that_of_the_task_library():
    found = resize_fixed(ramp(20, 30), 8, 8)
    assert found[:, 0, 0].tolist() == [7, 32, 57, 82, 107, 131, 156, 181]
    assert found[0, :, 1].tolist() == [10, 40, 70, 100, 130, 159, 189, 219]
    assert (found[:, :, 2] == 253).all()


@pytest.mark.parametrize(("size", "target"), [((24, 24), (8, 8)), ((8, 8), (8, 8)), ((9, 1), (3, 2)), ((1, 1), (4, 4)), ((1, 50), (7, 9))])
def test_odd_sizes_are_resized(size, target):
    pixels = ramp(*size)
    found = resize_fixed(pixels, *target)
    assert found.shape == (*target, 3)
    assert found[:, :, 2].min() >= 252
    if size == (24, 24):
        assert (found == pixels[1::3, 1::3]).all()


def test_images_from_a_buffer_are_those_from_the_file(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    found = TensorImage.create_from_buffer((tmp_path / "x.png").read_bytes())
    assert (found.buffer == pixels).all()
    assert (found.buffer == TensorImage.create_from_file(str(tmp_path / "x.png")).buffer).all()
    with pytest.raises(InvalidArgumentError, match="cannot be read as an image"):
        TensorImage.create_from_buffer(b"no image")


def test_sentence_piece_models_get_the_pieces_of_their_own_model(tmp_path, monkeypatch):
    sentencepiece = pytest.importorskip("sentencepiece")
    stream = io.BytesIO()
    sentences = ["the weather was excellent", "the cat sat on the mat", "a red kite above the hill"] * 5
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=stream, vocab_size=28, user_defined_symbols=["[CLS]", "[SEP]"], minloglevel=2
    )
    options = {"sentencePiece_model": [{"name": files.VOCABULARY}]}
    unit = {"options_type": tflite_metadata.SENTENCE_PIECE_TOKENIZER, "options": options}
    monkeypatch.setattr(files, "bert_unit", lambda: unit)
    model = files.echo_bert_model(tmp_path / "m.tflite", 16, stream.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=stream.getvalue())
    expected = [processor.PieceToId(p) for p in ["[CLS]", *processor.EncodeAsPieces("the hat sat"), "[SEP]"]]
    with TextEmbedder.create_from_file(str(model)) as embedder:
        ids = embedder.embed("The HAT sat").embeddings[0].feature_vector.value[:16].astype(int).tolist()
    assert len(expected) < 16
    assert ids == expected + [0] * (16 - len(expected))
