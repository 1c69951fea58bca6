"""A pretrained text tower with its tokenizer in the graph: UTF-8 bytes in, an embedding out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import numpy as np

from maker.encoders.layers import Layer, write_layers
from maker.encoders.shortened import NotFollowedError
from maker.encoders.token_tower import TokenTower
from maker.encoders.tokenizer_file import TokenizerFile, stored_tokenizer
from maker.errors import EncoderError
from maker.graph.model import Model
from maker.graph.run import running
from maker.graph.source import Source, SourceTensor
from maker.graph.subgraph import Subgraph
from maker.progress import say
from maker.tokenizers.adversarial import adversarial_texts
from maker.tokenizers.check import compare
from maker.tokenizers.graph import GraphTokenizer
from maker.tokenizers.recognise import graph_tokenizer
from task.format import utf8

ADVERSARIAL = 2000  # strings that every tokenizer is compared with its library on
SHOWN = 3
LENGTHS = (16, 32)  # places of the shorter runs
SAME = 1e-5


@dataclass(frozen=True)
class SentenceTower:
    """A text tower that takes sentences as they are.

    Attributes:
        tokens: The tower behind its tokenizer.
        in_graph: The tokenizer.
        prefix: How many of the embedding's dimensions are taken, as they are; None for all.
        shorter: The tower at fewer places, the fewest first; a sentence takes the first that holds it.
    """

    tokens: TokenTower
    in_graph: GraphTokenizer
    prefix: int | None = None
    shorter: Sequence[TokenTower] = ()
    kind = "text"
    tokenizer = None

    @property
    def source(self) -> Source:
        """The model that holds the tower."""
        return self.tokens.source

    @property
    def signature(self) -> str | None:
        """The tower's signature there."""
        return self.tokens.signature

    @property
    def output(self) -> SourceTensor:
        """The tower's output there."""
        return self.tokens.output

    @property
    def pool(self) -> str:
        """How a vector a token becomes one."""
        return self.tokens.pool

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.prefix or self.tokens.dimension

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, max_bytes)`."""
        return (1, self.in_graph.max_bytes)

    def describe_query(self) -> dict[str, Any]:
        """What the manifest says of the query."""
        return {"max_bytes": self.in_graph.max_bytes, "encoding": "utf-8"}

    def prepare(self, text: str) -> dict[str, np.ndarray]:
        """The input of a sentence by name."""
        return {"query": utf8.encode(text, self.in_graph.max_bytes)}

    def write(self, g: Subgraph, query: int) -> int:
        """Adds tokenizer and tower to a subgraph.

        Args:
            g: The subgraph.
            query: uint8 tensor of `input_shape`.

        Returns:
            `[1, dimension]` float32 tensor.
        """
        embedding = embed_sentence(g, self.in_graph.write(g, query), [*self.shorter, self.tokens])
        return g.slice(embedding, (0, 0), (1, self.prefix)) if self.prefix else embedding


class Tokens(Protocol):
    """A tower that takes ids, at some number of places."""

    @property
    def length(self) -> int:
        """Places."""

    @property
    def tokenizer(self) -> TokenizerFile:
        """Whose `inputs` it takes."""

    @property
    def write(self) -> Callable[..., int]:
        """Adds the tower to a subgraph, from the tokenizer's inputs to `[1, d]` float32."""


def embed_sentence(g: Subgraph, made: Mapping[str, int], towers: Sequence[Tokens]) -> int:
    """`[1, d]` of what a tokenizer made, by the first tower that holds it.

    Args:
        g: The subgraph.
        made: `ids` and `mask`, int32 `[1, length]`.
        towers: One tower at several numbers of places, the fewest first.
    """
    count = g.reshape(g.sum(made["mask"], axis=1), ())
    return _first_that_holds(g, [made["ids"], made["mask"], count], towers)


def _first_that_holds(g: Subgraph, v: list[int], towers: Sequence[Tokens]) -> int:
    least, *others = towers
    if not others:
        return _run(g, least, v)
    (embedding,) = g.if_else(
        f"places_{least.length}",
        g.less_equal(v[2], np.array(least.length, np.int32)),
        v,
        lambda g, v: [_run(g, least, v)],
        lambda g, v: [_first_that_holds(g, v, others)],
        key=id(least),
    )
    return embedding


def _run(g: Subgraph, tower: Tokens, v: list[int]) -> int:
    """A tower's embedding of the first ids."""
    ids, mask = (g.slice(x, (0, 0), (1, tower.length)) for x in v[:2])
    return tower.write(g, *({"ids": ids, "mask": mask}[name] for name in tower.tokenizer.inputs))


AnyTextTower: TypeAlias = "TokenTower | SentenceTower"


class TextBackbone(Protocol):
    """A text tower behind which a head is trained."""

    @property
    def kind(self) -> str:
        """`text`, or `tokens` where the tokenizer is outside the graph."""

    @property
    def output(self) -> SourceTensor:
        """The tower's output in its own file."""

    @property
    def dimension(self) -> int:
        """Length of the features."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the query."""

    @property
    def tokenizer(self) -> TokenizerFile | None:
        """What makes the queries of `tokens`."""

    @property
    def write(self) -> Callable[..., int]:
        """Adds the tower to a subgraph, from its queries to `[1, dimension]` float32."""


@dataclass(frozen=True)
class TextEncoder:
    """A pretrained text tower and what was trained behind it."""

    backbone: TextBackbone
    head: Sequence[Layer]

    def write(self, g: Subgraph, *queries: int) -> int:
        """Adds the encoder, from the tower's queries to `[1, d]` float32, not normalised."""
        return write_layers(g, self.backbone.write(g, *queries), self.head)


def sentence_tower(tower: TokenTower, texts: Iterable[str] = ()) -> AnyTextTower:
    """The tower with its tokenizer in the graph, compared with its library first.

    Args:
        tower: A tower that takes ids.
        texts: Sentences to compare on, besides a fixed set of strings that tokenizers stumble over.

    Returns:
        The same tower where the tokenizer has a part that is not recognised, or gives other ids outside the classes that are left out;
        then a line on stderr says so, and the tokenizer travels beside the graph.
    """
    made = tokenizer_in_graph(tower.tokenizer, texts)
    if made is None:
        return tower
    shorter = shorter_towers(tower)
    whole, *others = [replace(one, by_rows=bool(shorter)) for one in (tower, *shorter)]
    return SentenceTower(whole, made, shorter=others)


def tokenizer_in_graph(tokenizer: TokenizerFile, texts: Iterable[str] = ()) -> GraphTokenizer | None:
    """A tokenizer's graph, compared with its library on texts and on a fixed set of strings; None, and a line on stderr, if it has none."""
    try:
        return _checked(tokenizer.content, json.dumps(tokenizer.described), tuple(dict.fromkeys(texts)))
    except EncoderError as error:
        say(f"the tokenizer stays outside the graph, and the searcher answers ids (search_tokens): {error}")
        return None


def shorter_towers(tower: TokenTower) -> list[TokenTower]:
    """The tower at fewer places, of each number with which it gives the same embeddings."""
    found = []
    for length in LENGTHS:
        if length < tower.length:
            try:
                short = tower.at(length)
            except NotFollowedError:
                continue
            if _agree(tower, short):
                found.append(short)
    return found


def _agree(tower: TokenTower, short: TokenTower) -> bool:
    """Whether both embed alike, tried with rows of ids that the shorter one holds."""
    model = Model("lengths")
    outputs = []
    g = model.subgraph("embed")
    ids, mask = (g.tensor(name, (1, tower.length), np.int32) for name in ("ids", "mask"))
    for one in (tower, short):
        outputs.append(_run(g, one, [ids, mask]))
    model.signature(g, {"ids": ids, "mask": mask}, dict(zip(("whole", "short"), outputs, strict=True)))
    random = np.random.default_rng(0)
    with running(model) as runners:
        try:
            for count in (1, 2, short.length // 2, short.length - 1, short.length):
                row = np.full((1, tower.length), tower.tokenizer.described["padding_id"], np.int32)
                row[0, :count] = random.integers(0, tower.tokenizer.size, count)
                given = {"ids": row, "mask": (np.arange(tower.length) < count).astype(np.int32)[None]}
                made = runners.run("embed", given)
                if not np.allclose(made["whole"], made["short"], rtol=0, atol=SAME * max(1.0, float(np.abs(made["whole"]).max()))):
                    return False
        except (RuntimeError, ValueError):  # an interpreter does not take the shorter tensors
            return False
    return True


@lru_cache(maxsize=4)
def _checked(content: bytes, described: str, texts: tuple[str, ...]) -> GraphTokenizer:
    """A tokenizer's graph that gives its library's ids.

    Raises:
        EncoderError: It is not recognised, or its ids differ.
    """
    file = stored_tokenizer(content, json.loads(described))
    made = graph_tokenizer(content, file.described)
    found = compare(made, file.ids, [*texts, *adversarial_texts(ADVERSARIAL)])
    if found.wrong:
        shown = "; ".join(map(str, found.wrong[:SHOWN]))
        raise EncoderError(f"its graph gives other ids than its library for {len(found.wrong)} of {found.texts} texts: {shown}")
    return made
