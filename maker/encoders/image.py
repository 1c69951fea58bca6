"""Image towers by their spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maker.encoders.embedder import Tower, image_tower
from maker.encoders.layers import Layer, write_layers
from maker.errors import EncoderError
from maker.graph.source import Source
from maker.graph.subgraph import Subgraph

SCRATCH = "scratch"
KINDS = ("tflite", "keras", "hub", "saved_model", "keras_file", SCRATCH)


@dataclass(frozen=True)
class ImageEncoder:
    """A backbone and what was trained behind it."""

    backbone: Tower
    head: Sequence[Layer]

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the encoder, from pixels uint8 `[1, height, width, 3]` to `[1, d]` float32, not normalised."""
        return write_layers(g, self.backbone.write(g, query), self.head)


def parse_spec(spec: str) -> tuple[str, str]:
    """Splits `kind:rest`; the rest is empty for `scratch`.

    Raises:
        EncoderError: The kind is unknown or not available in this release.
    """
    kind, _, rest = spec.partition(":")
    if kind not in KINDS:
        raise EncoderError(f"image encoder {spec!r}: unknown kind {kind!r}; expected one of {', '.join(KINDS)}")
    if kind not in ("tflite", SCRATCH):
        raise EncoderError(f"image encoder {spec!r}: {kind!r} is not available in this release; use tflite:PATH[#TENSOR] or scratch")
    if kind == "tflite" and not rest:
        raise EncoderError(f"image encoder {spec!r}: expected tflite:PATH[#TENSOR]")
    return kind, rest


def tflite_backbone(rest: str) -> Tower:
    """The tower of `PATH[#TENSOR]`.

    Raises:
        EncoderError: The file is missing, no image model, or has no such tensor.
    """
    path, _, tensor = rest.partition("#")
    if not Path(path).is_file():
        raise EncoderError(f"image encoder: no such file: {path}")
    return image_tower(Source(path), tensor or None)
