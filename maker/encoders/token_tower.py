"""Pretrained text towers that take a tokenizer's ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maker.encoders.shared_products import shared_products
from maker.encoders.shortened import ShortenedSource
from maker.encoders.tokenizer_file import TextModelOptions, TokenizerFile, read_tokenizer
from maker.errors import EncoderError
from maker.graph.model import Model
from maker.graph.run import running
from maker.graph.source import Source, SourceTensor
from maker.graph.subgraph import Subgraph

TYPES = tuple(np.dtype(t) for t in (np.int32, np.int64, np.float32))
SHORTEST = 3
ONE = np.array(1, np.float32)


@dataclass(frozen=True)
class TokenTower:
    """A model from ids to an embedding; token type ids are zero.

    Attributes:
        source: The model that holds it.
        signature: Its signature there; None for the first subgraph.
        ids: Its input of ids.
        mask: Its input that says where ids are; None where it wants none.
        zeros: Its other inputs.
        output: `[1, d]`, or `[1, length, d]` that is pooled here.
        pool: `mean` or `first`.
        tokenizer: What makes the ids.
        prefix: How many of the embedding's dimensions are taken, as they are; None for all.
        by_rows: Whether its matrix products are shared with the same tower at other numbers of places.
    """

    source: Source
    signature: str | None
    ids: SourceTensor
    mask: SourceTensor | None
    zeros: Sequence[SourceTensor]
    output: SourceTensor
    pool: str
    tokenizer: TokenizerFile
    prefix: int | None = None
    by_rows: bool = False
    kind = "tokens"

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.prefix or self.output.shape[-1]

    @property
    def length(self) -> int:
        """Places: the ids that it takes."""
        return int(self.tokenizer.described["length"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, length)`."""
        return (1, self.length)

    def describe_query(self) -> dict[str, Any]:
        """What the manifest says of the tokenizer."""
        return self.tokenizer.described

    def at(self, length: int) -> TokenTower:
        """The same at fewer places.

        Raises:
            NotFollowedError: An operator's dimensions cannot be followed.
        """
        inputs = [tensor for tensor in (self.ids, self.mask, *self.zeros) if tensor is not None]
        source = ShortenedSource(self.source, self.signature, [tensor.index for tensor in inputs], length)
        short = {tensor.index: replace(tensor, shape=(*tensor.shape[:-1], length)) for tensor in inputs}
        output = replace(self.output, shape=(1, length, self.output.shape[-1])) if is_sequence(self.output) else self.output
        return replace(
            self,
            source=source,
            ids=short[self.ids.index],
            mask=None if self.mask is None else short[self.mask.index],
            zeros=[short[tensor.index] for tensor in self.zeros],
            output=output,
            tokenizer=self.tokenizer.fitted(length, "mask" in self.tokenizer.inputs),
        )

    def prepare(self, text: str) -> dict[str, np.ndarray]:
        """The inputs of a sentence by name."""
        return self.tokenizer.prepare(text)

    def write(self, g: Subgraph, *queries: int) -> int:
        """Adds the tower to a subgraph.

        Args:
            g: The subgraph.
            queries: int32 tensors of `input_shape`: the tokenizer's `inputs`.

        Returns:
            `[1, dimension]` float32 tensor.
        """
        queries_by_name = dict(zip(self.tokenizer.inputs, queries, strict=True))
        given = {self.ids.index: _as(g, queries_by_name["ids"], self.ids)}
        if self.mask is not None:
            given[self.mask.index] = _as(g, queries_by_name["mask"], self.mask)
        for tensor in self.zeros:
            given[tensor.index] = g.constant(np.zeros(tensor.shape, tensor.dtype), "zeros")
        rewrite = shared_products(self.source, self.signature) if self.by_rows else None
        (output,) = g.inline(self.source, given, [self.output.index], self.signature, rewrite)
        if self.output.dtype in (np.uint8, np.int8):
            output = g.dequantize(output)
        if is_sequence(self.output):
            output = _pool(g, output, queries_by_name.get("mask"), self.pool)
        embedding = g.reshape(output, (1, self.output.shape[-1]))
        return g.slice(embedding, (0, 0), (1, self.prefix)) if self.prefix else embedding


def declare_queries(g: Subgraph, kind: str, shape: tuple[int, ...], tokenizer: TokenizerFile | None) -> dict[str, int]:
    """A signature's inputs by name: `query`, float32 for `audio` and else uint8, or what a tokenizer makes, int32."""
    if tokenizer is None:
        return {"query": g.tensor("query", shape, np.float32 if kind == "audio" else np.uint8)}
    return {name: g.tensor(name, shape, np.int32) for name in tokenizer.inputs}


def token_tower(source: Source, options: TextModelOptions, output: str | None = None) -> TokenTower:
    """A model with inputs of ids as a text tower.

    Args:
        source: The model; its first subgraph is taken.
        options: Its tokenizer, and how a vector a token is pooled.
        output: The output, or a tensor inside the model, that is the embedding; the only output where None.

    Raises:
        EncoderError: The inputs cannot be told apart or have no fixed length, the output is none that embeds, or the tokenizer gives ids
            that the model does not know.
    """
    ids, mask, zeros = _inputs(source)
    length = int(np.prod(ids.shape))
    if length < SHORTEST:
        raise EncoderError(f"{source.path}: takes {length} ids, expected at least {SHORTEST}: a piece and its frame; convert it with more")
    chosen = _output(source, output, length)
    tokenizer = read_tokenizer(options).fitted(length, mask is not None or (is_sequence(chosen) and options.pool == "mean"))
    tower = TokenTower(source, None, ids, mask, zeros, chosen, options.pool, tokenizer)
    _try_ids(tower, options)
    return tower


def is_sequence(output: SourceTensor) -> bool:
    """Whether it holds a vector a token."""
    return len(output.shape) == 3 and output.shape[1] > 1


def _inputs(source: Source) -> tuple[SourceTensor, SourceTensor | None, list[SourceTensor]]:
    """The inputs of ids and mask, and those of token types, by their names."""
    inputs = source.inputs()
    names = {tensor.index: tensor.name.lower() for tensor in inputs}
    for definition in source.signatures.values():
        if definition.subgraphIndex == 0:
            for entry in definition.inputs:
                name = entry.name.decode() if isinstance(entry.name, bytes) else entry.name
                names[entry.tensorIndex] = f"{names.get(entry.tensorIndex, '')} {name.lower()}"
    masks = [t for t in inputs if "mask" in names[t.index]]
    types = [t for t in inputs if t not in masks and ("type" in names[t.index] or "segment" in names[t.index])]
    ids = [t for t in inputs if t not in masks and t not in types]
    if len(ids) != 1 or len(masks) > 1:
        raise EncoderError(
            f"{source.path}: inputs {', '.join(t.name for t in inputs)}; expected one of ids, and by their names one mask and token types"
        )
    sub = source.subgraph()
    for tensor in inputs:
        signature = sub.tensors[tensor.index].shapeSignature
        open_ended = signature is not None and any(d == -1 for d in signature)
        if tensor.dtype not in TYPES or tensor.shape != ids[0].shape or tensor.shape[:-1] not in ((), (1,)) or open_ended:
            shape = [int(d) for d in signature] if open_ended else list(tensor.shape)
            raise EncoderError(
                f"{source.path}: input {tensor.name!r} is {tensor.dtype} {shape}, expected ids [1, length] of a fixed length; "
                "convert the model with one"
            )
    return ids[0], masks[0] if masks else None, types


def _output(source: Source, wanted: str | None, length: int) -> SourceTensor:
    outputs = source.outputs()
    if wanted:
        named = [t for t in outputs if t.name == wanted]
        for definition in source.signatures.values():
            for entry in definition.outputs if definition.subgraphIndex == 0 else ():
                name = entry.name.decode() if isinstance(entry.name, bytes) else entry.name
                named += [t for t in outputs if t.index == entry.tensorIndex and name == wanted]
        outputs = named[:1] or [source.tensor(wanted)]
    if len(outputs) != 1:
        raise EncoderError(
            f"{source.path}: outputs {', '.join(f'{t.name} {list(t.shape)}' for t in outputs)}; choose one with #NAME behind the path"
        )
    output = outputs[0]
    vector = len(output.shape) >= 2 and all(d == 1 for d in output.shape[:-1])
    scaled = output.dtype in (np.dtype(np.uint8), np.dtype(np.int8)) and output.scale is not None
    if not (vector or output.shape[:2] == (1, length) and len(output.shape) == 3) or not (output.dtype == np.float32 or scaled):
        raise EncoderError(
            f"{source.path}: output {output.name!r} is {output.dtype} {list(output.shape)}, expected float32 [1, d] or [1, {length}, d]"
        )
    return output


def _try_ids(tower: TokenTower, options: TextModelOptions) -> None:
    """Asks the model with the tokenizer's last id, which it refuses where the tokenizer is another model's."""
    model = Model("probe")
    g = model.subgraph("probe")
    queries = declare_queries(g, tower.kind, tower.input_shape, tower.tokenizer)
    model.signature(g, queries, {"embedding": tower.write(g, *queries.values())})
    last = {name: np.full(tower.input_shape, tower.tokenizer.size - 1 if name == "ids" else 1, np.int32) for name in queries}
    with running(model) as runners:
        try:
            found = runners.run("probe", last)["embedding"]
        except (RuntimeError, ValueError) as error:
            raise EncoderError(
                f"{tower.source.path}: cannot be asked with id {tower.tokenizer.size - 1}, the last of {options.tokenizer} "
                f"({' '.join(str(error).split())[:200]}); is it this model's tokenizer?"
            ) from error
    if not np.isfinite(found).all():
        raise EncoderError(f"{tower.source.path}: the embedding has a value that is not finite")


def _as(g: Subgraph, query: int, wanted: SourceTensor) -> int:
    query = g.reshape(query, wanted.shape)
    return query if wanted.dtype == np.int32 else g.cast(query, wanted.dtype)


def _pool(g: Subgraph, vectors: int, mask: int | None, pool: str) -> int:
    """`[1, d]` of `[1, length, d]`: the first vector, or the mean of those whose mask is 1."""
    _, length, width = g.shape(vectors)
    if pool == "first" or mask is None:
        return g.reshape(g.slice(vectors, (0, 0, 0), (1, 1, width)), (1, width))
    weights = g.cast(mask, np.float32)
    total = g.sum(g.mul(vectors, g.reshape(weights, (1, length, 1))), axis=1)
    count = g.maximum(g.reshape(g.sum(weights, axis=1), (1, 1)), ONE)
    return g.div(total, count)
