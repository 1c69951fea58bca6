"""Loops and choices: WHILE and IF, whose parts are subgraphs of their own.

Every shape is static, which is what makes these run alike on all runtimes. A part of an IF that is not taken costs nothing; a WHILE
without a round still plans its body again (0.2 microseconds an operator), so rare work belongs behind IF.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from typing_extensions import Self

from maker.errors import BuildError
from maker.graph.elementwise import Elementwise
from maker.graph.tensors import Op, Options

ONE = np.array(1, np.int32)
ALWAYS = np.array(True)


class ControlFlow(Elementwise):
    """WHILE and IF."""

    def loop(
        self,
        name: str,
        values: Sequence[int],
        more: Callable[[Self, list[int]], int],
        body: Callable[[Self, list[int]], Sequence[int]],
        most: int,
    ) -> list[int]:
        """Repeats `body` as long as `more` says, `most` times at the utmost.

        Args:
            name: What the subgraphs are called.
            values: The tensors that a round starts from; the first round's.
            more: Adds operators to a subgraph, given its inputs, and returns a bool scalar.
            body: The same, and returns the next round's values, of the same shapes and types.
            most: Rounds. The bound is in the graph: no input makes it run on.

        Returns:
            The last round's values.
        """
        count = self.constant(np.array(0, np.int32))

        def bounded_more(g: Self, inputs: list[int]) -> Sequence[int]:
            return [g.logical_and(more(g, inputs[1:]), g.less(inputs[0], np.array(most, np.int32)))]

        def counted_body(g: Self, inputs: list[int]) -> Sequence[int]:
            return [g.add(inputs[0], ONE), *body(g, inputs[1:])]

        given = [count, *values]
        options = schema.WhileOptionsT()
        options.condSubgraphIndex, _ = self._part(f"{name}_more", given, bounded_more)
        options.bodySubgraphIndex, made = self._part(f"{name}_body", given, counted_body)
        wanted = [(self.shape(v), self.dtype(v)) for v in given]
        if made != wanted:
            raise BuildError(f"loop {name}: a round turns {wanted[1:]} into {made[1:]}; shapes and types have to stay")
        outputs = [self.tensor(f"{name}{i}", *kind) for i, kind in enumerate(made)]
        self.operator(Op.WHILE, given, outputs, options, Options.WhileOptions)
        return outputs[1:]

    def if_else(
        self,
        name: str,
        condition: int,
        values: Sequence[int],
        then: Callable[[Self, list[int]], Sequence[int]],
        otherwise: Callable[[Self, list[int]], Sequence[int]],
        key: Hashable = None,
    ) -> list[int]:
        """One of two parts by a bool scalar; both get `values` and return tensors of the same shapes and types.

        With a key, parts that were written to this model under the same key are used again: their weights are packed once.
        """
        options = schema.IfOptionsT()
        if key is None or key not in self.shared.parts:
            parts = self._part(f"{name}_then", values, then), self._part(f"{name}_else", values, otherwise)
        else:
            parts = self.shared.parts[key]
        if key is not None:
            self.shared.parts[key] = parts
        (options.thenSubgraphIndex, made), (options.elseSubgraphIndex, other) = parts
        if made != other:
            raise BuildError(f"if {name}: one part makes {made}, the other {other}")
        outputs = [self.tensor(f"{name}{i}", *kind) for i, kind in enumerate(made)]
        self.operator(Op.IF, [condition, *values], outputs, options, Options.IfOptions)
        return outputs

    def call(self, name: str, values: Sequence[int], write: Callable[[Self, list[int]], Sequence[int]], key: Hashable) -> list[int]:
        """What `write` makes of `values`, in a subgraph that is written once for a key and used again by all other calls with it.

        Weights in a subgraph are in memory once more where XNNPACK packs them, so parts of one model that read the same weights should
        call. TensorFlow Lite has no operator that calls a subgraph; an IF whose parts are one and the same subgraph does.
        """
        if ("call", key) not in self.shared.parts:
            self.shared.parts["call", key] = self._part(name, values, write)
        options = schema.IfOptionsT()
        options.thenSubgraphIndex, made = self.shared.parts["call", key]
        options.elseSubgraphIndex = options.thenSubgraphIndex
        outputs = [self.tensor(f"{name}{i}", *kind) for i, kind in enumerate(made)]
        self.operator(Op.IF, [self.constant(ALWAYS), *values], outputs, options, Options.IfOptions)
        return outputs

    def _part(
        self, name: str, values: Sequence[int], write: Callable[[Self, list[int]], Sequence[int]]
    ) -> tuple[int, list[tuple[tuple[int, ...], Any]]]:
        """A subgraph's number in the model, and the shapes and types of its outputs."""
        number, table = self.shared.subgraph(name)
        part = type(self)(self.shared, table)
        inputs = [part.tensor(f"given{i}", self.shape(v), self.dtype(v)) for i, v in enumerate(values)]
        table.inputs = inputs
        # A kernel may write its outputs before it has read its inputs, so an input that is handed on as it is becomes a tensor of its own.
        table.outputs = [part.copy(output) if output in inputs else output for output in write(part, inputs)]
        return number, [(part.shape(o), part.dtype(o)) for o in table.outputs]

    def copy(self, x: int) -> int:
        """The same values in a tensor of its own."""
        if self.dtype(x) == np.bool_:
            return self.logical_or(x, np.array(False))
        return self.add(x, np.array(0, self.dtype(x)))
