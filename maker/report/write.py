"""Writes the report: one self-contained HTML file."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maker.data.captions import VALIDATION, read_captions, select_language
from maker.data.items import name_of
from maker.encoders.prefix import prefixes_in_words
from maker.errors import BuildError, DataError
from maker.evaluation.given_queries import COLUMNS as ASKED_COLUMNS
from maker.evaluation.given_queries import evaluate_queries, query_rows
from maker.evaluation.inspection import inspect, is_task_library
from maker.evaluation.item_check import require_items
from maker.evaluation.item_splits import HELD_OUT, ChosenCaptions, ItemSplits, choose_captions
from maker.evaluation.retrieval import stored_rows
from maker.export import golden
from maker.progress import say
from maker.report import charts
from maker.report.card import COLUMNS, RELEVANCE_COLUMNS, TYPED_COLUMNS, item_noun, relevance_cells, retrieval_rows, typed_cells
from maker.report.corpus_map import CorpusMap, map_corpus
from maker.report.facts import example_filter, facts_rows
from maker.report.inline_images import InlineImages
from maker.report.page import FOLDER, index_in_words, percent, template
from maker.report.query_summary import Example, QuerySummary, summarise_queries
from maker.training.metrics import few_images
from maker.workspace import Rejects, atomic, prepare_output
from task.core import BaseOptions
from task.format.manifest import Manifest
from task.search import GraphEngine

PACKAGES = ("pocket-searcher", "ai-edge-litert", "numpy", "tensorflow", "scann")
LATENCY = "TextSearcher.search with five results on one thread, called from Python on the machine that wrote this report"


def captions_of(searcher: Path, path: Path, split: str | None, language: str | None) -> ChosenCaptions:
    """Reads captions of a split and language.

    A searcher that does not say which pictures were held out takes the split `val` of the file instead, or else all captions.

    Raises:
        DataError: The file cannot be used, or has no such captions.
    """
    rejects = Rejects()
    captions = select_language(read_captions(path, rejects), language, path)
    if rejects.rows:
        say(f"{path}: {len(rejects.rows)} rows left out ({rejects.summary()})")
    engine = GraphEngine(BaseOptions(str(searcher), num_threads=1))
    try:
        require_items(engine, searcher)
        items = [engine.item(number) for number in range(engine.manifest.items)]
        splits = ItemSplits.decode(engine.manifest.report, len(items))
    finally:
        engine.close()
    if split == HELD_OUT and splits is None:
        split = VALIDATION if any(c.split == VALIDATION for c in captions) else None
    chosen = choose_captions(captions, split, path, searcher, items, splits)
    say(f"{path}: {len(chosen.captions)} {chosen.origin}")
    return chosen


def write_report(
    searcher: Path,
    output: Path,
    *,
    images: Path | None = None,
    captions: ChosenCaptions | None = None,
    asked: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Writes the report of a graph searcher.

    Args:
        searcher: The file.
        output: The HTML file.
        images: The folder that the items' paths are relative to; without it the report has no pictures.
        captions: Captions, best held-out ones; without them the report has no failures and slices.
        asked: A file of queries with written answers (`maker.data.query_file`).
        overwrite: Replace an existing output.

    Raises:
        BuildError: The output exists.
        DataError: The folder of images does not exist, or the file of queries cannot be used.
        SearcherError: The searcher cannot be opened.
    """
    prepare_output(output, overwrite)
    if images is not None and not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    if is_task_library(searcher):
        raise DataError(
            f"{searcher}: a Task Library file, which has no figures to report; expected a searcher of maker build or maker index"
        )
    engine = GraphEngine(BaseOptions(str(searcher), num_threads=1))
    try:
        require_items(engine, searcher)
        rows = stored_rows(searcher, engine)
        texts = [entry["query"] for entry in engine.manifest.golden if entry["signature"] in ("search_text", "search_tokens")]
        by_text = bool({"search_text", "search_tokens"} & set(engine.signatures))
        queries = summarise_queries(searcher, engine, rows, captions.captions if captions else [], texts) if by_text else None
        atlas = map_corpus(rows) if rows is not None else None
        facts = facts_rows(engine.facts, engine.present())
        pictures = InlineImages(images)
        measured = evaluate_queries(searcher, asked) if asked else None
        page = template("report.html").render(
            **_contents(searcher, engine.manifest),
            **_charts(engine.manifest, queries),
            queries=queries,
            facts=facts,
            filter=example_filter(facts),
            asked=measured,
            asked_columns=["number", *ASKED_COLUMNS],
            asked_rows=query_rows(measured) if measured else [],
            origin=captions.origin if captions else "",
            trained_on=captions.trained_on if captions else 0,
            atlas=atlas,
            landmarks=_landmarks(engine, atlas, pictures) if atlas else [],
            thumbnail=pictures.of,
            name_of=name_of,
            is_right=_is_right,
            percent=percent,
            css=(FOLDER / "report.css").read_text(encoding="utf-8"),
            js=(FOLDER / "report.js").read_text(encoding="utf-8"),
        )
    finally:
        engine.close()
    if pictures.missing:
        say(f"{images}: {len(pictures.missing)} pictures cannot be shown in the report; the first is {pictures.missing[0]}")
    with atomic(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _contents(searcher: Path, manifest: Manifest) -> dict[str, Any]:
    """Values of the template that come from the file alone."""
    contents = inspect(searcher)
    sizes = sorted(((name, size) for name, size in contents["sizes"].items() if size), key=lambda part: -part[1])
    small = [part for part in sizes if part[1] < 0.005 * contents["bytes"]]
    retrieval, curve = manifest.report.get("retrieval"), manifest.relevance.get("search_text")
    try:
        golden_state = f"all {golden.check_answers(searcher)} return the recorded results"
    except BuildError as error:
        golden_state = str(error)
    return {
        "title": searcher.stem.replace("_", " "),
        "item": item_noun(manifest),
        "m": manifest,
        "bytes": contents["bytes"],
        "sizes": [*(part for part in sizes if part not in small), *([("other parts", sum(s for _, s in small))] if small else [])],
        "index": index_in_words(manifest),
        "prefixes": prefixes_in_words(manifest.training),
        "retrieval": retrieval,
        "few_images": few_images(retrieval) if retrieval else "",
        "columns": [name.replace("_", " ") for name in COLUMNS],
        "retrieval_rows": list(retrieval_rows(retrieval)) if retrieval else [],
        "typed": list(typed_cells(manifest.report.get("typed_queries", {}))),
        "typed_columns": ["number", *TYPED_COLUMNS],
        "relevance_columns": RELEVANCE_COLUMNS,
        "by_length": list(relevance_cells(curve)) if curve else [],
        "golden_state": golden_state,
        "versions": _versions(),
        "seeds": _seeds(manifest),
        "encoders": [(f"{kind} encoder", _encoder(described)) for kind, described in manifest.encoders.items()],
        "speed": _speed(manifest),
        "answers": [name.removeprefix("search_") for name in contents["signatures"] if name.startswith("search_")],
        "curve": curve,
    }


def _encoder(described: Mapping[str, Any]) -> str:
    words = f", {described['vocabulary']:,} words" if described.get("vocabulary") else ""
    taught = f", taught by {described['teacher']}" if "teacher" in described else ""
    return f"{described.get('spec') or described.get('file', 'unknown')}{words}{taught}"


def _speed(manifest: Manifest) -> list[tuple[str, str]]:
    """Recall and latency of the bare signatures, as the build measured them."""
    quality = manifest.report.get("index", {})
    recalls = [(key.replace("_", " "), value) for key, value in quality.items() if key.startswith("index_recall")]
    figures = [(f"{name}, against exact float search", f"{recall:.3f} ({quality['how']})") for name, recall in recalls]
    if "target" in quality:
        target = f"target {quality['target']}: {'met' if quality['met'] else 'not met'}"
        if "tuned_recall" in quality:
            figures.append(("the same, of the queries that tuned it", f"{quality['tuned_recall']:.3f} ({target})"))
        else:
            figures[-1] = figures[-1][0], f"{figures[-1][1]}; the same queries tuned it ({target})"
    named = {"index": "search_embedding", "search_text": "search_text", "search_tokens": "search_tokens"}
    for key, signature in named.items():
        if key in manifest.report:
            times = manifest.report[key]
            figures.append((f"{signature}, bare, one thread", f"p50 {times['p50_ms']} ms, p99 {times['p99_ms']} ms"))
    return figures


def _seeds(manifest: Manifest) -> list[tuple[str, str]]:
    options = manifest.training.get("options", {})
    seeds = [("training seed", str(options["seed"]))] if "seed" in options else []
    digest = manifest.sha256.get("model", "")
    return [*seeds, ("SHA-256 of the model", digest)] if digest else seeds


def _charts(manifest: Manifest, queries: QuerySummary | None) -> dict[str, str]:
    history = manifest.training.get("history")
    points = manifest.report.get("index_curve")
    measured = manifest.relevance.get("search_text", {}).get("measured")
    return {
        "training_chart": charts.training_chart(history, manifest.training.get("selected_by", "R@10")) if history else "",
        "index_chart": charts.index_chart(points, manifest.index["share_scanned"]) if points else "",
        "latency_chart": charts.latency_chart(queries.milliseconds) if queries and len(queries.milliseconds) else "",
        "latency_how": LATENCY,
        "reliability_chart": charts.reliability_chart(measured["reliability"], measured["at_cut"]) if measured else "",
        "trade_chart": charts.trade_chart(measured["trade"], measured["at_cut"]) if measured else "",
    }


def _landmarks(engine: GraphEngine, atlas: CorpusMap, pictures: InlineImages) -> list[dict[str, Any]]:
    landmarks = []
    for item, x, y in atlas.landmarks:
        metadata = engine.item(item)
        landmarks.append({"x": 100 * x, "y": 100 * y, "name": name_of(metadata), "picture": pictures.of(metadata)})
    return landmarks


def _is_right(example: Example, metadata: bytes) -> bool:
    return example.image is not None and metadata == example.image


def _versions() -> list[tuple[str, str]]:
    versions = [("report written", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))]
    versions.append(("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"))
    for package in PACKAGES:
        try:
            versions.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
