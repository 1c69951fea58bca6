"""Makes the lexical index of a searcher from the texts of its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from task.format.facts import Column, Numbers, values_of
from task.format.lexical import LexicalIndex
from task.search.words import term, words


def lexical_index(metadata: Sequence[bytes], facts: Mapping[str, Column], captions: Mapping[str, Iterable[str]]) -> LexicalIndex:
    """Indexes the words of names, facts and captions.

    Args:
        metadata: The metadata of each item; as text, they are its name.
        facts: Columns of facts; texts and tags are indexed.
        captions: Captions by the name of an item.
    """
    texts = [list(_name_and_captions(entry, captions)) for entry in metadata]
    for column in facts.values():
        if not isinstance(column, Numbers):
            for text, value in zip(texts, values_of(column), strict=True):
                text += [value] if isinstance(value, str) else value or []
    numbers: dict[str, int] = {}
    terms: list[int] = []
    items: list[int] = []
    for item, text in enumerate(texts):
        for word in {word for part in text for word in words(part)}:
            if word not in numbers:
                numbers[word] = term(word)
            terms.append(numbers[word])
            items.append(item)
    return LexicalIndex.of(np.array(terms, np.uint32), np.array(items, np.int64), len(metadata))


def _name_and_captions(metadata: bytes, captions: Mapping[str, Iterable[str]]) -> Iterable[str]:
    name = metadata.decode("utf-8", "replace")
    return (name, *captions.get(name, ()))
