"""The searcher files that `make test-portable` asks everywhere: text and image towers over one partitioned int8 index."""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import numpy as np

from maker import searcher
from maker.checkpoints import write_encoder as write_checkpoint
from maker.encoders.convert import convert_keras
from maker.encoders.embedder import Tower, image_tower
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.export.encoder_file import write_encoder
from maker.graph.source import Source
from maker.training.vocabulary import build_vocabulary
from task.core import BaseOptions
from task.search import GraphEmbedder
from tests.checkpoints import files as checkpoints
from tests.tokenizer_files import TOKENIZING, tokenizing_searcher

DIMENSION, SIDE, ITEMS = 64, 64, 4000
TEXTS = [
    "a red kite above a green hill",
    "Two white dogs, playing in the snow; an unknown xylophonist!",
    "一只黑猫坐在红色的房子前",
    "naïve café, Ελληνικά and русский",
    "a man riding a bike on the beach",
]


def write_files(folder: Path) -> tuple[Path, Path]:
    """Writes a searcher with a float image tower and one with an 8-bit one; those there already are kept."""
    paths = {kind: folder / f"{kind}.tflite" for kind in ("float", "int8")}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):  # Keras says where it saves
            towers = image_towers(folder)
        for kind, tower in towers.items():
            write_searcher(paths[kind], tower)
    return paths["float"], paths["int8"]


def write_tokenizing(folder: Path) -> list[Path]:
    """Writes a searcher for each kind of tokenizer that goes into the graph."""
    with redirect_stdout(sys.stderr):
        return [tokenizing_searcher(folder / name.replace(" ", "_") / "searcher.tflite", name) for name in TOKENIZING]


def write_searcher(path: Path, tower: Tower | None = None) -> None:
    """Writes a searcher that is asked with text, and with images where there is a tower; needs no TensorFlow."""
    text, encoder = _words_tower(), path.with_suffix(".encoder.tflite")
    towers = {"text": text} if tower is None else {"text": text, "image": tower}
    shapes = {"text": (1, text.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    write_encoder(encoder, towers, shapes, dimension=DIMENSION, example_texts=TEXTS)
    rows = np.random.default_rng(2).standard_normal((ITEMS, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    options = searcher.ScaNNOptions("dot_product", tree=searcher.Tree(64, 16), score_ah=searcher.ScoreAH(1))
    data = searcher.DataLoader(str(encoder), rows, [f"item {i}" for i in range(ITEMS)])
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=path)


def checkpoint_searcher(folder: Path, pictures: np.ndarray) -> Path:
    """A searcher with the towers of a drawn checkpoint of CLIP, with int8 weights, over `(n, size, size, 3)` uint8 pictures.

    The checkpoint is that of `checkpoints.files`, in the sizes that are set there.
    """
    path, encoder = folder / "checkpoint.tflite", folder / "checkpoint.encoder.tflite"
    if path.exists():
        return path
    write_checkpoint(str(checkpoints.clip(folder / "checkpoint")), encoder)
    embedder = GraphEmbedder(BaseOptions(str(encoder), num_threads=1))
    rows = np.array([embedder.embed_image(picture) for picture in pictures])
    embedder.close()
    data = searcher.DataLoader(str(encoder), rows, [f"item {i}" for i in range(len(rows))])
    options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options, trainer="own").export(export_filename=path)
    return path


def write_of_checkpoint(folder: Path) -> Path:
    """Writes a searcher with towers of about TinyCLIP's size, over 200 drawn pictures; one there already is kept."""
    sizes = {"WIDTH": 256, "INNER": 1024, "LAYERS": 8, "HEADS": 4, "SIZE": 224, "PATCH": 16, "DIMENSION": 512, "PLACES": 77}
    with patch.multiple(checkpoints, **sizes), redirect_stdout(sys.stderr):
        return checkpoint_searcher(folder, checkpoints.drawings(200))


def _words_tower() -> WordsTower:
    size = TokenizerSize()
    vocabulary = build_vocabulary(tokenize(TEXTS * 2, size), 2, 2, size)
    table = np.random.default_rng(0).standard_normal((vocabulary.table_rows, DIMENSION)).astype(np.float32)
    return WordsTower(vocabulary.hashes, table, size)


def image_towers(folder: Path) -> dict[str, Tower]:
    """A small convolutional network with random weights, in float32 and quantised by TensorFlow's converter."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    inputs = tf.keras.Input((SIDE, SIDE, 3), batch_size=1)
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu6")(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu6")(x)
    x = layers.MaxPool2D()(layers.Conv2D(64, 1, activation="relu")(x))
    x = layers.Add()([x, layers.Conv2D(64, 3, padding="same")(x)])
    network = tf.keras.Model(inputs, layers.Dense(DIMENSION)(layers.GlobalAveragePooling2D()(x)))
    pixels = np.random.default_rng(1).integers(0, 256, (32, SIDE, SIDE, 3), dtype=np.uint8)
    plain, quantised = folder / "float.cnn.tflite", folder / "int8.cnn.tflite"
    convert_keras(network, plain)
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([p[None].astype(np.float32) / 127.5 - 1] for p in pixels)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    # Scales a channel of a dense layer came with TensorFlow Lite's later releases; 2.7 takes the first for all, and says nothing.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")  # they come from the representative dataset
        quantised.write_bytes(converter.convert())
    return {"float": image_tower(Source(plain)), "int8": image_tower(Source(quantised))}
