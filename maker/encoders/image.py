"""Opens image towers by their spec."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.encoders.convert import ImageModelOptions, convert, normalization, on_disk
from maker.encoders.embedder import Tower, image_tower
from maker.encoders.layers import Layer, write_layers
from maker.encoders.pooled import pooled_features
from maker.errors import EncoderError
from maker.graph.source import Source
from maker.graph.subgraph import Subgraph
from maker.progress import say

SCRATCH = "scratch"
FORMS = {
    "tflite": "tflite:PATH[#TENSOR]",
    "keras": "keras:NAME",
    "keras_file": "keras_file:PATH",
    "saved_model": "saved_model:FOLDER",
    "hub": "hub:HANDLE",
    SCRATCH: SCRATCH,
}


@dataclass(frozen=True)
class ImageEncoder:
    """A backbone with its trained head."""

    backbone: Tower
    head: Sequence[Layer]

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the encoder, from pixels uint8 `[1, height, width, 3]` to `[1, d]` float32, not normalised."""
        return write_layers(g, self.backbone.write(g, query), self.head)


def parse_spec(spec: str) -> tuple[str, str]:
    """Splits a spec `kind:rest`; the rest is empty for `scratch`.

    Raises:
        EncoderError: The kind is unknown, or the rest is missing.
    """
    kind, _, rest = spec.partition(":")
    if kind not in FORMS:
        raise EncoderError(f"image encoder {spec!r}: unknown kind {kind!r}; expected one of {', '.join(FORMS.values())}")
    if kind != SCRATCH and not rest:
        raise EncoderError(f"image encoder {spec!r}: expected {FORMS[kind]}")
    return kind, rest


def backbone(spec: str, options: ImageModelOptions, work: Path) -> Tower:
    """Opens the frozen tower of a spec other than `scratch`. Converted models are kept in the folder `work`.

    Raises:
        EncoderError: The model is missing, is not an image model, or cannot be converted.
    """
    kind, rest = parse_spec(spec)
    if kind != "tflite":
        if options.normalization is not None:
            raise EncoderError(f"image encoder {spec}: takes the pixels as its framework gives them; --image-mean is for tflite:PATH")
        key = hashlib.sha256(repr((kind, rest, options, on_disk(rest))).encode()).hexdigest()[:16]
        work.mkdir(parents=True, exist_ok=True)
        converted = convert(kind, rest, options, work / f"model-{key}.tflite")
        return image_tower(Source(converted.path), None, normalization(converted))
    path, _, tensor = rest.partition("#")
    if not Path(path).is_file():
        raise EncoderError(f"image encoder: no such file: {path}")
    source = Source(path)
    if not tensor and (features := pooled_features(source)):
        scores = source.outputs()[0].name
        say(f"{path}: takes the pooled features {features.name!r}; its output {scores!r} is class scores (#TENSOR names another tensor)")
        tensor = features.name
    return image_tower(source, tensor or None, options.normalization)


@dataclass(frozen=True)
class Mirrored:
    """A tower that mirrors its input image."""

    tower: Tower

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower, from pixels uint8 `[1, height, width, 3]` to `[1, f]` float32."""
        width = g.shape(query)[2]
        return self.tower.write(g, g.gather(query, g.constant(np.arange(width - 1, -1, -1, dtype=np.int32)), axis=2))
