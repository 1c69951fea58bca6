"""The files that the documents' snippets name, each small."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from maker.cli import main
from maker.graph.model import Model
from tests.checkpoints.files import clip
from tests.conftest import DIMENSION, SIDE, PooledColours
from tests.written_videos import write_video

ITEMS = 400
COLOURS = ("red", "green", "blue", "yellow", "aqua", "fuchsia", "white", "orange", "brown")  # of different directions
PHOTOS = 8 * len(COLOURS)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "plain", "small", "picture", *COLOURS]
LENGTH = 12  # ids of a query of the text model
TOWER, TENSOR = "mobilenet_v2_1.0_224_quant.tflite", "MobilenetV2/Logits/AvgPool"
WAYS = ("plain", "small", "large", "dark", "bright", "pale")
# What a snippet's `maker build` gets besides, so that it takes seconds.
SHORT_READY = {"--query-list": "queries.txt"}
SHORT = {"--epochs": "1", "--batch-size": "8", "--dimension": str(DIMENSION)}


def make_files(folder: Path, encoder: Path) -> None:
    """Photos and captions, pretrained models, a searcher, embeddings and sentences."""
    write_photos(folder / "photos", folder / "captions.tsv")
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "colours.mp4", [np.asarray(Image.new("RGB", (64, 48), colour)) for colour in COLOURS[:4]])
    write_image_model(folder / TOWER, TENSOR)
    write_text_model(folder / "text_encoder.tflite")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    shutil.copy(folder / "photos" / "0.png", folder / "query.jpg")
    shutil.copy(encoder, folder / "embedder.tflite")
    np.save(folder / "embeddings.npy", embeddings())
    np.save(folder / "queries.npy", embeddings()[::4])
    (folder / "items.txt").write_text("".join(f"{name}\n" for name in metadata()), encoding="utf-8")
    facts = "".join(f"{name},{place % 6},Norway,2024-05-31T14:30:00,beach|sea\n" for place, name in enumerate(dict.fromkeys(metadata())))
    (folder / "facts.csv").write_text(f"item,stars,album,taken,tags:tags\n{facts}", encoding="utf-8")
    (folder / "queries.txt").write_text("".join(f"a {way} {colour} picture\n" for way in WAYS for colour in COLOURS), encoding="utf-8")
    asked = "a plain red picture,0.png|4.png,\na plain picture -red,1.png,name != '5.png'\n"
    (folder / "queries.csv").write_text(f"query,relevant,where\n{asked}", encoding="utf-8")
    for split, part in (("train", slice(0, 48)), ("valid", slice(48, PHOTOS))):
        write_easynlp(folder / f"easynlp_{split}.tsv", sorted((folder / "photos").glob("*.png"))[part])
    clip(folder / "clip-vit-base-patch32")
    (folder / "sentences.txt").write_text("a red picture\na blue picture\n", encoding="utf-8")
    for colour in COLOURS:
        (folder / "labelled" / colour).mkdir(parents=True)
        Image.new("RGB", (30, 20), colour).save(folder / "labelled" / colour / "0.png")
    arguments = ["--images", "photos", "--captions", "captions.tsv", "--output", "searcher.tflite"]
    encoder_spec = f"tflite:{TOWER}#{TENSOR}"
    status = main(["build", *arguments, "--image-encoder", encoder_spec, *(word for option in SHORT.items() for word in option)])
    assert status == 0


def write_photos(photos: Path, captions: Path) -> None:
    photos.mkdir()
    lines = ["image\tsplit\tlang\tcaption"]
    for number in range(PHOTOS):
        colour = COLOURS[number % len(COLOURS)]
        Image.new("RGB", (30, 20), colour).save(photos / f"{number}.png")
        split = "val" if number >= PHOTOS // 2 else "train"
        lines += [f"{number}.png\t{split}\ten\ta {way} {colour} picture" for way in ("plain", "small")]
    captions.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_easynlp(path: Path, photos: Sequence[Path]) -> None:
    """Pairs as EasyNLP's examples have them: a text, and a picture in base64."""
    lines = []
    for photo in photos:
        colour = COLOURS[int(photo.stem) % len(COLOURS)]
        lines.append(f"a plain {colour} picture\t{b64encode(photo.read_bytes()).decode()}\n")
    path.write_text("".join(lines), encoding="utf-8")


def write_image_model(path: Path, tensor: str) -> None:
    """An image model whose named tensor is a feature, as a pretrained one's is."""
    model = Model("image model")
    g = model.subgraph("main")
    pixels = g.tensor("input", (1, SIDE, SIDE, 3), np.uint8)
    model.signature(g, {"input": pixels}, {tensor: PooledColours().write(g, pixels)})
    model.write(path)


def write_text_model(path: Path) -> None:
    """A text model that takes the ids of VOCABULARY and averages a vector each."""
    model = Model("text model")
    g = model.subgraph("main")
    ids = g.tensor("input_ids", (1, LENGTH), np.int32)
    table = np.random.default_rng(1).standard_normal((len(VOCABULARY), DIMENSION)).astype(np.float32)
    vectors = g.gather(table, g.reshape(ids, (LENGTH,)))
    model.signature(g, {"input_ids": ids}, {"sentence_embedding": g.reshape(g.mean(vectors, axis=0), (1, DIMENSION))})
    model.write(path)


def embeddings() -> np.ndarray:
    """`(ITEMS, DIMENSION)` unit vectors."""
    values = np.random.default_rng(0).standard_normal((ITEMS, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def metadata() -> list[str]:
    """A name an item."""
    return [f"{number % PHOTOS}.png" for number in range(ITEMS)]
