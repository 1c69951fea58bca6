"""Writes the encoder file of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.checkpoints import clip
from maker.checkpoints.configuration import Section, read_json
from maker.checkpoints.tensors import read_tensors
from maker.checkpoints.text import TokensTower, sentences_tower
from maker.checkpoints.tokenizer import folder_tokenizer
from maker.checkpoints.transformer import Reader
from maker.encoders.weights import Weights
from maker.errors import EncoderError
from maker.export import encoder_file

CONFIG = "config.json"
EXAMPLES = ("a photo of a cat", "two dogs run on the beach")


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """What an encoder file was made of.

    Attributes:
        family: `clip`, `siglip`, ….
        source: The spec, without folders, which belong to the machine.
        revision: The revision that was downloaded; empty for a folder.
        license: The licence of the weights; empty if it is not known.
        weights: How they are stored.
        dimension: Length of the embeddings.
        size: Height and width of pictures in pixels; 0 without a tower for them.
        length: Ids that the text tower takes; 0 without one.
    """

    family: str
    source: str
    revision: str
    license: str
    weights: Weights
    dimension: int
    size: int
    length: int


def write_encoder(spec: str, output: Path, *, weights: Weights = "int8", cache: Path | None = None) -> CheckpointInfo:
    """Writes the towers of a checkpoint as an encoder file, from which `maker` embeds and indexes.

    Args:
        spec: A folder with `config.json`, `model.safetensors` and a tokenizer.
        output: The `.tflite` to write.
        weights: How matrices are stored: `int8` with a scale a row, `float16` or `float32`.
        cache: Where downloads are kept; the library's own place if None.

    Raises:
        EncoderError: The checkpoint is incomplete, damaged, or of a kind that this release does not know.
    """
    folder = Path(spec)
    if not folder.is_dir():
        raise EncoderError(f"model {spec!r}: no such folder; expected one with {CONFIG}, model.safetensors and its tokenizer")
    config = Section(str(folder / CONFIG), read_json(folder / CONFIG))
    family = config.value("model_type")
    if family != clip.MODEL_TYPE:
        raise EncoderError(f"{folder / CONFIG}: model_type is {family!r}, of which this release knows {clip.MODEL_TYPE}")
    read = Reader(read_tensors(folder), weights)
    image = clip.image_tower(config, read, np.array(clip.MEAN, np.float32), np.array(clip.STD, np.float32))
    text = clip.text_tower(config, read)
    config.refuse_unread()
    read.tensors.refuse_unread(lambda name: name in clip.UNREAD)
    tokenizer = folder_tokenizer(folder, text.positions.most, text.table.size, text.masked)
    sentences = sentences_tower(TokensTower(text, tokenizer))
    info = CheckpointInfo(
        family=str(family),
        source=folder.name,
        revision="",
        license="",
        weights=weights,
        dimension=text.dimension,
        size=image.size,
        length=text.positions.most,
    )
    described: dict[str, Any] = {"spec": info.source, "checkpoint": asdict(info)}
    encoder_file.write_encoder(
        output,
        {sentences.kind: sentences, "image": image},
        {sentences.kind: sentences.input_shape, "image": image.input_shape},
        dimension=info.dimension,
        described={"text": described, "image": described},
        example_texts=EXAMPLES,
        tokenizer=sentences.tokenizer,
    )
    return info
