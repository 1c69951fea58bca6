"""SentencePiece's normalisation rules in the graph: at each place the longest rule that matches, else the character itself.

Rules of one character are in the table of code points. Those of several (a letter and its accents, Hangul letters, kana and their marks)
are a trie over code points, walked from all places at once; which places a text really passes follows by doubling jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.code_points import CODE_POINTS, SURROGATES, CodePointTable, Places
from maker.tokenizers.spread import spread
from maker.tokenizers.trie import Trie
from maker.tokenizers.utf8 import decode, encode
from maker.tokenizers.values import ONE, ZERO, int32, to_front

LENGTHS = 64


class Rules:
    """Rules from texts to texts, some of which have several characters."""

    def __init__(self, rules: Mapping[str, str], lower: Callable[[str], str] | None = None) -> None:
        """Takes the rules, and what is done to each character before them."""
        self._longest = max(map(len, rules))
        letters = interchangeable(rules)
        numbers = {ord(character): number for character, number in letters.items()}
        if lower is not None:
            small = {code: lower(chr(code)) for code in range(CODE_POINTS) if code not in SURROGATES}
            numbers |= {code: letters.get(text, 0) for code, text in small.items() if text != chr(code)}
        self._letters = CodePointTable(numbers)
        pool, offsets, entries = [0], dict[str, int](), dict[tuple[int, ...], int]()
        for text, made in rules.items():
            if made not in offsets:
                offsets[made] = len(pool)
                pool.extend(map(ord, made))
            entries[tuple(letters[c] for c in text)] = len(made) + LENGTHS * offsets[made]
        self._pool = np.array(pool, np.int32)
        self._trie = Trie((0, text, entry) for text, entry in entries.items())
        continuing = {letters[c] for text in rules for c in text[1:]}
        self._continues = CodePointTable({code: 1 for code, number in numbers.items() if number in continuing})

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        return self._letters.nbytes + self._pool.nbytes + self._trie.nbytes + self._continues.nbytes

    def needed(self, g: Subgraph, places: Places, real: int) -> int:
        """Whether a text has a character that continues a rule, a bool scalar."""
        return g.greater(g.reduce_max(g.mul(self._continues.look_up(g, places), real), 0), ZERO)

    def apply(self, g: Subgraph, byte: int) -> int:
        """Normalised bytes `[n]` int32; cut to n."""
        (n,) = g.shape(byte)
        place = np.arange(n, dtype=np.int32)
        code, real = decode(g, byte)
        (code,) = to_front(g, [code], real, n)
        letter = g.concat([self._letters.look_up(g, Places(g, code)), np.zeros(self._longest, np.int32)])
        node = g.mul(code, ZERO)
        length, entry = node, node
        for at in range(self._longest):
            following = g.slice(letter, (at,), (n,))
            node, leads = self._trie.step(g, node, following)
            node = g.select(g.logical_and(leads, g.greater(following, ZERO)), node, int32(self._trie.dead))
            value = g.gather(self._trie.values, node)
            hit = g.greater_equal(value, ZERO)
            length, entry = g.select(hit, int32(at + 1), length), g.select(hit, value, entry)
        matched = g.minimum(length, ONE)
        hop = g.minimum(g.add(place, g.maximum(length, ONE)), int32(n - 1))
        passed = g.mul(_passed(g, hop), g.minimum(code, ONE))
        # The last place is passed by every text; it holds a character only where the text fills all bytes with ASCII.
        size = g.add(g.mul(matched, g.floor_mod(entry, int32(LENGTHS))), g.sub(ONE, matched))
        source, number, there = spread(g, g.mul(size, passed), n)
        offset = g.gather(g.floor_div(entry, int32(LENGTHS)), source)
        pooled = g.gather(self._pool, g.minimum(g.add(offset, number), int32(len(self._pool) - 1)))
        made = g.select(g.greater(g.gather(matched, source), ZERO), pooled, g.gather(code, source))
        return encode(g, g.mul(made, there), n)


def interchangeable(rules: Mapping[str, str]) -> dict[str, int]:
    """Numbers, from 1 on, of the rules' characters; two have the same where each may stand for the other in every rule.

    Hangul letters come in three blocks, Latin ones in a dozen mathematical alphabets: there are 225,000 rules, but 20 times fewer kinds.
    """
    contexts: dict[str, list[tuple[str, int, str]]] = {}
    for text, made in rules.items():
        for at, character in enumerate(text):
            contexts.setdefault(character, []).append((text[:at] + "\0" + text[at + 1 :], at, made))
    numbers: dict[tuple[tuple[str, int, str], ...], int] = {}
    return {character: numbers.setdefault(tuple(sorted(found)), len(numbers) + 1) for character, found in sorted(contexts.items())}


def _passed(g: Subgraph, hop: int) -> int:
    """Flags `[n]` of the places that jumps from the first lead over, by doubling: a place passed in 2^i jumps more is passed, too."""
    (n,) = g.shape(hop)
    passed = np.zeros(n, np.int32)
    passed[0] = 1
    mark: int = g.constant(passed)
    for _ in range(int(np.ceil(np.log2(n)))):
        reached = g.scatter(hop, mark, n)
        mark = g.minimum(g.add(mark, reached), ONE)
        hop = g.gather(hop, hop)
    return mark
