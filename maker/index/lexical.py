"""Makes the lexical index of a searcher from the texts of its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from task.format.facts import Column, Numbers, values_of
from task.format.lexical import LexicalIndex
from task.search.words import term, texts_of, words


def lexical_index(metadata: Sequence[bytes], facts: Mapping[str, Column], captions: Mapping[str, Iterable[str]]) -> LexicalIndex:
    """Indexes the words of names, facts and captions.

    Args:
        metadata: The metadata of each item; as text, they are its name.
        facts: Columns of facts; texts and tags are indexed.
        captions: Captions by the name of an item.
    """
    values = [values_of(column) for column in facts.values() if not isinstance(column, Numbers)]
    known = zip(*values, strict=True) if values else ((),) * len(metadata)
    numbers: dict[str, int] = {}
    terms: list[int] = []
    items: list[int] = []
    for item, (entry, facts_of_item) in enumerate(zip(metadata, known, strict=True)):
        texts = texts_of(entry, facts_of_item, captions.get(entry.decode("utf-8", "replace"), ()))
        for word in {word for text in texts for word in words(text)}:
            if word not in numbers:
                numbers[word] = term(word)
            terms.append(numbers[word])
            items.append(item)
    return LexicalIndex.of(np.array(terms, np.uint32), np.array(items, np.int64), len(metadata))
