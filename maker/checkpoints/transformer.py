"""The transformer layers of pretrained encoders as operators. Activations are `[places, width]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from maker.checkpoints.rotary import Rotary
from maker.checkpoints.tensors import Tensors
from maker.encoders.layers import Gelu, LayerNorm
from maker.encoders.row_blocks import write_by_rows
from maker.encoders.weights import Linear, Table, Weights
from maker.graph.subgraph import Subgraph

FAR = np.float32(-1e9)  # added to a score, it leaves no share
ACTIVATIONS = ("quick_gelu", "gelu", "gelu_pytorch_tanh", "gelu_new")
TANH_SLOPE, TANH_CUBE = 2 * np.sqrt(2 / np.pi), 0.044715


@dataclass(frozen=True)
class Reader:
    """Makes layers of a checkpoint's weights.

    Attributes:
        tensors: The weights.
        weights: How matrices are stored.
    """

    tensors: Tensors
    weights: Weights

    def linear(self, name: str, inputs: int, outputs: int, *, bias: bool = True, scale: float = 1.0) -> Linear:
        """The layer `name.weight` `[outputs, inputs]` and `name.bias`, its result multiplied by `scale`."""
        rows = self.tensors.shaped(f"{name}.weight", outputs, inputs)
        return self.matrix(rows, self.tensors.shaped(f"{name}.bias", outputs) if bias else None, scale)

    def matrix(self, rows: np.ndarray, bias: np.ndarray | None = None, scale: float = 1.0) -> Linear:
        """A layer of weights that have been read."""
        factor = np.float32(scale)
        return Linear(rows if scale == 1 else rows * factor, bias if bias is None or scale == 1 else bias * factor, self.weights)

    def norm(self, name: str, width: int, epsilon: float) -> LayerNorm:
        """The layer normalisation `name.weight` and `name.bias`."""
        return LayerNorm(self.tensors.shaped(f"{name}.weight", width), self.tensors.shaped(f"{name}.bias", width), epsilon)

    def table(self, name: str, rows: int, width: int) -> Table:
        """An embedding table."""
        return Table(self.tensors.shaped(name, rows, width), self.weights)


@dataclass(frozen=True)
class Attention:
    """Attention of several heads (Vaswani et al., 2017). The query's layer includes the division by the root of a head's width.

    Attributes:
        query, key, value, output: The layers.
        heads: How many heads there are.
        turned: Turns query and key by their place; None where nothing does.
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    heads: int
    turned: Rotary | None = None

    def write(self, g: Subgraph, x: int, seen: int, mask: int | np.ndarray | None = None) -> int:
        """Adds the layer.

        Args:
            g: The subgraph.
            x: `[n, d]`, which asks.
            seen: `[m, d]`, which answers; x itself for self-attention.
            mask: `[1, n, m]` or `[1, 1, m]` float32, added to the scores; None where all places see all.
        """
        query, key, value = (layer.write(g, y) for layer, y in ((self.query, x), (self.key, seen), (self.value, seen)))
        return self.output.write(g, self.mix(g, query, key, value, mask))

    def mix(self, g: Subgraph, query: int, key: int, value: int, mask: int | np.ndarray | None) -> int:
        """Adds what lies between the layers: the values `[m, d]` mixed for each place that asks, `[n, d]`."""
        query, key, value = (self._heads(g, x) for x in (query, key, value))
        if self.turned is not None:
            query, key = self.turned.write(g, query), self.turned.write(g, key)
        scores = g.batch_matmul(query, key, transpose_b=True)
        if mask is not None:
            scores = g.add(scores, mask)
        mixed = g.transpose(g.batch_matmul(g.softmax(scores), value), (1, 0, 2))
        places, heads, width = g.shape(mixed)
        return g.reshape(mixed, (places, heads * width))

    def _heads(self, g: Subgraph, x: int) -> int:
        places, width = g.shape(x)
        return g.transpose(g.reshape(x, (places, self.heads, width // self.heads)), (1, 0, 2))


@dataclass(frozen=True)
class Perceptron:
    """Two layers with an activation between them."""

    first: Linear
    second: Linear
    activation: str

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layers."""
        return self.second.write(g, activate(g, self.first.write(g, x), self.activation))


@dataclass(frozen=True)
class PreNormBlock:
    """A block that normalises what goes into attention and perceptron, as those of CLIP and SigLIP."""

    before_attention: LayerNorm
    attention: Attention
    before_perceptron: LayerNorm
    perceptron: Perceptron

    def before(self, g: Subgraph, x: int) -> list[int]:
        """Adds what makes queries, keys and values of `[n, d]`, row by row."""
        seen = self.before_attention.write(g, x)
        return [layer.write(g, seen) for layer in (self.attention.query, self.attention.key, self.attention.value)]

    def after(self, g: Subgraph, x: int, mixed: int) -> int:
        """Adds what follows attention, row by row: x is the block's input, the result its output."""
        x = g.add(x, self.attention.output.write(g, mixed))
        return g.add(x, self.perceptron.write(g, self.before_perceptron.write(g, x)))


@dataclass(frozen=True)
class PostNormBlock:
    """A block that normalises the sums, as those of BERT."""

    attention: Attention
    after_attention: LayerNorm
    perceptron: Perceptron
    after_perceptron: LayerNorm

    def before(self, g: Subgraph, x: int) -> list[int]:
        """Adds what makes queries, keys and values of `[n, d]`, row by row."""
        return [layer.write(g, x) for layer in (self.attention.query, self.attention.key, self.attention.value)]

    def after(self, g: Subgraph, x: int, mixed: int) -> int:
        """Adds what follows attention, row by row: x is the block's input, the result its output."""
        x = self.after_attention.write(g, g.add(x, self.attention.output.write(g, mixed)))
        return self.after_perceptron.write(g, g.add(x, self.perceptron.write(g, x)))


Block = PreNormBlock | PostNormBlock


def write_blocks(g: Subgraph, x: int, blocks: Sequence[Block], mask: int | np.ndarray | None = None, by_rows: bool = False) -> int:
    """Adds blocks one after the other; `by_rows` for a tower that is written at several numbers of places, see `write_by_rows`."""
    for block in blocks:
        x = _write_by_rows(g, x, block, mask) if by_rows else _write_block(g, x, block, mask)
    return x


def _write_block(g: Subgraph, x: int, block: Block, mask: int | np.ndarray | None) -> int:
    query, key, value = block.before(g, x)
    return block.after(g, x, block.attention.mix(g, query, key, value, mask))


def _write_by_rows(g: Subgraph, x: int, block: Block, mask: int | np.ndarray | None) -> int:
    query, key, value = write_by_rows(g, "before_attention", [x], lambda g, v: block.before(g, v[0]), key=(id(block), "before"))
    mixed = block.attention.mix(g, query, key, value, mask)
    (x,) = write_by_rows(g, "after_attention", [x, mixed], lambda g, v: [block.after(g, v[0], v[1])], key=(id(block), "after"))
    return x


def activate(g: Subgraph, x: int, kind: str) -> int:
    """Adds one of `ACTIVATIONS`.

    The approximation by tanh (Hendrycks, Gimpel, 2016, section 2) is written by its equal, x times the sigmoid of twice the argument, whose
    operators old runtimes have.
    """
    if kind == "quick_gelu":
        return Gelu().write(g, x)
    if kind == "gelu":
        return g.gelu(x)
    slope, cube = np.array(TANH_SLOPE, np.float32), np.array(TANH_SLOPE * TANH_CUBE, np.float32)
    return g.mul(x, g.logistic(g.mul(x, g.add(g.mul(g.mul(x, x), cube), slope))))


def clip_blocks(read: Reader, prefix: str, count: int, width: int, inner: int, heads: int, activation: str, epsilon: float) -> list[Block]:
    """The blocks of a tower of Hugging Face's CLIP or SigLIP, `prefix.0` and so on."""

    def block(p: str) -> Block:
        linear: Callable[..., Linear] = lambda name, **scale: read.linear(f"{p}.self_attn.{name}_proj", width, width, **scale)  # noqa: E731
        return PreNormBlock(
            read.norm(f"{p}.layer_norm1", width, epsilon),
            Attention(linear("q", scale=(width // heads) ** -0.5), linear("k"), linear("v"), linear("out"), heads),
            read.norm(f"{p}.layer_norm2", width, epsilon),
            Perceptron(read.linear(f"{p}.mlp.fc1", width, inner), read.linear(f"{p}.mlp.fc2", inner, width), activation),
        )

    return [block(f"{prefix}.{number}") for number in range(count)]
