"""Copies operators of an existing model into a subgraph, the subgraphs of its IF and WHILE with them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

from maker.errors import EncoderError
from maker.graph.packed_weights import LIGHT, packed_bytes
from maker.graph.source import PARTS, Source, needed
from maker.graph.tensors import Op, Tensors

# Operators whose effect outlives their subgraph, or that only a custom kernel knows.
REFUSED = {Op.CALL_ONCE, Op.CALL, Op.CUSTOM, Op.VAR_HANDLE, Op.READ_VARIABLE, Op.ASSIGN_VARIABLE}


# Writes an operator in another way: given the subgraph, the operator's code, the operator, the source's subgraph and where its tensors
# went, it returns the output, or None for an operator that is copied as it is.
Rewrite: TypeAlias = Callable[[Tensors, int, Any, Any, Callable[[int], int]], "int | None"]


def inline(
    g: Tensors,
    source: Source,
    given: dict[int, int],
    wanted: list[int],
    signature: str | None = None,
    rewrite: Rewrite | None = None,
) -> list[int]:
    """Copies the operators that `wanted` needs from a subgraph of `source`.

    Where the weights of a signature are light, what it calls takes the place of the call.

    Args:
        g: The subgraph to copy to.
        source: The model to copy from.
        given: Tensor index in the source to tensor index here, for its inputs.
        wanted: Tensor indices in the source.
        signature: Which subgraph; the first one where None.
        rewrite: Writes some operators of that subgraph in another way; None to copy all.

    Returns:
        The tensors here that stand for `wanted`, in its order.

    Raises:
        EncoderError: An operator keeps state between calls (variables, CALL_ONCE) or is a custom one.
    """
    light = signature is not None and packed_bytes(source.model, source.with_parts(signature), source.is_constant) < LIGHT
    moved = _copy_operators(g, source, source.subgraph(signature), dict(given), wanted, rewrite, light)
    return [moved[i] for i in wanted]


def _copy_operators(
    g: Tensors,
    source: Source,
    other: Any,
    moved: dict[int, int],
    wanted: list[int],
    rewrite: Rewrite | None = None,
    light: bool = False,
) -> dict[int, int]:
    """Adds what `wanted` needs and returns where each tensor went; `light` puts what is called in the place of the call."""

    def place(index: int) -> int:
        if index not in moved:
            moved[index] = _import_tensor(g, source, other.tensors[index])
        return moved[index]

    for operator in needed(other.operators, wanted, set(moved)):
        code = source.model.operatorCodes[operator.opcodeIndex]
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        written = rewrite(g, builtin, operator, other, place) if rewrite is not None else None
        if written is not None:
            moved[int(operator.outputs[0])] = written
            continue
        called = _called(source, builtin, operator) if light else None
        if called is not None:
            given = {int(there): place(int(here)) for there, here in zip(called.inputs, operator.inputs[1:], strict=True)}
            outputs = [int(i) for i in called.outputs]
            made = _copy_operators(g, source, called, given, outputs, light=True)
            moved.update({int(here): made[there] for here, there in zip(operator.outputs, outputs, strict=True)})
            continue
        for index in [*operator.inputs, *operator.outputs]:
            if index >= 0:
                place(int(index))
        if builtin in REFUSED:
            raise EncoderError(
                f"{source.path}: operator {_operator_name(code)} cannot be taken into a searcher; convert the embedder with builtin "
                "operators only and its variables frozen"
            )
        copied = copy.copy(operator)
        copied.opcodeIndex = g.shared.operator_code(builtin, code.version)
        copied.inputs = [moved[int(i)] if i >= 0 else -1 for i in operator.inputs]
        copied.outputs = [moved[int(i)] for i in operator.outputs]
        if operator.builtinOptionsType in PARTS:
            copied.builtinOptions = copy.copy(operator.builtinOptions)
            for part in PARTS[operator.builtinOptionsType]:
                setattr(copied.builtinOptions, part, _import_subgraph(g, source, getattr(operator.builtinOptions, part)))
        g.table.operators.append(copied)
    # An input that nothing reads, or a constant that is an output, is no operator's.
    for index in wanted:
        place(index)
    return moved


def _called(source: Source, builtin: int, operator: Any) -> Any:
    """The `schema.SubGraphT` that an operator calls: that of an IF whose two parts are one; None for other operators."""
    if builtin != Op.IF or operator.builtinOptions.thenSubgraphIndex != operator.builtinOptions.elseSubgraphIndex:
        return None
    return source.model.subgraphs[operator.builtinOptions.thenSubgraphIndex]


def _import_subgraph(g: Tensors, source: Source, number: int) -> int:
    """The subgraph here that stands for one of the source's; it is copied once a model, however often it is named."""
    known = g.shared.imported_subgraph(source, number)
    if known is not None:
        return known
    other = source.model.subgraphs[number]
    added, table = g.shared.subgraph(_text(other.name) or "part")
    g.shared.remember_subgraph(source, number, added)
    part = Tensors(g.shared, table)
    moved: dict[int, int] = {}
    for index in other.inputs:
        moved[int(index)] = _import_tensor(part, source, other.tensors[index])
    outputs = [int(i) for i in other.outputs]
    moved = _copy_operators(part, source, other, moved, outputs)
    table.inputs = [moved[int(i)] for i in other.inputs]
    table.outputs = [moved[i] for i in outputs]
    return added


def _import_tensor(g: Tensors, source: Source, tensor: Any) -> int:
    copied = copy.copy(tensor)
    copied.buffer = g.shared.import_buffer(source, tensor.buffer)
    g.table.tensors.append(copied)
    return len(g.table.tensors) - 1


def _operator_name(code: Any) -> str:
    if code.customCode:
        return _text(code.customCode)
    names = {v: k for k, v in vars(Op).items() if isinstance(v, int)}
    return names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown")


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
