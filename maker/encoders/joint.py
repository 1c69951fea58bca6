"""The `words` tower and a pretrained text tower together: the normalised sum of their embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.encoders.sentence_tower import TextEncoder
from maker.encoders.words import WordsTower
from maker.graph.subgraph import Subgraph


@dataclass(frozen=True)
class JointTower:
    """Both towers, trained together.

    Attributes:
        words: The tower of words.
        sentence: The pretrained tower and its head. It takes sentences as they are, not ids.
        factor: What the normalised embedding of the words is multiplied by.
    """

    words: WordsTower
    sentence: TextEncoder
    factor: float

    @property
    def input_shape(self) -> tuple[int, int]:
        """`(1, max_bytes)`: as many bytes as the tower that reads more of them takes."""
        return (1, max(self.words.size.max_bytes, self.sentence.backbone.input_shape[1]))

    def write(self, g: Subgraph, query: int) -> int:
        """Adds both towers, from UTF-8 bytes of `input_shape` to `[1, d]` float32, not normalised."""
        words, sentence = (g.slice(query, (0, 0), (1, size)) for size in (self.words.size.max_bytes, self.sentence.backbone.input_shape[1]))
        of_words = g.l2_normalize(self.words.write(g, words))
        of_sentence = g.l2_normalize(self.sentence.write(g, sentence))
        return g.add(g.mul(of_words, np.array(self.factor, np.float32)), of_sentence)
