"""Overlays that Python, JavaScript and Kotlin write byte for byte alike, all read, and all refuse where they are damaged.

`write(folder)`, or `python -m tests.overlays FOLDER`, writes searchers (one of them without items), overlays and `overlays.json`. Nothing
of it is kept in the repository: the bytes of an overlay contain the fingerprint of its base. Tests of a platform do what a case says, and
compare.

    cases    `name`, `base` (a searcher in the folder), `start` (an overlay that it is opened with, or null), `operations`, `file` (the
             overlay that has to come of it, byte for byte), `answers`
    refused  `base`, `file`, `why` (what is wrong with it, for people), `newer` (whether its format version is)

An operation is one of these:

    {"add": vector, "metadata": text, "facts": {column: value}, "captions": [text]}   facts and captions only where there are any;
                                                        a value is a number, a text, or a list of tags; of a column of times an ISO text
    {"add_file": name, "metadata": text}                one item for each vector of a file, float32 `[n, d]`, little-endian; {} in the text
                                                        is its number
    {"remove": id}

An answer has `query` (a vector), `k`, `allowed` (ids) or `where` if any, and `ids` and `distances` in order (to 1e-4), or `first`: only the
first ids, for overlays of so many items that the platforms may look at different ones. Both hold after the operations, and when the file is
opened again with its base.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # a test that imports this is not run from the root
from maker.index.options import ScaNNOptions, ScoreBruteForce  # noqa: E402
from maker.pipeline import IndexSettings, index_embeddings  # noqa: E402
from maker.pipeline.empty import export_empty  # noqa: E402
from maker.searcher import DataLoader  # noqa: E402
from maker.searcher import Searcher as ModelMaker  # noqa: E402
from task.core import BaseOptions  # noqa: E402
from task.format import archive, overlay_file  # noqa: E402
from task.processor import SearchOptions  # noqa: E402
from task.text import TextSearcher, TextSearcherOptions  # noqa: E402
from tests.asked.items import write_asked  # noqa: E402

FILE = "overlays.json"
WORDS, LENGTHS, FLOATS, EMPTY = "asked.tflite", "l2.tflite", "floats.tflite", "empty.tflite"
MANY = "many.f32"
DIMENSION = 32
K = 8
Operation = dict[str, Any]


def drawn(seed: int, count: int, unit: bool = True) -> np.ndarray:
    """`(count, 32)` float32 vectors, of norm 1 or of many norms."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, DIMENSION)).astype(np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / lengths if unit else values * rng.uniform(0.1, 3, (count, 1)), np.float32)


def adding(vectors: np.ndarray, name: str) -> list[Operation]:
    """Operations that add items without facts."""
    return [{"add": listed(vector), "metadata": f"{name}/{number}.jpg"} for number, vector in enumerate(vectors)]


def listed(vector: np.ndarray) -> list[float]:
    """A vector as the shortest decimals that read back as the same float32."""
    return [float(str(value)) for value in vector]


TEXTS: list[Operation] = [
    {"metadata": "2024/Ålesund trip/a red ball.jpg", "facts": {"stars": 4, "album": "Norway", "tags": ["sea", "beach", "sea"]}},
    {"metadata": "b.jpg", "facts": {"album": "\U0001f600 new", "taken": "2024-02-29T23:59:59", "ratio": 0.1}, "captions": ["a red ball"]},
    {"metadata": "c \"quoted\" \\ \u6d77.jpg", "facts": {"größe": 1.5, "camera": "Leica", "tags": []}, "captions": ["", "黑猫 cat"]},
    {"metadata": "", "facts": {"bytes": 2**53, "stars": -3, "camera": "\ufb01"}},
    {"metadata": "e.jpg", "facts": {"bytes": -129, "people": ["Ann", "Bo", "\U0001f600", "\ufb01"], "lat": -0.5, "lon": 179.9}},
    {"metadata": "f.jpg"},
]  # fmt: skip


def described(vectors: np.ndarray) -> list[Operation]:
    """Operations that add items with facts and captions."""
    return [{"add": listed(vector), **text} for vector, text in zip(vectors, TEXTS, strict=True)]


def cases() -> list[dict[str, Any]]:
    """What is done to which searcher, and asked then; without answers."""
    words, more, long = drawn(1, 6), drawn(2, 12), drawn(3, 9, unit=False)
    steps = np.array([[0.5, -1.5, 2.5, 127], [0, 0, 0, 0], [1e-44, -3e-45, 0, 0], [60000.5, -3e4, 236.22, 0]], np.float32)
    halves = np.zeros((4, DIMENSION), np.float32)
    halves[:, :4] = steps  # halves between codes; a row without a direction; one whose step is 0; large numbers
    asked: list[Operation] = [{"query": listed(query)} for query in (words[0], words[4], more[3])]
    asked += [{"query": listed(more[3]), "allowed": [2, 5, 70, 97, 98]}]
    filtered = [
        {"query": listed(words[1]), "where": where} for where in ("album == 'Norway'", "missing(camera)", "'sea' in tags", "bytes < 0")
    ]
    return [
        {"name": "nothing", "base": WORDS, "operations": [], "ask": asked[:1]},
        {"name": "added", "base": WORDS, "operations": adding(more, "more"), "ask": asked},
        {"name": "facts", "base": WORDS, "operations": described(words), "ask": asked + filtered},
        {
            "name": "removed",
            "base": WORDS,
            "operations": [*described(words), *({"remove": item} for item in (0, 95, 3, 96, 100, 101))],
            "ask": asked + filtered,
        },
        {
            "name": "again",
            "base": WORDS,
            "start": "removed.overlay",
            "operations": [*adding(more[:3], "again"), {"remove": 97}, {"remove": 4}, *described(words)[1:3]],
            "ask": asked + filtered,
        },
        {"name": "old", "base": WORDS, "start": "version-1.overlay", "operations": [], "ask": asked},
        {"name": "floats-in", "base": WORDS, "start": "floats-for-int8.overlay", "operations": [], "ask": asked},
        {"name": "lengths", "base": LENGTHS, "operations": [*adding(long, "long"), {"remove": 301}], "ask": [{"query": listed(long[0])}]},
        {"name": "halves", "base": LENGTHS, "operations": adding(halves, "halves"), "ask": [{"query": listed(halves[0])}]},
        {"name": "floats", "base": FLOATS, "operations": [*adding(more, "more"), {"remove": 302}], "ask": asked[:3]},
        {"name": "empty-nothing", "base": EMPTY, "operations": [], "ask": asked[:1]},
        {
            "name": "empty",
            "base": EMPTY,
            "operations": [*described(words), {"remove": 2}, *adding(more[:2], "more")],
            "ask": [*asked[:3], {"query": listed(words[1]), "allowed": [0, 2, 5, 7]}, *filtered[:3]],
        },
        {
            "name": "many",
            "base": WORDS,
            "operations": [{"add_file": MANY, "metadata": "many/{}.jpg"}, {"remove": 100}, {"remove": 7}],
            "ask": [{"query": listed(vector), "first": True} for vector in drawn(5, 9000)[[4, 5, 4200, 8999]]],
        },
    ]  # fmt: skip


def write(folder: Path) -> None:
    """Writes the searchers, the overlays and `overlays.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_searchers(folder)
    done = []
    for case in cases():
        case.setdefault("start", None)
        path = folder / f"{case['name']}.overlay"
        with opened(folder / case["base"], case["start"] and folder / case["start"]) as searcher:
            for operation in case["operations"]:
                apply(searcher, operation, folder)
            searcher.save_overlay(str(path))
            answers = [answered(searcher, question) for question in case.pop("ask")]
        done.append({**case, "file": path.name, "answers": answers})
        if case["name"] == "added":
            write_others(path, folder)
    content = {"cases": done, "refused": write_damaged(folder)}
    (folder / FILE).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def write_searchers(folder: Path) -> None:
    """Writes the bases, and the vectors that are added from a file."""
    write_asked(folder / WORDS)
    export_empty(str(folder / WORDS), folder / EMPTY, overwrite=True)
    settings = IndexSettings(distance="squared_l2")
    index_embeddings(drawn(6, 300, unit=False), [b"%d" % i for i in range(300)], folder / LENGTHS, settings=settings, overwrite=True)
    options = ScaNNOptions("dot_product", score_brute_force=ScoreBruteForce())
    data = DataLoader(None, drawn(7, 300), [str(i) for i in range(300)])
    ModelMaker.create_from_data(data, options).export(export_filename=folder / FLOATS)
    (folder / MANY).write_bytes(drawn(5, 9000).astype("<f4").tobytes())


def opened(base: Path, overlay: Path | None = None) -> TextSearcher:
    """Opens a searcher."""
    search = SearchOptions(max_results=K, overlay_file_name=None if overlay is None else str(overlay))
    return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(base), num_threads=1), search_options=search))


def apply(searcher: TextSearcher, operation: Operation, folder: Path) -> None:
    """Does what a case says."""
    if "add" in operation:
        vector = np.array(operation["add"], np.float32)
        searcher.add(vector, operation["metadata"], operation.get("facts"), operation.get("captions", ()))
    elif "add_file" in operation:
        vectors = np.fromfile(folder / operation["add_file"], "<f4").reshape(-1, DIMENSION)
        for number, vector in enumerate(vectors):
            searcher.add(vector, operation["metadata"].replace("{}", str(number)))
    else:
        searcher.remove(operation["remove"])


def answered(searcher: TextSearcher, question: dict[str, Any]) -> dict[str, Any]:
    """A question with its answer."""
    given = {key: question[key] for key in ("allowed", "where") if key in question}
    found = searcher.search_embedding(np.array(question["query"], np.float32), **given).nearest_neighbors
    if "first" in question:
        return {**question, "k": K, "first": [found[0].id]}
    return {**question, "k": K, "ids": [one.id for one in found], "distances": [one.distance for one in found]}


def write_others(path: Path, folder: Path) -> None:
    """Writes overlays as earlier releases did, with float32 rows and no `rows`, and as a writer for float searchers does."""
    parts = entries(path)
    rows = drawn(2, 12).astype("<f4").tobytes()
    described = json.loads(parts[overlay_file.FILE])
    floats = {overlay_file.FILE: b"", overlay_file.ROWS: rows}
    floats |= {name: part for name, part in parts.items() if name not in (overlay_file.FILE, overlay_file.CODES, overlay_file.SCALES)}
    old = {key: value for key, value in described.items() if key != "rows"} | {"format_version": 1}
    for name, content in (("version-1", old), ("floats-for-int8", described | {"rows": "float32"})):
        pack(folder / f"{name}.overlay", floats | {overlay_file.FILE: as_json(content)})


def write_damaged(folder: Path) -> list[dict[str, Any]]:
    """Writes overlays that everything has to refuse."""
    parts, refused = entries(folder / "again.overlay"), []
    content, whole = json.loads(parts[overlay_file.FILE]), (folder / "again.overlay").read_bytes()
    added, ids = content["added"], np.frombuffer(parts[overlay_file.IDS], "<i4")

    def put(name: str, why: str, data: bytes | dict[str, bytes], newer: bool = False, base: str = WORDS) -> None:
        path = folder / f"damaged-{name}.overlay"
        pack(path, data) if isinstance(data, dict) else path.write_bytes(data)
        refused.append({"base": base, "file": path.name, "why": why, "newer": newer})

    def changed(**values: Any) -> dict[str, bytes]:
        return parts | {overlay_file.FILE: as_json(content | values)}

    put("other-base", "its base is another searcher", whole, base=LENGTHS)
    put("newer", "format version 3", changed(format_version=3), newer=True)
    put("no-format", "another format", changed(format="else"))
    put("rows", "rows of an unknown kind", changed(rows="int4"))
    put("rows-absent", "rows are not named", {**parts, overlay_file.FILE: as_json({k: v for k, v in content.items() if k != "rows"})})
    put("float-rows-absent", "rows.f32 is missing", changed(rows="float32"))
    put("dimension", "codes do not fit the dimension", changed(dimension=31))
    put("added", "another number of items", changed(added=added + 1))
    put("removed", "another number of removed items", changed(removed=0))
    put("next-id", "next_id below the last id", changed(next_id=int(ids[-1])))
    put("codes-short", "rows.i8 is too short", parts | {overlay_file.CODES: parts[overlay_file.CODES][:-1]})
    put("codes-long", "rows.i8 is too long", parts | {overlay_file.CODES: parts[overlay_file.CODES] + b"\0" * DIMENSION})
    put("scales-short", "scales.f32 is too short", parts | {overlay_file.SCALES: parts[overlay_file.SCALES][:-4]})
    put("scales-odd", "scales.f32 is no whole number of values", parts | {overlay_file.SCALES: parts[overlay_file.SCALES][:-1]})
    for name, value in (("nan", np.nan), ("infinite", np.inf), ("zero", 0), ("negative", -0.5)):
        wrong = parts[overlay_file.SCALES][:-4] + struct.pack("<f", value)
        put(f"scale-{name}", f"a step is {value}", parts | {overlay_file.SCALES: wrong})
    put("ids-descend", "ids do not ascend", parts | {overlay_file.IDS: ids[::-1].tobytes()})
    put("removed-added", "a removed id is not of the base", parts | {overlay_file.REMOVED: struct.pack("<2i", 4, 96)})
    for name in (overlay_file.CODES, overlay_file.SCALES, overlay_file.IDS, overlay_file.REMOVED, "items.bytes", "facts.bin"):
        put(f"without-{name}", f"{name} is missing", {part: data for part, data in parts.items() if part != name})
    put("cut", "it is cut", whole[: len(whole) // 2])
    put("empty", "it is empty", b"")
    at = whole.index(parts[overlay_file.CODES])
    put("crc", "a code was changed", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    return refused


def entries(path: Path) -> dict[str, bytes]:
    """The parts of an overlay."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as file:
        return {name: file.read(name) for name in file.namelist()}


def as_json(content: dict[str, Any]) -> bytes:
    """The content of `overlay.json`."""
    return (json.dumps(content, indent=2) + "\n").encode()


def pack(path: Path, parts: dict[str, bytes]) -> None:
    """Writes an overlay with these parts."""
    path.unlink(missing_ok=True)
    for name, part in parts.items():
        archive.append(path, name, part)
