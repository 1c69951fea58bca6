"""Inner layers of frozen image towers, and several views of a picture."""

import numpy as np
import pytest
from PIL import Image

from maker.embedding.features import image_features
from maker.embedding.views import MOST_VIEWS, views_of
from maker.encoders.convert import convert_keras
from maker.encoders.embedder import image_tower
from maker.encoders.image import ImageEncoder
from maker.encoders.inner_layers import with_inner_layers
from maker.export.encoder_file import write_encoder
from maker.graph.source import Source
from maker.workspace import Workspace
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

SIZE = 32


@pytest.fixture(scope="module")
def network():
    """A convolutional network with 16 x 16, 8 x 8 and 4 x 4 maps; the widest of the last two are `late` and the first `early`."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    pixels = tf.keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(40, 3, 2, "same", activation="relu", name="first")(pixels)
    x = layers.Conv2D(12, 3, 2, "same", activation="relu", name="narrow")(x)
    late = layers.Conv2D(20, 1, activation="relu", name="late")(x)
    x = layers.Conv2D(10, 3, 2, "same", activation="relu", name="shrink")(late)
    early = layers.Conv2D(24, 1, activation="relu", name="early")(x)
    x = layers.Conv2D(9, 1, activation="relu", name="squeeze")(early)
    x = layers.Conv2D(24, 1, activation="relu", name="again")(x)
    last = layers.Conv2D(30, 1, activation="relu", name="last")(x)
    pooled = layers.GlobalAveragePooling2D()(last)
    return tf.keras.Model(pixels, pooled), tf.keras.Model(pixels, [last, early, late])


@pytest.fixture(scope="module")
def tower(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "network.tflite"
    convert_keras(network[0], path)
    return image_tower(Source(path), None, (np.zeros(1, np.float32), np.ones(1, np.float32)))


def encoder_of(tower, path):
    write_encoder(path, {"image": ImageEncoder(tower, [])}, {"image": tower.input_shape}, normalize=False, dimension=tower.dimension)
    return path


def features_of(encoder, pixels):
    options = BaseOptions(str(encoder))
    with ModelFile(options) as file:
        return SignatureRunners(file, options).run("embed_image", pixels[None])["embedding"][0]


def test_the_widest_maps_of_the_last_two_resolutions_follow_the_output(network, tower, tmp_path):
    deep = with_inner_layers(tower)
    assert [tensor.shape[1:] for tensor in deep.inner] == [(4, 4, 24), (8, 8, 20)]
    assert deep.dimension == 30 + 24 + 20
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    expected = np.concatenate([part.numpy().mean((1, 2))[0] for part in network[1](pixels[None].astype(np.float32))])
    np.testing.assert_allclose(features_of(encoder_of(deep, tmp_path / "deep.tflite"), pixels), expected, rtol=1e-4, atol=1e-3)


def test_a_network_of_one_resolution_keeps_its_output_alone(tmp_path):
    import tensorflow as tf

    pixels = tf.keras.Input((SIZE, SIZE, 3))
    patches = tf.keras.layers.Conv2D(16, 8, 8)(pixels)
    convert_keras(tf.keras.Model(pixels, tf.keras.layers.Conv2D(8, 1)(patches)), tmp_path / "patches.tflite")
    plain = image_tower(Source(tmp_path / "patches.tflite"), None, (np.zeros(1, np.float32), np.ones(1, np.float32)))
    assert with_inner_layers(plain) == plain


def test_views_are_the_whole_the_corners_and_the_centre():
    pixels = np.arange(20 * 10 * 3, dtype=np.uint8).reshape(20, 10, 3)
    whole, first, second, third, fourth, centre = views_of(pixels, MOST_VIEWS)
    assert whole is pixels
    np.testing.assert_array_equal(first, pixels[:14, :7])
    np.testing.assert_array_equal(second, pixels[6:, 3:])
    np.testing.assert_array_equal(third, pixels[:14, 3:])
    np.testing.assert_array_equal(fourth, pixels[6:, :7])
    np.testing.assert_array_equal(centre, pixels[3:17, 2:9])


def test_features_of_several_views_are_half_of_the_whole_and_half_of_the_crops(tower, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    encoder = encoder_of(tower, tmp_path / "tower.tflite")
    work = Workspace(tmp_path / "cache")
    found = image_features(tmp_path, ["a.png"], encoder, work, views=3)
    for number, view in enumerate(views_of(pixels, 3)):
        Image.fromarray(view).save(tmp_path / f"view{number}.png")
    single = image_features(tmp_path, [f"view{number}.png" for number in range(3)], encoder, work)
    np.testing.assert_allclose(found.values[0], (single.values[0] + single.values[1:].mean(0)) / 2, rtol=1e-5)
    np.testing.assert_allclose(found.whole[0], single.values[0], rtol=1e-6)
    assert single.whole is None


def test_views_of_another_number_are_computed_anew(tower, tmp_path):
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    encoder, work = encoder_of(tower, tmp_path / "tower.tflite"), Workspace(tmp_path / "cache")
    two, five = (image_features(tmp_path, ["a.png"], encoder, work, views).values for views in (2, 5))
    assert not np.allclose(two, five)
    np.testing.assert_array_equal(image_features(tmp_path, ["a.png"], encoder, work, 2).values, two)


def test_standardised_features_have_a_mean_of_0_and_a_variance_of_1_and_the_graph_agrees(tmp_path):
    from maker.embedding.project import project, write_head
    from maker.encoders.layers import Standardise

    features = np.random.default_rng(3).normal(5, [1, 100, 0.01, 0], (50, 4)).astype(np.float32)
    layer = Standardise.of(features)
    scaled = layer.apply(features)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(0), [1, 1, 1, 0], atol=1e-3)
    write_head(tmp_path / "head.tflite", [layer], 4)
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    np.testing.assert_allclose(project(features, tmp_path / "head.tflite"), unit, atol=1e-4)
