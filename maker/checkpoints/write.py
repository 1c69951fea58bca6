"""Writes the encoder file of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maker.checkpoints.hugging_face import CONFIG, read_folder
from maker.checkpoints.text import TokensTower, sentences_tower
from maker.encoders.weights import Weights
from maker.errors import EncoderError
from maker.export import encoder_file

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
    towers = read_folder(folder, weights)
    text, image = sentences_tower(TokensTower(towers.text, towers.tokenizer)), towers.image
    info = CheckpointInfo(
        family=towers.family,
        source=folder.name,
        revision="",
        license="",
        weights=weights,
        dimension=text.dimension,
        size=image.size if image else 0,
        length=int(towers.tokenizer.described["length"]),
    )
    described: dict[str, Any] = {"spec": info.source, "checkpoint": asdict(info)}
    encoders: dict[str, encoder_file.Encoder] = {text.kind: text, **({"image": image} if image else {})}
    encoder_file.write_encoder(
        output,
        encoders,
        {text.kind: text.input_shape, **({"image": image.input_shape} if image else {})},
        dimension=info.dimension,
        described={"image" if kind == "image" else "text": described for kind in encoders},
        example_texts=EXAMPLES,
        tokenizer=text.tokenizer,
        preparation=towers.pictures.preparation if towers.pictures else None,
    )
    return info
