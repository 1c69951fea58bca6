"""What Python, JavaScript and Kotlin are all asked, and have to answer alike: filters, facets, words, composed queries.

`cases.json` holds questions and answers. `write(folder)`, or `python -m tests.asked FOLDER`, writes the searcher that they are about,
`asked.tflite`, and a copy of them, `asked.json`. Tests of a platform open the searcher and compare. After a change of cases or items,
`python -m tests.asked --update` writes `cases.json` again; `tests/test_asked.py` compares it with Python and with plain evaluations.

Ids are those of results and ascend in `where`. An `image` of a query is not a file: its pixel at x, y has the value
`(a * x + b * y + c * channel) % 256` of its three numbers, in the size that the file takes. `item` is the stored embedding of an item.
Where a case has no `k`, ten results are asked for.

    where    `where`, `ids`: the items that meet a filter, of all
    refused  filters that are an error, by their form or by the facts of this file
    facets   `columns` (null: those of `facets()`), `where` if any, `counts`: by column, pairs of value and count in their order
    words    `text`, `words`, `terms`: the words of a text and their numbers in the index
    lexical  `query`, `mode`, `where` if any, `ids`: in order
    composed `wanted` (parts with weights), `excluded`, `where` if any, `ids`, `distances` (to 1e-4)
    typed    `text`, `wanted`, `excluded`: what a person typed, and the parts; `wanted` null where it is an error
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from task.core import BaseOptions
from task.errors import InvalidArgumentError
from task.processor import SearchOptions
from task.search.where_parser import parsed
from task.search.words import term, words
from task.text import Query, TextSearcher, TextSearcherOptions
from task.vision import TensorImage
from tests.asked.items import write_asked

FILE = Path(__file__).with_name("cases.json")
K = 10
Item = Mapping[str, Any]


def _iso(item: Item, length: int) -> str | None:
    """The time of an item, cut to a length."""
    return item["taken"] and (item["taken"] + "T00:00:00")[:19][:length]


def _number(item: Item, column: str, holds: Callable[[float], bool]) -> bool:
    return item[column] is not None and holds(item[column])


def _on_the_date_line(item: Item) -> bool:
    return item["name"] in ("IMG_000.jpg", "IMG_012.jpg", "IMG_013.jpg")


# Filters and, in plain Python, whether an item meets them.
WHERE: list[tuple[str, Callable[[Item], bool]]] = [
    ("stars >= 3", lambda i: _number(i, "stars", lambda v: v >= 3)),
    ("3 <= stars", lambda i: _number(i, "stars", lambda v: v >= 3)),
    ("1 < stars <= 4.5", lambda i: _number(i, "stars", lambda v: 1 < v <= 4.5)),
    ("stars != 3", lambda i: _number(i, "stars", lambda v: v != 3)),
    ("not stars == 3", lambda i: i["stars"] != 3),
    ("stars == -3", lambda i: i["stars"] == -3),
    ("ratio == .1", lambda i: i["ratio"] == 0.1),
    ("ratio == 0", lambda i: i["ratio"] == 0),
    ("ratio >= 1e300 or ratio < 1E-6", lambda i: _number(i, "ratio", lambda v: v >= 1e300 or v < 1e-6)),
    ("bytes >= 9007199254740992", lambda i: _number(i, "bytes", lambda v: v >= 2**53)),
    ("bytes == 9007199254740991", lambda i: i["bytes"] == 2**53 - 1),
    ("bytes < 0", lambda i: _number(i, "bytes", lambda v: v < 0)),
    ("größe < 0", lambda i: i["größe"] < 0),
    ("`größe` in (1.5, 3)", lambda i: i["größe"] in (1.5, 3)),
    ("größe not in (0, 1, 2, 3, 4, 5, 6)", lambda i: i["größe"] not in range(7)),
    ("album == 'Norway'", lambda i: i["album"] == "Norway"),
    ("album == \"It's\" or album == 'It\\'s'", lambda i: i["album"] == "It's"),
    ("album == 'Ålesund'", lambda i: i["album"] == "Ålesund"),
    ("album != 'Norway'", lambda i: i["album"] not in (None, "Norway")),
    ("album == ''", lambda i: i["album"] == ""),
    ("missing(album)", lambda i: i["album"] is None),
    ("album in ('Norway', 'Spain')", lambda i: i["album"] in ("Norway", "Spain")),
    ("album not in ('Norway', 'Spain')", lambda i: i["album"] not in (None, "Norway", "Spain")),
    (f"stars in ({', '.join(map(str, range(2, 1200)))})", lambda i: _number(i, "stars", lambda v: v >= 2 and v == int(v))),
    ("album > 'Zoo'", lambda i: i["album"] is not None and i["album"] > "Zoo"),
    ("album >= '\ufb01'", lambda i: i["album"] is not None and i["album"] >= "\ufb01"),
    ("album < '\U0001f600'", lambda i: i["album"] is not None and i["album"] < "\U0001f600"),
    ("'\n' in album", lambda i: i["album"] is not None and "\n" in i["album"]),
    ("'or' in album and 'N' not in album", lambda i: i["album"] is not None and "or" in i["album"] and "N" not in i["album"]),
    ("'' in album", lambda i: i["album"] is not None),
    ("`my column` == 'yes'", lambda i: i["my column"] == "yes"),
    ("not missing(`my column`)", lambda i: i["my column"] is not None),
    (
        "name == 'IMG_030.jpg' or folder == '2023/summer' and stars > 4",
        lambda i: i["name"] == "IMG_030.jpg" or (i["folder"] == "2023/summer" and _number(i, "stars", lambda v: v > 4)),
    ),
    ("'beach' in tags", lambda i: "beach" in i["tags"]),
    ("'beach' not in tags", lambda i: "beach" not in i["tags"]),
    ("'' in tags", lambda i: "" in i["tags"]),
    ("missing(tags)", lambda i: not i["tags"]),
    ('\'O\\\'Brien\' in tags or "say \\"hi\\"" in tags', lambda i: bool({"O'Brien", 'say "hi"'} & {*i["tags"]})),
    ("'back\\\\slash' in tags", lambda i: "back\\slash" in i["tags"]),
    ("'\U0001f600' in tags or '猫' in tags", lambda i: bool({"\U0001f600", "猫"} & {*i["tags"]})),
    ("'none such' in tags", lambda i: False),
    ("taken == 2024-02-29", lambda i: _iso(i, 10) == "2024-02-29"),
    ("taken <= 2024-02", lambda i: (_iso(i, 7) or "9") <= "2024-02"),
    ("taken > '2023'", lambda i: (_iso(i, 4) or "0") > "2023"),
    ("taken == '2024'", lambda i: _iso(i, 4) == "2024"),
    ("taken >= 2024-02-29T23:59", lambda i: (_iso(i, 16) or "0") >= "2024-02-29T23:59"),
    ("taken == 2024-05-31T14:30:00", lambda i: _iso(i, 19) == "2024-05-31T14:30:00"),
    ("taken == 2024-05-31T16:30:00+02:00", lambda i: _iso(i, 19) == "2024-05-31T14:30:00"),
    ("taken < 1970-01-01", lambda i: (_iso(i, 10) or "9999-99") < "1970-01-01"),
    ("year == 2024 and month(taken) == 2", lambda i: _iso(i, 7) == "2024-02"),
    ("day == 29 and month == 2", lambda i: (_iso(i, 10) or "")[5:] == "02-29"),
    ("year(taken) < 1971", lambda i: (_iso(i, 4) or "9999") < "1971"),
    ("year > 9000", lambda i: (_iso(i, 4) or "0") > "9000"),
    ("year == 1", lambda i: _iso(i, 4) == "0001"),
    ("day(taken) == 31 and not year(taken) == 2023", lambda i: (_iso(i, 10) or "")[8:] == "31" and _iso(i, 4) != "2023"),
    ("missing(taken)", lambda i: i["taken"] is None),
    ("near(lat, lon, 0, 180, 15 km)", _on_the_date_line),
    ("near(lat, lon, 0, -180, 15000 m)", _on_the_date_line),
    ("near(lat, lon, 90, 0, 1 km)", lambda i: i["lat"] == 90),
    ("near(lat, lon, 90, -100, 2 km)", lambda i: _number(i, "lat", lambda v: v > 89.9)),
    ("near(lat, lon, -90, 77, 1 m)", lambda i: i["lat"] == -90),
    ("near(lat, lon, 52.5, 13.4, 3 km)", lambda i: i["name"] in ("IMG_018.jpg", "IMG_019.jpg")),
    ("near(lat, lon, 10, 10, 30000 km)", lambda i: i["lat"] is not None and i["lon"] is not None),
    (
        "not (stars < 3 or missing(stars)) and (album == 'Spain' or 't1' in tags)",
        lambda i: _number(i, "stars", lambda v: v >= 3) and (i["album"] == "Spain" or "t1" in i["tags"]),
    ),
    ("stars<3and'sea'in tags", lambda i: _number(i, "stars", lambda v: v < 3) and "sea" in i["tags"]),
]
REFUSED = [
    "", "stars", "stars = 3", "stars == 3 3", "stars == lat", "album == Norway", "3 == 4", "(stars == 3", "stars == 3)",
    "stars == 3 ; x", "near(lat, lon, 1, 2, 3)", "near(lat, lon, 1, 2, 3 ly)", "near(lat, lon, 91, 2, 3 km)",
    "near(album, lon, 1, 2, 3 km)", "near(taken, lon, 1, 2, 3 km)", "album == 'open", "3 in tags", "album in (Norway)", "album in ()",
    "and == 3", "not", "(" * 101 + "stars == 1" + ")" * 101, "not " * 101 + "stars == 1", "colour == 'red'", "stars == 'x'",
    "album >= 3", "taken > 2020", "taken > 2023", "taken > '2020-13'", "taken == 2023-02-29", "taken > 'soon'", "tags == 'x'",
    "'x' in stars", "'x' in taken", "year(stars) == 3", "year == '2024'", "week(taken) == 3", "missing()", "my column == 'yes'",
    "2020 <= taken", "stars == 2024-01", "`stars == 3", "stars == 1e", "__import__('os').system('true') == 1", "stars == 3 and",
    "album like 'N%'", "taken > '2024-00'", "taken == 2024-05-00", "taken > '\u0662\u0660\u0662\u0664'", "stars == \u0663",
]  # fmt: skip
FACETS: list[tuple[list[str] | None, str | None]] = [
    (None, None),
    (["stars", "größe", "month(taken)", "day(taken)"], "year(taken) > 2000"),
    (["album", "tags", "year"], "stars >= 2"),
    (["album"], "missing(tags)"),
    (["ratio"], "stars == 4.5 or stars == -3"),
    (["tags"], "stars > 100"),
]
TEXTS = [
    "IMG_2041.jpg", "2024/Ålesund trip/a-b.png", "Straße İstanbul ﬁne", "ΣΊΣΥΦΟΣ σίσυφος", "黑猫坐在 a 猫x", "ねこカフェ ﾈｺ", "ภาษาไทย",
    "한국어 텍스트", "x² ½ ① Ⅳ", "don't e-mail_me", "naïve NAÏVE", "\U00020000\U00020001", "\U0001f600", " .,! \t", "", "Ǆ ǆ Ω Ω",
    "a\u0301b\u20ddc", "१२३ हिन्दी",
]  # fmt: skip
LEXICAL: list[tuple[str, str, str | None]] = [
    (query, mode, where)
    for query, where in (
        ("lighthouse", None), ("IMG_030.jpg", None), ("img 030", None), ("2024/IMG_040.JPG", None), ("a red ball", None),
        ("A RED BALL.jpg", None), ("black cat in the forest", None), ("strasse", None), ("Straße am Meer", None), ("alesund", None),
        ("Ålesund", None), ("黑猫", None), ("红色的房子 cat", None), ("istanbul fine", None), ("σίσυφοσ", None), ("photo", None),
        ("the", None), ("yellow flower nothing zzzz", None), ("", None), ("zzzz", None), ("red ball", "stars >= 3"),
        ("lighthouse", "album == 'Norway'"), ("winter beach snow", "year == 2024"),
    )
    for mode in ("only", "auto", "off")
]  # fmt: skip
PICTURE = {"image": [3, 5, 60]}
COMPOSED: list[dict[str, Any]] = [
    {"wanted": [["a red ball", 1]], "excluded": []},
    {"wanted": [["a red ball", 1]], "excluded": ["a tree"]},
    {"wanted": [["a red ball on the grass", 1]], "excluded": ["grass", "a blue car", "blue car"]},
    {"wanted": [["a red ball", 1], ["a boat", 0.5]], "excluded": []},
    {"wanted": [["a red ball", 2.5], ["a boat", 1], ["the sea", 0.25]], "excluded": ["city"], "where": "stars >= 2"},
    {"wanted": [[PICTURE, 1]], "excluded": []},
    {"wanted": [[PICTURE, 1], ["two birds", 1]], "excluded": []},
    {"wanted": [[PICTURE, 0.3], ["two birds", 0.7]], "excluded": ["a cat", {"item": 5}]},
    {"wanted": [[PICTURE, 1], [{"image": [7, 1, 90]}, 1]], "excluded": []},
    {"wanted": [[{"item": 3}, 1]], "excluded": [], "k": 5},
    {"wanted": [[{"item": 3}, 1], [{"item": 7}, 1], [{"item": 90}, 1]], "excluded": []},
    {"wanted": [[{"item": 3}, 1]], "excluded": ["forest"], "where": "not missing(tags)"},
    {"wanted": [["a house", 1]], "excluded": ["a house"]},
    {"wanted": [["", 1], ["a house", 1]], "excluded": []},
    {"wanted": [["a house", 1]], "excluded": [" "]},
]
TYPED = [
    "a dog",
    "a dog -ball",
    'a dog -ball -"red car"',
    "-ball a dog",
    "well-known place",
    "a - b",
    "-ball",
    '-"red ball" -x',
    "a --b",
    'say -"',
    "a -\u2003b",
    "",
    "  a   dog  -x  ",
]


def write(folder: Path) -> None:
    """Writes `asked.tflite` and `asked.json` into a folder, for the tests of other platforms."""
    folder.mkdir(parents=True, exist_ok=True)
    write_asked(folder / "asked.tflite")
    (folder / "asked.json").write_bytes(FILE.read_bytes())


def answers(path: Path, items: list[dict[str, Any]]) -> dict[str, Any]:
    """All cases with their answers: of filters, by a plain evaluation, of all else, by Python's searcher."""
    options = TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=SearchOptions(max_results=K))
    with TextSearcher.create_from_options(options) as searcher:
        return {
            "where": [{"where": text, "ids": [n for n, item in enumerate(items) if holds(item)]} for text, holds in WHERE],
            "refused": [{"where": text} for text in REFUSED],
            "facets": [_facets(searcher, columns, where) for columns, where in FACETS],
            "words": [{"text": text, "words": words(text), "terms": [term(word) for word in words(text)]} for text in TEXTS],
            "lexical": [_lexical(searcher, *case) for case in LEXICAL],
            "composed": [_composed(searcher, case) for case in COMPOSED],
            "typed": [_typed(text) for text in TYPED],
        }


def refuses(searcher: TextSearcher, where: str) -> bool:
    """Whether a filter is an error."""
    try:
        searcher.engine.facts.matching(parsed(where))
    except InvalidArgumentError:
        return True
    return False


def _facets(searcher: TextSearcher, columns: list[str] | None, where: str | None) -> dict[str, Any]:
    counts = {name: [[value, count] for value, count in found.items()] for name, found in searcher.facets(columns, where=where).items()}
    return {"columns": columns, **_given(where), "counts": counts}


def _lexical(searcher: TextSearcher, query: str, mode: str, where: str | None) -> dict[str, Any]:
    found = searcher.search(query, lexical=mode, where=where).nearest_neighbors
    return {"query": query, "mode": mode, **_given(where), "ids": [neighbor.id for neighbor in found]}


def _composed(searcher: TextSearcher, case: dict[str, Any]) -> dict[str, Any]:
    """A query with its results; `ids` is null where nothing is left of it, or a part has no word."""
    query: Query | None = None
    for part, weight in case["wanted"]:
        added = Query(_part(searcher, part), weight)
        query = added if query is None else query + added
    assert query is not None
    for part in case["excluded"]:
        query -= _part(searcher, part)
    try:
        found = searcher.search(query, where=case.get("where")).nearest_neighbors[: case.get("k", K)]
    except InvalidArgumentError:
        return {**case, "ids": None, "distances": None}
    return {**case, "ids": [neighbor.id for neighbor in found], "distances": [round(neighbor.distance, 5) for neighbor in found]}


def _part(searcher: TextSearcher, part: str | dict[str, Any]) -> str | TensorImage | np.ndarray:
    if isinstance(part, str):
        return part
    if "item" in part:
        return searcher.get_embedding(part["item"])
    height, width = searcher.engine.image_size()
    y, x, channel = np.ogrid[:height, :width, :3]
    a, b, c = part["image"]
    return TensorImage.create_from_array(((a * x + b * y + c * channel) % 256).astype(np.uint8))


def _typed(text: str) -> dict[str, Any]:
    try:
        query = Query.parse(text)
    except InvalidArgumentError:
        return {"text": text, "wanted": None, "excluded": None}
    return {"text": text, "wanted": query.wanted[0][0], "excluded": list(query.excluded)}


def _given(where: str | None) -> dict[str, str]:
    return {} if where is None else {"where": where}


def written(content: dict[str, Any]) -> str:
    """The cases as JSON, one a line."""
    parts = (
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]"
        for name, cases in content.items()
    )
    return "{" + ",\n".join(parts) + "}\n"
