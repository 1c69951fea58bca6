"""The items of the shared queries: facts of all types with tricky values, words of several scripts, and the searcher that holds them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import open_embedder
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import build_index
from maker.index.lexical import lexical_index
from maker.index.options import ScaNNOptions, ScoreAH
from task.format import facts
from task.format.facts import Column
from task.search.moments import seconds
from tests.written_searcher import DIMENSION, write_encoder_file

TYPES = {
    "name": "text",
    "folder": "text",
    "caption": "text",
    "album": "text",
    "my column": "text",
    "größe": "number",
    "stars": "number",
    "ratio": "number",
    "bytes": "number",
    "lat": "number",
    "lon": "number",
    "taken": "time",
    "tags": "tags",
}
SUBJECTS = ("red ball", "blue car", "black cat", "white bird", "orange balloon", "small boat", "yellow flower", "brown house")
PLACES = ("on the grass", "in the city", "on the beach", "in the forest", "by the sea", "in two trees")
# Items 0 to 23, one tricky value of a column each; what is not named is as `_usual` says, and None is not known.
TRICKY: list[dict[str, Any]] = [
    {"taken": "2024-02-29T00:00:00", "album": "Ålesund", "tags": ["beach", "sea"]},
    {"taken": "2024-02-29T23:59:59", "album": "A\u030alesund", "tags": []},  # the same name, decomposed: another text
    {"taken": "2023-12-31T23:59:59", "album": "", "tags": ["", "beach"]},
    {"taken": "2024-01-01", "album": None, "tags": ["O'Brien"]},
    {"taken": "2000-02-29", "album": "Norway", "tags": ['say "hi"', "back\\slash"]},
    {"taken": "1969-12-31T23:59:59", "album": "norway", "tags": ["\u6d77", "beach"]},
    {"taken": "1900-03-01", "album": "Spain", "tags": ["\U0001f600"]},
    {"taken": "1970-01-01", "album": "\U0001f600 fun", "tags": ["\ufb01"]},  # after U+FB01 by code points, before it in UTF-16
    {"taken": "9999-12-31T23:59:59", "album": "\ufb01 fun"},
    {"taken": "0001-01-01", "album": "line\nbreak"},
    {"taken": None, "album": "It's"},
    {"taken": "2024-05-31T14:30:00", "stars": None, "ratio": None, "bytes": None, "lat": None, "lon": None},
    {"lat": 0.0, "lon": 179.9, "stars": -3, "bytes": 2**53},
    {"lat": 0.0, "lon": -179.9, "stars": 0, "bytes": 2**53 - 1},
    {"lat": 90.0, "lon": 10.0, "stars": 4.5, "bytes": -(2**53)},
    {"lat": 89.99, "lon": -170.0, "ratio": 0.1, "bytes": 2**31},
    {"lat": -90.0, "lon": 0.0, "ratio": -0.0, "bytes": 2**31 - 1},
    {"lat": 52.52, "lon": None, "ratio": 1e300, "bytes": 128},
    {"lat": 52.52, "lon": 13.405, "ratio": 1e-7, "größe": 1.5},
    {"lat": 52.5, "lon": 13.4, "größe": -129},
    {"my column": "yes", "caption": "die Straße am Meer, Ålesund"},
    {"my column": "no", "caption": "黑猫坐在红色的房子前 with a cat", "tags": ["猫"]},
    {"caption": "İstanbul ﬁne ΣΊΣΥΦΟΣ", "tags": ["istanbul"]},
    {"caption": None, "name": "a red ball.jpg", "folder": ""},
]
ITEMS = 96


def _usual(item: int) -> dict[str, Any]:
    place = PLACES[item // len(SUBJECTS) % len(PLACES)]
    return {
        "name": f"IMG_{item:03d}.jpg",
        "folder": ("2023/summer", "2024", "")[item % 3],
        "caption": f"a {SUBJECTS[item % len(SUBJECTS)]} {place}, photo" + (" with a lighthouse" if item in (40, 71) else ""),
        "album": ("Norway", "Spain", None, "Winter 2024")[item % 4],
        "my column": None,
        "größe": item % 7,
        "stars": item % 6,
        "ratio": item / 8,
        "bytes": 1000 * item,
        "lat": float(item % 60),
        "lon": float(item * 7 % 360 - 180),
        "taken": f"20{20 + item % 5}-{1 + item % 12:02d}-{1 + item % 28:02d}T{item % 24:02d}:15:00",
        "tags": [("beach", "sea", "snow", "city")[item % 4], f"t{item % 3}"],
    }


def drawn_items() -> list[dict[str, Any]]:
    """The facts of each item by column; None where nothing is known, and tags always a list."""
    return [{**_usual(item), **(TRICKY[item] if item < len(TRICKY) else {})} for item in range(ITEMS)]


def metadata(item: dict[str, Any]) -> bytes:
    """The metadata of an item: its path."""
    return "/".join(part for part in (item["folder"], item["name"]) if part).encode()


def embeddings() -> np.ndarray:
    """`(96, 32)` float32 unit vectors that share a direction, so that their mean is not zero."""
    values = np.random.default_rng(21).standard_normal((ITEMS, DIMENSION)).astype(np.float32) + np.linspace(
        0, 0.6, DIMENSION, dtype=np.float32
    )
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def write_asked(path: Path) -> None:
    """Writes the searcher."""
    items = drawn_items()
    columns: dict[str, Column] = {}
    for name, kind in TYPES.items():
        values = [item[name] for item in items]
        if kind == "time":
            values = [value and seconds(value)[0] for value in values]
        columns[name] = facts.column_of(kind, [sorted(value) for value in values] if kind == "tags" else values)
    names = [metadata(item) for item in items]
    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder) / "encoder.tflite"
        write_encoder_file(encoder)
        content = SearcherContent(
            index=build_index(embeddings(), ScaNNOptions("dot_product", score_ah=ScoreAH(1)), bits=8),
            metadata=names,
            towers=open_embedder(encoder),
            sentence_mean=np.linspace(-0.1, 0.2, DIMENSION, dtype=np.float32),
            facts=columns,
            lexical=lexical_index(names, columns, {}),
        )
        write_searcher(content, path)
