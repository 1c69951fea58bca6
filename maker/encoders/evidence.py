"""What a query says about whether its answer can be right, before any result is seen: two numbers, computed in the graph.

They are the parts of two logistic regressions that do not depend on the results (docs/format.md, relevance). They are made of

- the embedding of the query: towers know some things better than others;
- how the query's scores spread over the items, because a first result stands out only against the others;
- the number of words;
- the evidence of each word that the indexed items show it, of which the worst and the mean count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from maker.graph.source import Source, SourceTensor
from maker.graph.subgraph import Subgraph
from maker.graph.tensors import Op

OUTPUT = "evidence"
FACTORS = 32  # axes of the items' covariance; the others count as equally long
LONGEST = 63  # rows of the embedding table that are told apart as lengths
FAR = 1e3  # more than the evidence of any word
LENGTHS = np.stack([np.log1p(np.arange(LONGEST + 1)), 1 / np.arange(1, LONGEST + 2)], axis=1)  # what a length is seen as
ROWS = "word_rows"
TINY = 1e-12


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a query's scores over items, `sqrt(q' C q)` with their covariance C, by its longest axes.

    Attributes:
        factors: `(f, d)` float32.
        rest: The mean variance along all other axes.
    """

    factors: np.ndarray
    rest: float

    @classmethod
    def of(cls, items: np.ndarray) -> Spread:
        """The spread over items, `(n, d)` float32."""
        values, vectors = np.linalg.eigh(np.cov(np.asarray(items, np.float64), rowvar=False, bias=True).reshape(items.shape[1], -1))
        longest = np.argsort(-values)[:FACTORS]
        rest = float(np.delete(values, longest).mean()) if len(values) > FACTORS else 0.0
        return cls((vectors[:, longest] * np.sqrt(np.maximum(values[longest] - rest, 0))).T.astype(np.float32), max(rest, 0.0))

    def __call__(self, queries: np.ndarray) -> np.ndarray:
        """`(q,)` for `(q, d)` queries of norm 1."""
        return np.sqrt(np.square(queries @ self.factors.T).sum(axis=1) + self.rest + TINY)


@dataclass(frozen=True)
class WordEvidence:
    """How sure it is that the items show each word of the vocabulary.

    Attributes:
        table: `(rows, 2)` float32 by row of the embedding table: the evidence, and 1; both 0 where it is unknown.
    """

    table: np.ndarray

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """`(q, 2)`: the worst and the mean evidence of queries with these rows, `(q, t)` int32; 0 for queries without any."""
        return worst_and_mean(self.table[rows, 0], self.table[rows, 1])


def worst_and_mean(evidence: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`(q, 2)` of `(q, t)` evidence, of which only that with `known` 1 counts; 0 if none does."""
    count = known.sum(axis=1)
    worst = np.minimum(np.where(known > 0, evidence, FAR).min(axis=1), FAR) * np.minimum(count, 1)
    return np.stack([worst, (evidence * known).sum(axis=1) / np.maximum(count, 1)], axis=1)


def lengths_of(rows: np.ndarray) -> np.ndarray:
    """`(q, 2)`: what the number of used rows, `(q, t)` int32, is seen as: log(1 + n) and 1 / (1 + n)."""
    return LENGTHS[np.minimum((rows > 0).sum(axis=1), LONGEST)]


@dataclass(frozen=True)
class Evidence:
    """Two numbers, each the sum of a bias and of weights times the embedding, its spread, the length and the evidence of words.

    The first is for whether the items show what is asked for, the second for how likely results are right.

    Attributes:
        bias, linear: `(2,)` and `(2, d)`.
        spread, of_spread: The spread, and its weights, `(2,)`.
        words: The evidence of words; None for text towers without an embedding table of words.
        of_words: `(4, 2)`: the weights of the length, seen in two ways, and of the worst and the mean evidence of words; None without.
    """

    bias: np.ndarray
    linear: np.ndarray
    spread: Spread
    of_spread: np.ndarray
    words: WordEvidence | None = None
    of_words: np.ndarray | None = None

    def __call__(self, queries: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        """`(q, 2)` float64 of `(q, d)` embeddings and, with words, `(q, t)` int32 rows."""
        total = self.bias + queries @ self.linear.T.astype(np.float64) + self.spread(queries)[:, None] * self.of_spread
        if self.words is not None and self.of_words is not None and rows is not None:
            total += np.hstack([lengths_of(rows), self.words(rows)]) @ self.of_words
        return total

    def write(self, g: Subgraph, embedding: int, rows: int | None) -> int:
        """Adds the numbers to a subgraph, `[1, 2]` float32, from `[1, d]` float32 and, with words, `[t]` int32."""
        numbers = g.fully_connected(embedding, self.linear.astype(np.float32), self.bias.astype(np.float32))
        projected = g.fully_connected(embedding, self.spread.factors)
        variance = g.add(g.sum(g.mul(projected, projected), axis=1), np.array(self.spread.rest + TINY, np.float32))
        parts = [(g.mul(variance, g.rsqrt(variance)), self.of_spread)]
        if self.words is not None and self.of_words is not None and rows is not None:
            numbers = g.add(numbers, _of_length(g, rows, self.of_words[:2]))
            parts += zip(_of_words(g, rows, self.words.table), self.of_words[2:], strict=True)
        for part, weights in parts:
            numbers = g.add(numbers, g.mul(g.reshape(part, (1, 1)), weights[None].astype(np.float32)))
        return numbers


def _of_length(g: Subgraph, rows: int, weights: np.ndarray) -> int:
    """`[1, 2]`: what the number of used rows adds."""
    used = g.sum(g.reshape(g.minimum(rows, np.array(1, np.int32)), (1, *g.shape(rows))), axis=1)
    return g.gather((LENGTHS @ weights).astype(np.float32), g.minimum(used, np.array(LONGEST, np.int32)))


def _of_words(g: Subgraph, rows: int, table: np.ndarray) -> list[int]:
    """The worst and the mean evidence of words, each of one value."""
    one = np.array(1, np.float32)
    evidence, known = (g.gather(g.constant(np.ascontiguousarray(table[:, i]), f"{OUTPUT}_{i}"), rows) for i in (0, 1))
    (places,) = g.shape(rows)
    count = g.sum(g.reshape(known, (1, places)), axis=1)
    away = g.mul(g.sub(one, known), np.array(FAR, np.float32))
    # The smallest, as the opposite of the largest of the opposites.
    opposite = g.mul(g.add(g.mul(evidence, known), away), np.array(-1, np.float32))
    worst = g.mul(g.reduce_max(g.reshape(opposite, (1, places)), axis=1), g.mul(g.minimum(count, one), np.array(-1, np.float32)))
    total = g.sum(g.reshape(g.mul(evidence, known), (1, places)), axis=1)
    return [worst, g.div(total, g.maximum(count, one))]


@dataclass(frozen=True)
class StoredEvidence:
    """The evidence in the graph of a searcher, to copy into another file with the same towers.

    Attributes:
        source: The searcher.
        signature: `search_text` or `search_tokens`.
        given: Tensors of the signature's subgraph: the embedding and, if the tower reads words, their rows.
        numbers: The output.
    """

    source: Source
    signature: str
    given: tuple[int, ...]
    numbers: int

    @classmethod
    def of(cls, source: Source) -> StoredEvidence | None:
        """The evidence of a searcher; None if it has none."""
        for signature in [key for key in ("search_text", "search_tokens") if key in source.signatures]:
            numbers = [int(o.tensorIndex) for o in source.signatures[signature].outputs if _text(o.name) == OUTPUT]
            given = _tower_outputs(source.subgraph(signature))
            if numbers and given:
                return cls(source, signature, given, numbers[0])
        return None

    def write(self, g: Subgraph, embedding: int, rows: int | None) -> int:
        """Adds the numbers to a subgraph, as `Evidence.write` does."""
        given = [embedding] if rows is None else [embedding, rows]
        return g.inline(self.source, dict(zip(self.given, given, strict=True)), [self.numbers], self.signature)[0]


def word_rows(source: Source, signature: str | None) -> SourceTensor | None:
    """The tensor with the rows of the embedding table that a `words` tower reads, `[t]` int32; None if the tower is another.

    It is what the operator that reads the table `embedding` reads it by. Where the signatures of a searcher share the tower as a part, it
    is the part's second output.
    """
    graph = source.subgraph(signature)
    for operator in graph.operators:
        if _kind(source, operator) == Op.GATHER and _text(graph.tensors[operator.inputs[0]].name) == "embedding":
            return source.at(int(operator.inputs[1]), signature)
        if _is_tower(source, operator) and len(operator.outputs) == 2:
            return source.at(int(operator.outputs[1]), signature)
    return None


def tower_name(kind: str, with_rows: bool) -> str:
    """What the part with a tower is called; what it gives is called so too, with a number behind: the embedding 0, the rows 1."""
    return f"{kind}_tower_{ROWS}" if with_rows else f"{kind}_tower"


def _tower_outputs(graph: Any) -> tuple[int, ...]:
    """The tensors of a signature that are what its tower for sentences gives; none if it has none."""
    numbers = {_text(tensor.name): number for number, tensor in enumerate(graph.tensors)}
    for kind in ("text", "tokens"):
        for name in (tower_name(kind, True), tower_name(kind, False)):
            if f"{name}0" in numbers:
                return tuple(numbers[made] for made in (f"{name}0", f"{name}1") if made in numbers)
    return ()


def _is_tower(source: Source, operator: Any) -> bool:
    """Whether an operator calls the text tower that the signatures of a searcher share."""
    if _kind(source, operator) != Op.IF:
        return False
    name = _text(source.model.subgraphs[operator.builtinOptions.thenSubgraphIndex].name)
    return name in [tower_name(kind, with_rows) for kind in ("text", "tokens") for with_rows in (False, True)]


def _kind(source: Source, operator: Any) -> int:
    code = source.model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
