"""Unfreezing a Keras tower: what is exported is what was trained and measured, and it is never silently worse than the frozen one."""

import numpy as np
import pytest
from PIL import Image

from maker.cli import main
from maker.data.captions import read_captions
from maker.data.images import list_images
from maker.data.splits import split_captions
from maker.embedding.texts import embed_texts
from maker.encoders.convert import ImageModelOptions
from maker.encoders.embedder import embedder_manifest
from maker.errors import TrainingError
from maker.pipeline.corpus_stage import OpenedCorpus, Photos
from maker.pipeline.options import TowerOptions
from maker.pipeline.training_stage import train_encoder
from maker.training.metrics import ranks, recall
from maker.training.options import TrainingOptions
from maker.training.safety_net import choose
from maker.workspace import Rejects, Workspace

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
SIZE = 16
FROZEN_EPOCHS = 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """64 training and 64 held-out pictures in four colours, and a Keras model with batch normalisation that was never trained."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("corpus")
    (folder / "photos").mkdir()
    lines = ["image\tsplit\tcaption"]
    for number in range(128):
        name, colour = list(COLOURS.items())[number % 4]
        pixels = np.array(colour) + np.random.default_rng(number).integers(-90, 90, (20, 30, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / "photos" / f"{number}.png")
        for caption in (f"a plain {name} picture", f"something all {name}"):
            lines.append(f"{number}.png\t{'val' if number >= 64 else 'train'}\t{caption}")
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n")
    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    inputs = tf.keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, strides=2, use_bias=False)(layers.Rescaling(1 / 127.5, -1)(inputs))
    x = layers.Conv2D(8, 3, strides=2)(layers.ReLU()(layers.BatchNormalization()(x)))
    tf.keras.Model(inputs, x).save(folder / "model.keras")
    return folder


def train(corpus, work, **options):
    """Trains an encoder with two frozen epochs before the others."""
    photos, captions = corpus / "photos", read_captions(corpus / "captions.tsv", Rejects())
    chosen = {"epochs": 4, "batch_size": 16, "unfreeze_batch_size": 16, "dimension": 8, "patience": 9, "unfreeze_from": FROZEN_EPOCHS + 1}
    splits = split_captions(captions, 0, corpus / "captions.tsv")
    spec = f"keras_file:{corpus / 'model.keras'}"
    given = TrainingOptions(**{**chosen, **options})
    found = Photos(photos, list_images(photos))
    return train_encoder(OpenedCorpus(found, found, splits), TowerOptions(image_encoder=spec), given, Workspace(work))


def held_out_recall(corpus, files, work):
    """R@1, R@5, R@10 of the encoder file on the held-out pictures."""
    captions = [c for c in read_captions(corpus / "captions.tsv", Rejects()) if c.split == "val"]
    names = sorted({c.image for c in captions})
    images = files.embed_images(Photos(corpus / "photos", names), Workspace(work))
    targets = np.array([images.images.index(c.image) for c in captions])
    return recall(ranks(embed_texts([c.text for c in captions], files.file), np.asarray(images.values), targets))


@pytest.fixture(scope="module")
def tuned(corpus, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return train(corpus, work, start="random", learning_rate=1e-5, unfreeze_rate=1e-2, epochs=6), work  # a poor frozen tower


def test_the_exported_encoder_has_the_weights_that_were_measured(corpus, tuned):
    files, work = tuned
    training = embedder_manifest(files.file).training
    net = training["safety_net"]
    assert [entry["epoch"] for entry in training["history"]] == [1, 2, 3, 4, 5, 6]
    assert net["exported"] in ("fine_tuned", "average")
    exported = net[net["exported"]]
    assert exported["R@10"] == max(net[name]["R@10"] for name in ("frozen", "fine_tuned", "average"))
    assert exported["R@10"] > net["frozen"]["R@10"]  # so these are not the frozen weights
    assert held_out_recall(corpus, files, work) == pytest.approx(exported, abs=1.0)  # the words' table is int8 in the file
    assert not list(work.glob("training-*"))


def test_a_worse_tower_is_not_exported_unless_it_is_asked_for(corpus, tmp_path, monkeypatch):
    from maker.training import loop

    with pytest.raises(TrainingError, match=r"worse on the held-out split \(R@10 frozen \d.*, fine-tuned \d.*, average \d.*--allow-worse"):
        train(corpus, tmp_path, unfreeze_rate=10.0)
    assert not list(tmp_path.glob("encoder-*"))
    monkeypatch.setattr(loop, "batches", lambda *_: pytest.fail("trained again"))
    files = train(corpus, tmp_path, unfreeze_rate=10.0, allow_worse=True)
    net = embedder_manifest(files.file).training["safety_net"]
    assert net[net["exported"]]["R@10"] < net["frozen"]["R@10"]


def test_the_better_of_tuned_and_average_is_taken():
    def figures(frozen, tuned, average):
        return {"frozen": {"R@10": frozen}, "fine_tuned": {"R@10": tuned}, "average": {"R@10": average}}

    assert choose(figures(40, 42, 41), False) == "fine_tuned"
    assert choose(figures(40, 38, 40), False) == "average"
    with pytest.raises(TrainingError, match=r"frozen 40\.00 %, fine-tuned 38\.00 %, average 39\.00 %"):
        choose(figures(40, 38, 39), False)
    assert choose(figures(40, 38, 39), True) == "average"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-encoder", "scratch"], "a tower from scratch is never frozen"),
        (["--image-encoder", "tflite:any.tflite"], "tflite:any.tflite cannot be trained: its weights are constants"),
        (["--epochs", "2"], r"unfreeze_from must be within [2, 2]"),
    ],
)
def test_what_cannot_be_unfrozen_is_one_line(corpus, tmp_path, capsys, options, message):
    command = [
        "build",
        "--images",
        str(corpus / "photos"),
        "--captions",
        str(corpus / "captions.tsv"),
        "--output",
        str(tmp_path / "s.tflite"),
    ]
    assert main([*command, "--unfreeze-from", "3", *options]) == 1
    assert message in capsys.readouterr().err


def test_nothing_held_out_is_nothing_to_compare_with(corpus, tmp_path):
    (tmp_path / "photos").symlink_to(corpus / "photos")
    (tmp_path / "model.keras").symlink_to(corpus / "model.keras")
    lines = (corpus / "captions.tsv").read_text().splitlines()
    (tmp_path / "captions.tsv").write_text("\n".join(lines[:19]) + "\n")  # of nine images, a tenth of which is none
    with pytest.raises(TrainingError, match="nothing is held out"):
        train(tmp_path, tmp_path / "work")


def test_batch_normalisation_of_an_unfrozen_tower_stays_as_in_inference(corpus):
    import tensorflow as tf

    from maker.encoders.convert import open_keras
    from maker.training.head import Head
    from maker.training.image_side import Unfrozen

    backbone = open_keras("keras_file", str(corpus / "model.keras"), ImageModelOptions())
    before = [v.numpy() for v in backbone.model.non_trainable_variables]
    side = Unfrozen(backbone, Head(8, 4, 0.0, 0, None), [corpus / "photos" / f"{n}.png" for n in range(8)], "full", "float32")
    pixels = tf.constant(side.load(np.arange(8)))
    assert pixels.shape == (8, SIZE, SIZE, 3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(side.forward(pixels, tf.constant([0, 1])) ** 3)
    assert all(gradient is not None for gradient in tape.gradient(loss, side.variables))
    assert len(before) == 2
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, backbone.model.non_trainable_variables, strict=True))


def test_augmentation_depends_on_its_seed_and_only_full_mirrors():
    import tensorflow as tf

    from maker.training.augmentation import augment

    ramp = np.broadcast_to(np.linspace(20, 230, 24, dtype=np.float32)[None, None, :, None], (40, 24, 24, 3))
    images, seed = tf.constant(ramp), tf.constant([1, 2])
    assert np.array_equal(augment(images, "none", seed), ramp)
    for how in ("shift", "crop", "full"):
        once, again, other = (augment(images, how, s).numpy() for s in (seed, seed, tf.constant([1, 3])))
        assert np.array_equal(once, again)
        assert not np.array_equal(once, other)
        assert once.min() >= 0
        assert once.max() <= 255
    rising = {how: (augment(images, how, seed).numpy()[:, :, -1].mean((1, 2)) > 128).mean() for how in ("crop", "full")}
    assert rising["crop"] == 1
    assert 0.2 < rising["full"] < 0.8
    assert len(np.unique(augment(images, "crop", seed).numpy()[:, 0, 0, 0])) == 40  # every image its own crop


def test_a_mirrored_tower_sees_the_mirror_image(corpus, tmp_path):
    from maker.encoders.image import ImageEncoder, Mirrored, backbone
    from maker.export.encoder_file import write_encoder
    from task.core import BaseOptions
    from task.core.interpreter import SignatureRunners
    from task.core.model_file import ModelFile

    tower = backbone(f"keras_file:{corpus / 'model.keras'}", ImageModelOptions(pool="max"), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.uint8)
    found = []
    for encoder, given in ((ImageEncoder(tower, []), pixels[:, :, ::-1]), (Mirrored(tower), pixels), (ImageEncoder(tower, []), pixels)):
        write_encoder(tmp_path / "e.tflite", {"image": encoder}, {"image": tower.input_shape}, normalize=False, dimension=tower.dimension)
        options = BaseOptions(str(tmp_path / "e.tflite"))
        found.append(SignatureRunners(ModelFile(options), options).run("embed_image", np.ascontiguousarray(given))["embedding"])
    assert np.array_equal(found[0], found[1])
    assert not np.allclose(found[1], found[2])


def test_a_model_without_weights_is_the_same_whenever_it_is_opened():
    from maker.encoders.convert import open_keras

    first, second = (open_keras("keras", "MobileNetV3Small", ImageModelOptions(weights="none", size=32)).model.get_weights() for _ in "ab")
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].std() > 0
