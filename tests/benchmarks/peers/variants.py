"""What the benchmark measures: for each line of the table, the builds and settings to sweep."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maker.index.build import default_options

from .data import DataSet

PEERS = Path("build/bench/venv/bin/python")
TASK_LIBRARY = Path("build/task_library/bin/python")
OURS = "Pocket Searcher"  # the summary compares sizes with this library
REFERENCE = "pocket"  # part of every run; ratios are relative to it
MOST_LEAVES = 4096  # of the peers: with more, k-means on one thread takes hours
RECALLS = (0.9, 0.95, 0.98)
LARGE = 500_000  # from so many items on, fewer builds, near the fastest of fewer items; and fewer copies of the Task Library's indexes
TARGETS = (0.905, 0.94, 0.95, 0.955, 0.98, 0.985)  # mostly a little above the recalls of the table, because other queries tune than measure
LARGE_TARGETS = (0.905, 0.955, 0.98)
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True)
class Build:
    """An index and its search settings, from the fastest to the most accurate."""

    name: str
    config: dict[str, Any]
    settings: tuple[Any, ...] = (None,)


@dataclass(frozen=True)
class Variant:
    """A line of the table.

    Attributes:
        name: Name for `--peers`.
        label: Label in the table.
        engine: A module of `engines`.
        builds: Indexes to sweep.
        python: The interpreter that has the library.
        build_python: The interpreter for building, if it is another one.
        queries: `vectors`, `sentences`, or `names` (which the build writes to `queries.txt`).
        shares: The variant that builds the indexes, if this one only searches them.
        library: Name in the summary, which shows the fastest variant of each library; empty to leave the variant out.
    """

    name: str
    label: str
    engine: str
    builds: tuple[Build, ...]
    python: Path = PEERS
    build_python: Path | None = None
    queries: str = "vectors"
    shares: str | None = field(default=None)
    library: str = ""


def variants(data: DataSet, items: int, quick: bool) -> list[Variant]:
    """All variants for a data set."""
    same = default_options(items).tree
    leaves = min(same.num_leaves, MOST_LEAVES) if same else 64
    square = max(16, int(items**0.5))
    sizes: tuple[int, ...] = tuple(dict.fromkeys((square, min(1024, items // 40), leaves)))
    if quick or items >= LARGE:
        sizes = (square if quick else MOST_LEAVES,)
    targets = (0.95,) if quick else LARGE_TARGETS if items >= LARGE else TARGETS
    return [
        *_ours(data, targets),
        *_task_library(data, items, sizes),
        *_scann(sizes),
        *_faiss(sizes, leaves, data.dimension),
        *_graphs(data.dimension),
        *_scans(data),
    ]


def _ours(data: DataSet, targets: tuple[float, ...]) -> list[Variant]:
    here = Path(sys.executable)
    learned = {name: str(data.folder / f"{name}.npy") for name in ("tuning", "routing")}

    def builds(recalls: tuple[float, ...], call: str, encoder: Path | None = None, **settings: Any) -> tuple[Build, ...]:
        shared = {**learned, "settings": settings, "encoder": str(encoder) if encoder else None, "call": call}
        return tuple(Build(f"recall {recall}", {"recall": recall, **shared}) for recall in recalls)

    found = []
    kinds: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("", "int8", {}),
        ("-fine", "int8, rescored by float32", {"rescore": "float32"}),
        ("-4", "4 bits", {"bits": 4}),
        ("-scann", "int8, leaves from ScaNN's tree", {"partitioner": "scann"}),
        ("-4-fine", "4 bits, rescored by int8", {"bits": 4, "rescore": "int8"}),
    )
    for suffix, label, settings in kinds:
        name = f"pocket{suffix}"
        found.append(
            Variant(
                name,
                f"Pocket Searcher {label}, `search_embedding`, bare",
                "pocket",
                builds(targets, "signature", **settings),
                here,
                library=OURS,
            )
        )
        library = builds(targets, "search_embedding", **settings)
        found.append(
            Variant(f"{name}-task", f"Pocket Searcher {label}, `TextSearcher.search_embedding`", "pocket", library, here, shares=name)
        )
        if data.encoder and not suffix:
            text = builds((0.96,), "search", data.encoder, **settings)
            found.append(
                Variant(
                    f"{name}-text",
                    f"Pocket Searcher {label}, `TextSearcher.search`, embedding included",
                    "pocket",
                    text,
                    here,
                    queries="sentences",
                )
            )
    return found


def _task_library(data: DataSet, items: int, sizes: tuple[int, ...]) -> list[Variant]:
    found, step = [], 4 if items >= LARGE else 2
    for scorer, label in (("ah", "tree + AH 1"), ("float", "tree + brute force")):
        builds = []
        for leaves in sizes[-2:]:  # with fewer (the Colab: square root of the items), it is slower at every recall from 0.85 on
            leaves_searched = tuple(w for w in WIDTHS[3:] if w <= leaves // 3)[::step]
            config = {"leaves": leaves, "leaves_searched": leaves_searched, "scorer": scorer, "queries": str(data.folder / "queries.npy")}
            builds.append(Build(f"{leaves} leaves", config, leaves_searched))
        name = f"task-library-{scorer}"
        label = f"Task Library 0.4.4, {label}"
        found.append(
            Variant(name, label, "task_library", tuple(builds), TASK_LIBRARY, Path(sys.executable), "names", library="Task Library")
        )
    return found


def _scann(sizes: tuple[int, ...]) -> list[Variant]:
    found = []
    for name, quantize in (("float32", False), ("int8", True)):  # two lines: at one recall the faster would hide the smaller
        builds = []
        for leaves in sizes:
            config = {"leaves": leaves, "block": 2, "quantize": quantize}
            settings = tuple([w, c] for w in WIDTHS[2::2] if w <= leaves // 2 for c in (30, 100, 300))
            builds.append(Build(f"{leaves} leaves, reordered by {name}", config, settings))
        label = f"ScaNN, tree + AH 2, {name} reordering"
        found.append(Variant(f"scann-{name}", label, "scann", tuple(builds), Path(sys.executable), library="ScaNN"))
    return found


def _faiss(sizes: tuple[int, ...], leaves: int, dimension: int) -> list[Variant]:
    def probes(most: int) -> tuple[str, ...]:
        return tuple(f"nprobe={w}" for w in WIDTHS if w <= most // 2)

    def flat(name: str, codes: str) -> Variant:
        builds = tuple(Build(f"IVF{n},{codes}", {"factory": f"IVF{n},{codes}"}, probes(n)) for n in sizes[:2])
        return Variant(name, f"faiss IVF,{codes}", "faiss", builds, library="faiss IVF")

    same = f"IVF{leaves},SQ8"
    as_ours = ", as many as ours" if leaves < MOST_LEAVES else ""
    refined = f"IVF{sizes[:2][-1]},PQ{dimension // 2}x4fs,Refine(SQ8)"
    candidates = tuple(f"{probe},k_factor_rf={k}" for probe in probes(1024)[3:] for k in (4, 10, 25))
    as_many = Variant(
        "faiss-ivf-sq8-same",
        f"faiss IVF,SQ8, {leaves} leaves{as_ours}",
        "faiss",
        (Build(same, {"factory": same}, probes(leaves)),),
        library="faiss IVF",
    )
    return [
        *([] if leaves in sizes[:2] else [as_many]),
        flat("faiss-ivf-sq8", "SQ8"),
        flat("faiss-ivf-pq", f"PQ{dimension // 2}"),
        Variant(
            "faiss-ivf-pq-refined",
            "faiss IVF,PQ fast scan, refined by SQ8",
            "faiss",
            (Build(refined, {"factory": refined}, candidates),),
            library="faiss IVF",
        ),
        Variant(
            "faiss-hnsw",
            "faiss HNSW16",
            "faiss",
            (Build("HNSW16", {"factory": "HNSW16,Flat", "construction": 200}, tuple(f"efSearch={w}" for w in WIDTHS if w >= 12)),),
            library="faiss HNSW",
        ),
    ]


def _graphs(dimension: int) -> list[Variant]:
    widths = tuple(w for w in WIDTHS if w >= 12)
    hnsw = Build("M 16", {"m": 16, "construction": 200, "dimension": dimension}, widths)
    rows = Build("connectivity 16", {"connectivity": 16, "construction": 128, "dtype": "i8"}, widths)
    return [
        Variant("hnswlib", "hnswlib", "hnswlib", (hnsw,), library="hnswlib"),
        Variant("usearch", "usearch i8", "usearch", (rows,), library="usearch"),
    ]


def _scans(data: DataSet) -> list[Variant]:
    """Libraries that compare each query with all rows."""
    found = [
        Variant(
            f"sqlite-vec-{column}",
            f"sqlite-vec, exact scan of {column}",
            "sqlite_vec",
            (Build(column, {"column": column}),),
            library="sqlite-vec",
        )
        for column in ("float", "int8")
    ]
    config = {"queries": str(data.folder / "queries.npy"), "python": str(PEERS)}
    label = "MediaPipe `SemanticRetriever`, exact scan of float32"
    scan = Build("float32", config)
    return [*found, Variant("mediapipe", label, "mediapipe", (scan,), PEERS, Path(sys.executable), "names", library="MediaPipe")]
