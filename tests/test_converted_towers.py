"""Towers that PyTorch converts: its part is played by a program that copies a file, the rounding of weights is ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from maker.checkpoints import rounded, torch_tower, write_encoder
from maker.checkpoints.converted import ConvertedTower
from maker.encoders import sentence_tower
from maker.errors import EncoderError
from maker.export.encoder_file import write_encoder as write_file
from maker.graph.source import Source
from task.text import TextEmbedder
from task.vision import ImageEmbedder, TensorImage
from tests.checkpoints import files

pytest.importorskip("safetensors")
SIZE = 32


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Path:
    """A small convolutional tower from uint8 to an embedding, as a converter writes it."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    inputs = tf.keras.Input((SIZE, SIZE, 3), batch_size=1, dtype="uint8")
    x = layers.Lambda(lambda pixels: tf.cast(pixels, tf.float32) / 255)(inputs)
    x = layers.Conv2D(48, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 1, activation="relu6")(layers.DepthwiseConv2D(5, padding="same", activation="relu")(x))
    network = tf.keras.Model(inputs, layers.Dense(files.DIMENSION)(layers.GlobalAveragePooling2D()(x)))
    path = tmp_path_factory.mktemp("converted") / "tower.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    return path


def embeddings(path: Path) -> np.ndarray:
    with ImageEmbedder.create_from_file(str(path)) as embedder:
        seen = [embedder.embed(TensorImage.create_from_array(p)).embeddings[0].feature_vector.value for p in files.pictures(4, SIZE)]
    return np.array(seen)


def test_rounded_weights_give_nearly_the_same_embeddings(converted, tmp_path, monkeypatch):
    monkeypatch.setitem(rounded.SMALLEST, "int8", 1024)
    made = {}
    for weights in ("float32", "float16", "int8"):
        tower = ConvertedTower(Source(converted), weights)
        write_file(tmp_path / f"{weights}.tflite", {"image": tower}, {"image": tower.input_shape}, dimension=tower.dimension)
        made[weights] = embeddings(tmp_path / f"{weights}.tflite")
    assert (made["float16"] * made["float32"]).sum(1).min() > 0.99999
    assert 0.999 < (made["int8"] * made["float32"]).sum(1).min() < 0.9999999
    sizes = [(tmp_path / f"{weights}.tflite").stat().st_size for weights in made]
    assert sizes[0] > 1.3 * sizes[1] > 1.5 * sizes[2]


def test_a_tower_of_another_kind_is_refused(tmp_path, encoder):
    with pytest.raises(EncoderError, match="expected pixels uint8"):
        ConvertedTower(Source(encoder), "int8")


@pytest.fixture
def mobile(tmp_path) -> Path:
    """A checkpoint whose tower for pictures is none that this project writes."""
    folder = files.perception(tmp_path / "mobile")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"] = {"image_size": SIZE, "timm_model_name": "fastvit_mci0", "timm_pool": "avg"}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def test_a_program_in_another_environment_converts_the_tower(converted, mobile, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 10)
    fake = tmp_path / "python"
    fake.write_text(f"""#!{sys.executable}
import json, shutil, sys
isolated, program, config, weights, target = sys.argv[1:]
assert isolated == "-I" and program.endswith("torch_program.py") and weights.endswith("open_clip_model.safetensors")
assert json.load(open(config))["model_cfg"]["vision_cfg"]["timm_model_name"] == "fastvit_mci0"
shutil.copyfile({str(converted)!r}, target)
""")
    fake.chmod(0o755)
    monkeypatch.setenv(torch_tower.PYTHON, str(fake))
    info = write_encoder(str(mobile), tmp_path / "e.tflite")
    assert (info.size, info.dimension) == (SIZE, files.DIMENSION)
    tower = ConvertedTower(Source(converted), "float32")
    write_file(tmp_path / "float.tflite", {"image": tower}, {"image": tower.input_shape}, dimension=tower.dimension)
    assert (embeddings(tmp_path / "e.tflite") * embeddings(tmp_path / "float.tflite")).sum(1).min() > 0.999
    with TextEmbedder.create_from_file(str(tmp_path / "e.tflite")) as embedder:
        texts = np.array([embedder.embed(text).embeddings[0].feature_vector.value for text in files.TEXTS])
    wanted = np.load(Path(__file__).parent / "checkpoints/references/perception.npz")["text"]
    assert (texts * wanted).sum(1).min() > 0.999  # the tower for texts is ours
    fake.write_text("#!/bin/sh\necho 'ValueError: no such model' >&2\nexit 3\n")
    with pytest.raises(EncoderError, match=r"PyTorch cannot convert the tower for pictures \(ValueError: no such model\)"):
        write_encoder(str(mobile), tmp_path / "e.tflite")


def test_without_pytorch_one_line_says_how_to_get_it(mobile, tmp_path, monkeypatch):
    monkeypatch.delenv(torch_tower.PYTHON, raising=False)
    monkeypatch.setattr(torch_tower.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"needs PyTorch in an environment of its own \(7 GB\): python -m venv torch-env"):
        write_encoder(str(mobile), tmp_path / "e.tflite")
    monkeypatch.setenv(torch_tower.PYTHON, str(tmp_path / "nothing"))
    with pytest.raises(EncoderError, match="nothing: no such interpreter"):
        write_encoder(str(mobile), tmp_path / "e.tflite")
