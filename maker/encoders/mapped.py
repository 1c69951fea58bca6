"""A tower and layers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maker.encoders.embedder import AnyTower
from maker.encoders.layers import Layer, write_layers
from maker.graph.subgraph import Subgraph


@dataclass(frozen=True)
class Mapped:
    """A tower of any kind with layers behind it."""

    tower: AnyTower
    layers: Sequence[Layer]

    def write(self, g: Subgraph, *queries: int) -> int:
        """Adds the tower and the layers, from the tower's queries to `[1, e]` float32, not normalised."""
        return write_layers(g, self.tower.write(g, *queries), self.layers)
