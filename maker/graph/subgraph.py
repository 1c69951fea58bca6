"""One subgraph under construction: its operators by purpose, and other models' operators inlined."""

from __future__ import annotations

from maker.graph.arrangement import Arrangement
from maker.graph.control_flow import ControlFlow
from maker.graph.inlining import Rewrite, inline
from maker.graph.network import RELU, Network
from maker.graph.reductions import Reductions
from maker.graph.source import Source
from maker.graph.tensors import NO_ACTIVATION

__all__ = ["NO_ACTIVATION", "RELU", "Subgraph"]


class Subgraph(ControlFlow, Arrangement, Reductions, Network):
    """Adds operators and returns the index of their output tensor.

    Shapes are static throughout. A NumPy array or scalar given where a tensor is expected becomes a constant.
    """

    def inline(
        self,
        source: Source,
        given: dict[int, int],
        wanted: list[int],
        signature: str | None = None,
        rewrite: Rewrite | None = None,
    ) -> list[int]:
        """Copies the operators that `wanted` needs from a subgraph of `source`; see `inlining.inline`."""
        return inline(self, source, given, wanted, signature, rewrite)
