"""Writes the encoder file of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maker.checkpoints.pruning import pruned
from maker.checkpoints.source import Located, locate, open_checkpoint
from maker.checkpoints.text import TokensTower, sentences_tower
from maker.encoders.weights import Weights
from maker.export import encoder_file
from maker.progress import say

EXAMPLES = ("a photo of a cat", "two dogs run on the beach")


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """What an encoder file was made of.

    Attributes:
        family: `clip`, `siglip`, ….
        source: The spec, without folders, which belong to the machine.
        revision: The revision that was downloaded; empty for a folder.
        license: The licence of the weights; empty if it is not known.
        restricted: Whether it allows research or other non-commercial use only.
        weights: How they are stored.
        dimension: Length of the embeddings.
        size: Height and width of pictures in pixels; 0 without a tower for them.
        length: Ids that the text tower takes; 0 without one.
    """

    family: str
    source: str
    revision: str
    license: str
    restricted: bool
    weights: Weights
    dimension: int
    size: int
    length: int


def write_encoder(
    spec: str | Located,
    output: Path,
    *,
    weights: Weights = "int8",
    cache: Path | None = None,
    text_only: bool = False,
    keep_pieces_of: Iterable[str] | None = None,
) -> CheckpointInfo:
    """Writes the towers of a checkpoint as an encoder file, from which `maker` embeds and indexes.

    Args:
        spec: A folder with `config.json`, `model.safetensors` and a tokenizer, or one with `open_clip_config.json`;
            `hf:ORG/NAME[@REVISION]`; or `open_clip:NAME=FILE.safetensors`, with the tokenizer beside the file. Or what `locate` found.
        output: The `.tflite` to write.
        weights: How matrices are stored: `int8` with a scale a row, `float16` or `float32`.
        cache: Where downloads are kept; the library's own place if None.
        text_only: Leave the tower for pictures out.
        keep_pieces_of: Texts: pieces of the tokenizer that they do not need are left out, see `pruned`. None keeps all.

    Raises:
        EncoderError: The checkpoint is incomplete, damaged, or of a kind that this release does not know.
    """
    towers, source = open_checkpoint(spec if isinstance(spec, Located) else locate(spec, cache), weights)
    if source.restricted:
        terms = f"are for research or other non-commercial use only ({source.license})"
        say(f"WARNING: the weights of {source.name} {terms}, and so is what is made of them")
    transformer, tokenizer = towers.text, towers.tokenizer
    if keep_pieces_of is not None:
        transformer, tokenizer = pruned(transformer, tokenizer, keep_pieces_of)
        say(f"the tokenizer keeps {tokenizer.size} of {towers.tokenizer.size} pieces")
    text, image = sentences_tower(TokensTower(transformer, tokenizer)), None if text_only else towers.image
    info = CheckpointInfo(
        family=towers.family,
        source=source.name,
        revision=source.revision,
        license=source.license,
        restricted=source.restricted,
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
        preparation=towers.pictures.preparation if towers.pictures and image else None,
    )
    return info
