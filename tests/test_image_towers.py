"""Keras, SavedModel and Hub models as image towers; the models are made here, with random weights."""

import numpy as np
import pytest

from maker.encoders.convert import ImageModelOptions
from maker.encoders.embedder import image_tower
from maker.encoders.image import backbone
from maker.errors import EncoderError
from maker.graph.model import Model
from maker.graph.source import Source
from maker.pipeline import index_embeddings
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

PIXELS = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)


def run_tower(tower, folder, pixels):
    model = Model("test")
    g = model.subgraph("embed_image")
    query = g.tensor("query", tower.input_shape, np.uint8)
    model.signature(g, {"query": query}, {"embedding": tower.write(g, query)})
    model.write(folder / "tower.tflite")
    options = BaseOptions(str(folder / "tower.tflite"))
    return SignatureRunners(ModelFile(options), options).run("embed_image", pixels)["embedding"][0]


@pytest.fixture(scope="module")
def convolution():
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    inputs = tf.keras.Input((32, 32, 3))
    return tf.keras.Model(inputs, tf.keras.layers.Conv2D(8, 3, strides=4, activation="relu")(inputs))


@pytest.mark.parametrize(
    ("pool", "reduce"),
    [
        ("avg", lambda m: m.mean((1, 2))),
        ("max", lambda m: m.max((1, 2))),
        ("gem", lambda m: (np.maximum(m, 1e-6) ** 3).mean((1, 2)) ** (1 / 3)),
    ],
)
def test_a_keras_file_takes_pixels_and_its_feature_map_is_pooled(convolution, tmp_path, pool, reduce):
    convolution.save(tmp_path / "m.keras")
    tower = backbone(f"keras_file:{tmp_path / 'm.keras'}", ImageModelOptions(pool=pool), tmp_path)
    expected = reduce(convolution(PIXELS.astype(np.float32)).numpy())[0]
    assert np.allclose(run_tower(tower, tmp_path, PIXELS), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["saved_model", "hub"])
def test_a_saved_model_takes_zero_to_one(convolution, tmp_path, kind):
    if kind == "hub":
        pytest.importorskip("tensorflow_hub")
    convolution.export(tmp_path / "m", verbose=False)
    tower = backbone(f"{kind}:{tmp_path / 'm'}", ImageModelOptions(size=32), tmp_path)
    expected = convolution(PIXELS.astype(np.float32) / 255).numpy().mean((1, 2))[0]
    assert np.allclose(run_tower(tower, tmp_path, PIXELS), expected, rtol=1e-4, atol=1e-5)


def test_a_keras_application_without_weights_is_converted_once(tmp_path, monkeypatch):
    options = ImageModelOptions(weights="none", size=32)
    tower = backbone("keras:MobileNetV3Small", options, tmp_path)
    assert tower.input_shape == (1, 32, 32, 3)
    assert tower.dimension == 576
    assert np.isfinite(run_tower(tower, tmp_path, PIXELS)).all()
    monkeypatch.setattr("maker.encoders.convert._keras_model", lambda *_: pytest.fail("converted again"))
    assert backbone("keras:MobileNetV3Small", options, tmp_path).dimension == 576


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("keras:VGG99", "unknown; expected one of EfficientNetV2B0"),
        ("keras_file:nowhere.keras", "no such file"),
        ("saved_model:nowhere", r"no saved_model\.pb"),
        ("keras:", "expected keras:NAME"),
    ],
)
def test_models_that_are_not_there_are_named(tmp_path, spec, message):
    with pytest.raises(EncoderError, match=message):
        backbone(spec, ImageModelOptions(), tmp_path)


def test_weights_that_cannot_be_downloaded_name_the_way_out(tmp_path, monkeypatch):
    import tensorflow as tf

    def refuse(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://example.org: None -- refused")

    monkeypatch.setattr(tf.keras.applications, "EfficientNetV2B0", refuse)
    with pytest.raises(EncoderError, match="pass --image-weights PATH"):
        backbone("keras:EfficientNetV2B0", ImageModelOptions(), tmp_path)


def test_a_handle_that_cannot_be_fetched_names_the_way_out(tmp_path, monkeypatch):
    hub = pytest.importorskip("tensorflow_hub")

    def refuse(_: str) -> str:
        raise OSError("no network")

    monkeypatch.setattr(hub, "resolve", refuse)
    with pytest.raises(EncoderError, match="pass saved_model:FOLDER"):
        backbone("hub:https://example.org/model", ImageModelOptions(), tmp_path)


def test_options_out_of_range_are_refused():
    with pytest.raises(EncoderError, match="pool must be one of"):
        ImageModelOptions(pool="median")
    with pytest.raises(EncoderError, match="image size"):
        ImageModelOptions(size=0)


def image_model(path, shape, signature=None, dtype=np.float32, outputs=1):
    """A model that means over an image's places, written with the input shape that a converter would give it."""
    model = Model("image")
    g = model.subgraph("main")
    query = g.tensor("query", shape, dtype)
    g.table.tensors[query].shapeSignature = signature
    means = [g.mean(g.reshape(query, (shape[1] * shape[2], shape[3])), axis=0) for _ in range(outputs)]
    model.signature(g, {"query": query}, {f"out_{n}": g.reshape(mean, (1, shape[3])) for n, mean in enumerate(means)})
    model.write(path)
    return Source(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (1, 1, 1, 3), "signature": [1, -1, -1, 3]}, "takes images of any size; convert the model again with a fixed input"),
        ({"shape": (1, 3, 8, 9)}, "channels first; convert the model again with channels last"),
        ({"shape": (1, 8, 8, 4)}, "expected an image of .1, height, width, 3."),
        ({"shape": (1, 8, 8, 3), "outputs": 2}, r"2 outputs \(out_0, out_1\); name the one that is the embedding: tflite:PATH#TENSOR"),
    ],
)
def test_models_that_are_no_image_tower_say_what_to_do(tmp_path, arguments, message):
    with pytest.raises(EncoderError, match=message) as caught:
        image_tower(image_model(tmp_path / "model.tflite", **arguments))
    assert "model.tflite" in str(caught.value)


def test_an_open_batch_dimension_does_no_harm(tmp_path):
    assert image_tower(image_model(tmp_path / "model.tflite", (1, 8, 8, 3), [-1, 8, 8, 3])).dimension == 3


def test_a_tower_that_gives_nan_is_refused_by_name(tmp_path):
    model = Model("broken")
    g = model.subgraph("main")
    query = g.tensor("query", (1, 8, 8, 3), np.float32)
    mean = g.reshape(g.mean(g.reshape(query, (64, 3)), axis=0), (1, 3))
    model.signature(g, {"query": query}, {"out": g.mul(mean, np.array(np.nan, np.float32))})
    model.write(tmp_path / "broken.tflite")
    embeddings = np.eye(3, dtype=np.float32)
    with pytest.raises(EncoderError, match=r"broken\.tflite: gives values that are not finite for the query 'pattern'"):
        index_embeddings(embeddings, [b"a", b"b", b"c"], tmp_path / "s.tflite", embedder=tmp_path / "broken.tflite")
    assert not (tmp_path / "s.tflite").exists()


def test_pixels_are_normalised_as_the_options_say_or_by_default_with_a_word(tmp_path, capsys):
    image_model(tmp_path / "model.tflite", (1, 8, 8, 3))
    spec = f"tflite:{tmp_path / 'model.tflite'}"
    tower = backbone(spec, ImageModelOptions(mean=(0, 10, 20), std=(255,)), tmp_path)
    assert (tower.mean.tolist(), tower.std.tolist()) == ([0, 10, 20], [255])
    assert "normalisation" not in capsys.readouterr().err
    tower = backbone(spec, ImageModelOptions(), tmp_path)
    assert (tower.mean.tolist(), tower.std.tolist()) == ([127.5], [127.5])
    assert "no normalisation in its metadata, so pixels become [-1, 1]" in capsys.readouterr().err
    with pytest.raises(EncoderError, match="--image-mean is for tflite:PATH"):
        backbone("keras:MobileNetV3Small", ImageModelOptions(mean=(0,), std=(1,)), tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": (1, 2), "std": (1,)}, r"image mean must be one number or three, found \[1, 2\]"),
        ({"mean": (1,), "std": (0,)}, "image std must be one number or three, not 0"),
        ({"mean": (1,)}, "image mean and image std belong together"),
    ],
)
def test_normalisations_that_make_no_sense_are_refused(given, message):
    with pytest.raises(EncoderError, match=message):
        ImageModelOptions(**given)
