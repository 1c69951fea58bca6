"""Model Maker's API, as its users call it."""

import numpy as np
import pytest
from conftest import DIMENSION, run_fresh
from PIL import Image

from maker import searcher
from maker.errors import BuildError, DataError, EncoderError, MakerError
from task.text import TextSearcher
from tests.outside_data import WEIGHTS, absent

EMBEDDER = WEIGHTS / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"

SNIPPET = """
import sys
import numpy as np
tflite_embedder_path = sys.argv[1]
rng = np.random.default_rng(0)
image_embeddings = np.abs(rng.standard_normal((1200, int(sys.argv[2])))).astype(np.float32)
metadata = [f"photo {i}" for i in range(1200)]

from maker import searcher
scann_options = searcher.ScaNNOptions(
    distance_measure='dot_product',
    tree=searcher.Tree(num_leaves=351, num_leaves_to_search=4),
    score_ah=searcher.ScoreAH(1, anisotropic_quantization_threshold=0.2))
data = searcher.DataLoader(tflite_embedder_path, image_embeddings, metadata)
model = searcher.Searcher.create_from_data(data, scann_options)
model.export(export_filename='searcher.tflite', userinfo='', export_format=searcher.ExportFormat.TFLITE)
assert "tensorflow" not in sys.modules
print("built")
"""


def test_the_snippet_runs_without_tensorflow_in_the_process(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_fresh(SNIPPET, str(encoder), str(DIMENSION)) == "built"
    assert len(TextSearcher.create_from_file("searcher.tflite").search("a red kite").nearest_neighbors) == 5


@pytest.mark.skipif(not EMBEDDER.exists(), reason=absent(EMBEDDER))
def test_the_snippet_runs_with_an_image_embedder_made_by_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_fresh(SNIPPET, str(EMBEDDER), "1024") == "built"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3)).astype(np.uint8)).save("query.png")
    code = """
from task import vision
result = vision.ImageSearcher.create_from_file("searcher.tflite").search(vision.TensorImage.create_from_file("query.png"))
print(len(result.nearest_neighbors))
"""
    assert run_fresh(code) == "5"


def test_a_dimension_mismatch_is_an_error_before_anything_is_written(encoder, tmp_path):
    data = searcher.DataLoader(str(encoder), np.ones((4, DIMENSION + 1), np.float32), list("abcd"))
    with pytest.raises(DataError, match=f"has {DIMENSION} dimensions, the embeddings have {DIMENSION + 1}"):
        searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))


def test_metadata_count_and_missing_embeddings_are_errors():
    with pytest.raises(DataError, match="2 metadata for 3 embeddings"):
        searcher.DataLoader(None, np.ones((3, 2), np.float32), ["a", "b"])
    with pytest.raises(DataError, match="without embeddings"):
        searcher.DataLoader(None, None, ["a"])
    with pytest.raises(DataError, match="no embeddings yet"):
        _ = searcher.DataLoader().dataset


def test_loaders_are_appended_as_in_model_maker():
    first = searcher.DataLoader(None, np.zeros((2, 3), np.float32), ["a", "b"])
    first.append(searcher.DataLoader(None, np.ones((1, 3), np.float32), ["c"]))
    assert len(first) == 3
    assert first.dataset.shape == (3, 3)
    assert first.metadata == [b"a", b"b", b"c"]
    with pytest.raises(ValueError, match="The embedding dimension must be the same."):
        first.append(searcher.DataLoader(None, np.ones((1, 4), np.float32), ["d"]))


def test_unknown_export_formats_and_a_missing_embedder_are_errors(tmp_path):
    data = searcher.DataLoader(None, np.ones((2, 3), np.float32), ["a", "b"])
    model = searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))
    with pytest.raises(BuildError, match="Unsupported export format"):
        model.export("TFLITE", tmp_path / "x.tflite")
    with pytest.raises(BuildError, match="Can't export the tflite model since embedder model is not provided"):
        model.export(searcher.ExportFormat.TASK_LIBRARY, tmp_path / "x.tflite")


def test_the_names_are_model_maker_s():
    names = "DataLoader ImageDataLoader TextDataLoader MetadataType ExportFormat ScaNNOptions Tree ScoreAH ScoreBruteForce Searcher"
    assert sorted(searcher.__all__) == sorted(names.split())


def test_metadata_of_any_bytes_come_back(tmp_path):
    metadata = [b"", b"\0\xff", "猫".encode(), b"x" * 5000]
    data = searcher.DataLoader(None, np.eye(4, dtype=np.float32), metadata)
    model = searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))
    model.export(export_filename=tmp_path / "x.tflite", userinfo="NUL \0 and 猫")
    with TextSearcher.create_from_file(str(tmp_path / "x.tflite")) as opened:
        assert opened.get_user_info() == "NUL \0 and 猫"
        for item, expected in enumerate(metadata):
            assert opened.search_embedding(np.eye(4, dtype=np.float32)[item]).nearest_neighbors[0].metadata == expected


def test_an_embedder_that_takes_no_image_is_refused(searcher_file, tmp_path):
    (tmp_path / "junk.tflite").write_bytes(b"0000TFL3" + b"\xff" * 100)
    data = searcher.DataLoader(str(tmp_path / "junk.tflite"), np.ones((2, 3), np.float32), ["a", "b"])
    with pytest.raises(EncoderError, match=r"junk\.tflite"):
        searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)))


def test_errors_are_value_errors():
    assert issubclass(MakerError, ValueError)
