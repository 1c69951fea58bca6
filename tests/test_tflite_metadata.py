"""TFLite Metadata are read and written whole."""

from __future__ import annotations

import numpy as np
import pytest

from maker.encoders.embedder import image_tower
from maker.graph.model import Model
from maker.graph.source import Source
from maker.task_library.model_copy import copied_model
from task.format import tflite_metadata, tflite_model
from tests.outside_data import WEIGHTS, absent

FILE = {"name": "labels.txt", "description": "labels", "type": 2, "locale": "zh", "version": "2"}
EVERYTHING = {
    "name": "model",
    "description": "of a test",
    "version": "v1",
    "subgraph_metadata": [
        {
            "name": "first",
            "description": "the only one",
            "input_tensor_metadata": [
                {
                    "name": "image",
                    "description": "pixels",
                    "dimension_names": ["batch", "高さ"],
                    "content": {
                        "content_properties_type": 2,
                        "content_properties": {"color_space": 1, "default_size": {"width": 12, "height": 4_000_000_000}},
                        "range": {"min": -3, "max": 7},
                    },
                    "process_units": [
                        {"options_type": 1, "options": {"mean": [0.5], "std": [1.5, 2.0, 2.5]}},
                        {"options_type": 3, "options": {"global_score_threshold": 0.25}},
                    ],
                    "stats": {"max": [255.0], "min": [1.0]},
                    "associated_files": [FILE],
                }
            ],
            "output_tensor_metadata": [
                {"name": "a", "content": {"content_properties_type": 1, "content_properties": {}}},
                {
                    "name": "boxes",
                    "content": {
                        "content_properties_type": 3,
                        "content_properties": {"index": [1, 0, 3, 2], "type": 1, "coordinate_type": 1},
                    },
                    "process_units": [{"options_type": 2, "options": {"score_transformation": 1, "default_score": -0.5}}],
                },
                {"name": "sound", "content": {"content_properties_type": 4, "content_properties": {"sample_rate": 16000, "channels": 2}}},
            ],
            "associated_files": [FILE],
            "input_process_units": [{"options_type": 4, "options": {"vocab_file": [FILE]}}],
            "output_process_units": [{"options_type": 5, "options": {"sentencePiece_model": [FILE], "vocab_file": [FILE]}}],
            "input_tensor_groups": [{"name": "in", "tensor_names": ["image"]}],
            "output_tensor_groups": [{"name": "out", "tensor_names": ["a", "boxes"]}],
            "custom_metadata": [{"name": "mine", "data": b"\x00\xffbytes"}],
        }
    ],
    "author": "someone",
    "license": "Apache-2.0",
    "associated_files": [FILE],
    "min_parser_version": "1.5.0",
}


def test_every_field_survives():
    assert tflite_metadata.decode(tflite_metadata.encode(EVERYTHING)) == EVERYTHING


def test_custom_metadata_are_aligned():
    assert tflite_metadata.encode(EVERYTHING).index(b"\x00\xffbytes") % 16 == 0


@pytest.mark.parametrize(
    ("kind", "said_version", "newest"), [("float", "1.5.0", "1.5.0"), ("uint8", "1.0.0", "1.4.0"), ("uint8", "", "1.4.0")]
)
def test_a_copied_model_keeps_what_its_metadata_said(tmp_path, kind, said_version, newest):
    model = Model("embedder")
    g = model.subgraph("main")
    query = g.tensor("image", (1, 4, 4, 3), np.float32 if kind == "float" else np.uint8)
    pixels = query if kind == "float" else g.cast(query, np.float32)
    embedding = g.reshape(g.mean(g.reshape(pixels, (1, 16, 3)), axis=1), (1, 3))
    model.signature(g, {"image": query}, {"embedding": embedding})
    said = {**EVERYTHING, "min_parser_version": said_version, "subgraph_metadata": [{**EVERYTHING["subgraph_metadata"][0]}]}
    said["subgraph_metadata"][0]["output_tensor_metadata"] = said["subgraph_metadata"][0]["output_tensor_metadata"][:1]
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(said))
    model.write(tmp_path / "m.tflite")
    assert copied_model(tmp_path / "copy.tflite", str(tmp_path / "m.tflite"), image_tower(Source(tmp_path / "m.tflite")), "index.ldb")
    found = tflite_metadata.decode(tflite_model.metadata((tmp_path / "copy.tflite").read_bytes(), tflite_metadata.NAME))
    (output,) = found["subgraph_metadata"][0]["output_tensor_metadata"]
    assert output.pop("associated_files") == [{"name": "index.ldb", "description": "On-device ScaNN index", "type": 6}]
    assert found.pop("min_parser_version") == newest
    assert found == {k: v for k, v in said.items() if k != "min_parser_version"}


@pytest.mark.skipif(not WEIGHTS.exists(), reason=absent(WEIGHTS))
def test_others_metadata_are_read_whole():
    content = (WEIGHTS / "mobilenet_v2_035_96_embedder_with_metadata.tflite").read_bytes()
    found = tflite_metadata.decode(tflite_model.metadata(content, tflite_metadata.NAME))
    assert tflite_metadata.decode(tflite_metadata.encode(found)) == found
    (tensor,) = found["subgraph_metadata"][0]["input_tensor_metadata"]
    assert tensor["content"]["content_properties"]["color_space"] == 1
    assert tensor["stats"]["max"]
