"""Vision transformers (Dosovitskiy et al., 2021) of pretrained dual encoders, from pixels to an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from maker.checkpoints.transformer import Attention, Block, Perceptron, write_blocks
from maker.encoders.layers import LayerNorm
from maker.encoders.weights import Linear
from maker.graph.subgraph import Subgraph

CHANNELS = 3
WHITE = 255.0


class Head(Protocol):
    """What makes one vector of the patches'."""

    @property
    def dimension(self) -> int:
        """Its length."""

    def write(self, g: Subgraph, x: int) -> int:
        """Adds it: `[places, width]` to `[1, dimension]`."""


@dataclass(frozen=True)
class ClassToken:
    """The first place's vector, normalised and projected, as CLIP's."""

    norm: LayerNorm
    projection: Linear

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.projection.size

    def write(self, g: Subgraph, x: int) -> int:
        """Adds it."""
        return self.projection.write(g, self.norm.write(g, g.slice(x, (0, 0), (1, g.shape(x)[1]))))


@dataclass(frozen=True)
class AttentionPool:
    """A learned vector that attends to all places, as SigLIP's, and what follows it."""

    norm: LayerNorm
    probe: np.ndarray
    attention: Attention
    before_perceptron: LayerNorm
    perceptron: Perceptron
    projection: Linear | None = None

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return int(self.probe.shape[1]) if self.projection is None else self.projection.size

    def write(self, g: Subgraph, x: int) -> int:
        """Adds it."""
        pooled = self.attention.write(g, g.constant(self.probe, "probe"), self.norm.write(g, x))
        pooled = g.add(pooled, self.perceptron.write(g, self.before_perceptron.write(g, pooled)))
        return pooled if self.projection is None else self.projection.write(g, pooled)


@dataclass(frozen=True)
class VisionTransformer:
    """A tower for pictures.

    Attributes:
        size: Height and width of a picture in pixels.
        patch: Height and width of a patch.
        mean, std: Of each channel, of pixels in [0, 1]; `(3,)` float32.
        patches: From a patch's `patch * patch * 3` values, row by row, to its vector.
        class_token: `(1, width)`, in front of the patches; None where there is none.
        positions: `(places, width)`.
        before: Normalises what goes into the blocks; None where nothing does.
        blocks: The blocks.
        head: Makes the embedding.
    """

    size: int
    patch: int
    mean: np.ndarray
    std: np.ndarray
    patches: Linear
    class_token: np.ndarray | None
    positions: np.ndarray
    before: LayerNorm | None
    blocks: Sequence[Block]
    head: Head

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, size, size, 3)`."""
        return (1, self.size, self.size, CHANNELS)

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.head.dimension

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower: pixels uint8 of `input_shape` to `[1, dimension]` float32."""
        pixels = g.sub(g.cast(query, np.float32), self.mean * np.float32(WHITE))
        x = self.patches.write(g, self._cut(g, g.mul(pixels, np.float32(1 / WHITE) / self.std)))
        if self.class_token is not None:
            x = g.concat([self.class_token, x])
        x = g.add(x, self.positions)
        if self.before is not None:
            x = self.before.write(g, x)
        return self.head.write(g, write_blocks(g, x, self.blocks))

    def _cut(self, g: Subgraph, pixels: int) -> int:
        """The values of each patch, `[patches, patch * patch * 3]`."""
        across, values = self.size // self.patch, self.patch * CHANNELS
        rows = g.reshape(pixels, (across, self.patch, across, values))
        return g.reshape(g.transpose(rows, (0, 2, 1, 3)), (across * across, self.patch * values))


def patch_rows(kernel: np.ndarray) -> np.ndarray:
    """A convolution's kernel `(width, 3, patch, patch)` as the rows of `VisionTransformer.patches`."""
    return np.ascontiguousarray(kernel.transpose(0, 2, 3, 1).reshape(len(kernel), -1))
