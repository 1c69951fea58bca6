"""Text transformers of pretrained encoders, from a tokenizer's ids to an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from maker.checkpoints.transformer import FAR, Block, write_blocks
from maker.encoders.layers import LayerNorm
from maker.encoders.sentence_tower import embed_sentence, tokenizer_in_graph
from maker.encoders.tokenizer_file import TokenizerFile
from maker.encoders.weights import Linear, Table
from maker.graph.subgraph import Subgraph
from maker.tokenizers.graph import GraphTokenizer

ONE = np.array(1, np.int32)
PLACES = (16, 32, 48, 64)  # of the shorter runs, which share their weights


class Positions:
    """The vectors of places, `(places, width)` float32."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = np.ascontiguousarray(rows, np.float32)
        self._cut: dict[int, np.ndarray] = {}

    @property
    def most(self) -> int:
        """How many places there are."""
        return len(self._rows)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self._rows.shape[1])

    def first(self, length: int) -> np.ndarray:
        """Those of the first places: always the same array object, so that a model stores it once."""
        return self._cut.setdefault(length, self._rows[:length])


@dataclass(frozen=True)
class TextTransformer:
    """A tower for ids, at any number of places up to that of `positions`.

    Attributes:
        table: The vectors of ids.
        positions: The vectors of places, added to them.
        before: Normalises what goes into the blocks; None where nothing does.
        blocks: The blocks.
        sees: What a place attends to: those up to itself (`before`), those with an id (`ids`), or `all`, the padding too.
        pool: Which vectors are the text's: the `first` place's, the `last` one's, that of the text's `end`, or the `mean` over the ids.
        after: Normalises the blocks' result; None where nothing does.
        projection: Makes the embedding; None where the result is it.
    """

    table: Table
    positions: Positions
    before: LayerNorm | None
    blocks: Sequence[Block]
    sees: Literal["before", "ids", "all"]
    pool: Literal["first", "last", "end", "mean"]
    after: LayerNorm | None
    projection: Linear | None

    @property
    def width(self) -> int:
        """Length of a place's vector."""
        return self.positions.width

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.width if self.projection is None else self.projection.size

    @property
    def masked(self) -> bool:
        """Whether it has to know where there are ids."""
        return self.sees == "ids" or self.pool in ("end", "mean")

    @property
    def can_be_shorter(self) -> bool:
        """Whether fewer places give the same embedding."""
        return self.sees != "all" and self.pool != "last"

    def write(self, g: Subgraph, ids: int, mask: int | None) -> int:
        """Adds the tower.

        Args:
            g: The subgraph.
            ids: int32 `[1, length]`.
            mask: int32 `[1, length]`, 1 where there is an id; None for a tower that is not `masked`.

        Returns:
            `[1, dimension]` float32.
        """
        _, length = g.shape(ids)
        x = g.add(self.table.write(g, g.reshape(ids, (length,))), self.positions.first(length))
        if self.before is not None:
            x = self.before.write(g, x)
        x = self._pooled(g, write_blocks(g, x, self.blocks, self._unseen(g, length, mask), self.can_be_shorter), mask)
        if not self.can_be_shorter:
            return self._project(g, x)
        return g.call("projection", [x], lambda g, v: [self._project(g, v[0])], key=(id(self.blocks), "projection"))[0]

    def _project(self, g: Subgraph, x: int) -> int:
        """Adds what follows the pooling."""
        if self.after is not None:
            x = self.after.write(g, x)
        return x if self.projection is None else self.projection.write(g, x)

    def _unseen(self, g: Subgraph, length: int, mask: int | None) -> int | np.ndarray | None:
        """What is added to the scores of attention."""
        if self.sees == "before":
            return _causal(length)
        if self.sees == "all" or mask is None:
            return None
        padding = g.reshape(g.cast(g.sub(ONE, mask), np.float32), (1, 1, length))
        return g.mul(padding, np.array(FAR))

    def _pooled(self, g: Subgraph, x: int, mask: int | None) -> int:
        length, width = g.shape(x)
        if self.pool in ("first", "last"):
            return g.slice(x, (0 if self.pool == "first" else length - 1, 0), (1, width))
        assert mask is not None
        if self.pool == "end":
            return g.gather(x, g.sub(g.sum(mask, axis=1), ONE))
        weight = g.cast(mask, np.float32)
        total = g.reshape(g.sum(g.mul(x, g.reshape(weight, (length, 1))), axis=0), (1, width))
        return g.div(total, g.maximum(g.reshape(g.sum(weight, axis=1), (1, 1)), np.array(1, np.float32)))


# Always the same array object, so that a model stores it once.
@lru_cache(maxsize=16)
def _causal(length: int) -> np.ndarray:
    return np.triu(np.full((1, length, length), FAR), 1)


@dataclass(frozen=True)
class TokensTower:
    """A text transformer that is given its tokenizer's ids.

    Attributes:
        transformer: The tower.
        tokenizer: What makes the ids; it says how many places there are.
    """

    transformer: TextTransformer
    tokenizer: TokenizerFile
    kind = "tokens"

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.transformer.dimension

    @property
    def length(self) -> int:
        """Places: the ids that it takes."""
        return int(self.tokenizer.described["length"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, length)`."""
        return (1, self.length)

    def at(self, length: int) -> TokensTower:
        """The same at fewer places."""
        return replace(self, tokenizer=self.tokenizer.fitted(length, self.transformer.masked))

    def write(self, g: Subgraph, *queries: int) -> int:
        """Adds the tower, from the tokenizer's `inputs`, int32 of `input_shape`, to `[1, dimension]` float32."""
        ids, *mask = queries
        return self.transformer.write(g, ids, mask[0] if mask else None)


@dataclass(frozen=True)
class SentencesTower:
    """A text transformer with its tokenizer in the graph: UTF-8 bytes in, an embedding out.

    Attributes:
        in_graph: The tokenizer.
        towers: The transformer at several numbers of places, the fewest first; a sentence takes the first that holds it.
    """

    in_graph: GraphTokenizer
    towers: Sequence[TokensTower]
    kind = "text"
    tokenizer = None

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.towers[-1].dimension

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, max_bytes)`."""
        return (1, self.in_graph.max_bytes)

    def write(self, g: Subgraph, query: int) -> int:
        """Adds tokenizer and tower, from uint8 of `input_shape` to `[1, dimension]` float32."""
        return embed_sentence(g, self.in_graph.write(g, query), self.towers)


def sentences_tower(tower: TokensTower) -> SentencesTower | TokensTower:
    """The tower with its tokenizer in the graph; the tower itself, and a line on stderr, where the tokenizer cannot be put there."""
    in_graph = tokenizer_in_graph(tower.tokenizer)
    if in_graph is None:
        return tower
    lengths = [length for length in PLACES if length < tower.length and tower.transformer.can_be_shorter]
    return SentencesTower(in_graph, [*(tower.at(length) for length in lengths), tower])
