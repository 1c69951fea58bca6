"""Measures queries whose answers somebody wrote down, with filters and exclusions, by the results of a searcher."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.image_names import spellings
from maker.data.query_file import AskedQuery, read_query_file
from maker.errors import DataError
from maker.evaluation.item_check import require_items
from maker.evaluation.typed_figures import CUTOFFS as PRECISIONS
from maker.progress import progress
from maker.training.metrics import CUTOFFS, mean_interval, retrieval
from task.core import BaseOptions
from task.errors import TaskError
from task.processor import SearchOptions
from task.search.query import Query
from task.search.where_parser import parsed
from task.text import TextSearcher, TextSearcherOptions

BEST = ("R@1", "R@5", "R@10", "MRR@10")  # of the best relevant item
COLUMNS = (*BEST, *(f"P@{k}" for k in PRECISIONS))
LABEL, CELL = 36, 25


def evaluate_queries(searcher: Path, queries: Path, lexical: str = "off") -> dict[str, Any]:
    """Measures queries of a file (`maker.data.query_file`).

    Args:
        searcher: The file.
        queries: The file of queries.
        lexical: As in `TextSearcher.search`; a query that excludes something is asked without.

    Returns:
        `items`; `left_out`, queries none of whose relevant items is in the searcher; `absent`, relevant items that are not; `filtered_out`,
        relevant items that their query's own filter leaves out, and so cannot be found. Under `groups`: figures of `all` queries, and if
        there are any and others, of those `with a filter`, `with an exclusion` and `with neither`: `queries`, and `COLUMNS` with their
        intervals: those of `maker.training.metrics.retrieval` for the best relevant item, and `P@5` and `P@10`, the share of the first
        results that is relevant, in percent; a query that fewer items answer counts by as many results.

    Raises:
        DataError: The file cannot be used, a filter does not fit the facts of the items, or no query has a relevant item in the searcher.
        SearcherError: The searcher cannot be opened.
    """
    asked = read_query_file(queries)
    limit = max(CUTOFFS)
    options = TextSearcherOptions(BaseOptions(str(searcher), num_threads=1), search_options=SearchOptions(max_results=limit))
    with TextSearcher.create_from_options(options) as opened:
        require_items(opened.engine, searcher)
        wanted = {os.fsencode(spelling) for query in asked for name in query.relevant for spelling in spellings(name)}
        ids: dict[bytes, list[int]] = {}
        for number, content in opened.engine.find(wanted).items():
            ids.setdefault(content, []).append(number)
        used: list[AskedQuery] = []
        ranks: list[int] = []
        shares: list[list[float]] = []
        absent = filtered_out = 0
        for query in progress(asked, "search", quiet=len(asked) < 1000):
            answers = [_ids(ids, name) for name in query.relevant]
            relevant = {item for found in answers for item in found}
            absent += answers.count([])
            if not relevant:
                continue
            found, left = _asked(opened, queries, query, relevant, lexical)
            filtered_out += len(relevant) - len(left)
            right = [item in relevant for item in found]
            shares.append([100 * sum(right[:few]) / few for few in (min(cutoff, max(len(left), 1)) for cutoff in PRECISIONS)])
            ranks.append(next((rank for rank, item in enumerate(found) if item in relevant), limit))
            used.append(query)
        items = opened.items
    if not used:
        raise DataError(f"{queries}: none of {len(asked)} queries has a relevant item in {searcher}; the first is {asked[0].relevant[0]!r}")
    figures = {"items": items, "left_out": len(asked) - len(used), "absent": absent, "filtered_out": filtered_out, "lexical": lexical}
    return {**figures, "groups": _groups(used, np.array(ranks), np.array(shares), limit, items)}


def _ids(ids: Mapping[bytes, list[int]], name: str) -> list[int]:
    """The ids of the items with a name, as it is written or else in another Unicode normal form."""
    return next((ids[key] for key in map(os.fsencode, spellings(name)) if key in ids), [])


def _asked(searcher: TextSearcher, path: Path, query: AskedQuery, relevant: set[int], lexical: str) -> tuple[list[int], set[int]]:
    """The ids that a query finds, and those of its relevant items that its filter leaves."""
    where, parts = query.where or None, Query.parse(query.text)
    try:
        result = searcher.search(parts, where=where, lexical="off" if parts.excluded else lexical)
        left = relevant if where is None else relevant & set(searcher.engine.facts.matching(parsed(where)).tolist())
    except TaskError as error:
        raise DataError(f"{path}: {query.place}: {str(error).rstrip('.')}") from error
    return [neighbor.id for neighbor in result.nearest_neighbors], left


def _groups(queries: Sequence[AskedQuery], ranks: np.ndarray, shares: np.ndarray, limit: int, items: int) -> dict[str, dict[str, object]]:
    filtered, excluding = (np.array(values, np.bool_) for values in ([bool(q.where) for q in queries], [q.excludes for q in queries]))
    parts = {
        "all": np.ones(len(queries), np.bool_),
        "with neither": ~filtered & ~excluding,
        "with a filter": filtered,
        "with an exclusion": excluding,
    }
    groups = {}
    for name, part in parts.items():
        if part.any() and (name == "all" or not part.all()):
            figures = retrieval(ranks[part], np.flatnonzero(part), limit, items=items)
            known = {f"{column}{suffix}": figures[f"{column}{suffix}"] for column in BEST for suffix in ("", "_interval")}
            groups[name] = {"queries": int(part.sum()), **known}
            for cutoff, values in zip(PRECISIONS, shares.T, strict=True):
                interval = mean_interval(values[part], np.flatnonzero(part), largest=100)
                groups[name] |= {f"P@{cutoff}": round(float(values[part].mean()), 2), f"P@{cutoff}_interval": interval}
    return groups


def query_rows(figures: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Each group of the figures of `evaluate_queries`: its name, its number of queries, and `COLUMNS` with their intervals."""
    rows = []
    for name, values in figures["groups"].items():
        cells = (f"{values[column]} ({'..'.join(map(str, values[f'{column}_interval']))})" for column in COLUMNS)
        rows.append((name, [str(values["queries"]), *cells]))
    return rows


def query_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures of `evaluate_queries` as lines."""
    count = figures["groups"]["all"]["queries"]
    left_out = f", {figures['left_out']} queries left out, whose relevant items are not in the file" if figures["left_out"] else ""
    lines = [f"{count} queries, {figures['items']} items{left_out}; 95 % intervals in brackets"]
    if figures["absent"]:
        lines.append(f"{figures['absent']} relevant items are not in the file")
    lines.append(f"{'':{LABEL}}" + "".join(f"{name:>{CELL}}" for name in COLUMNS))
    for name, (number, *cells) in query_rows(figures):
        label = f"{name} ({number})"
        lines.append(f"{label:{LABEL}}" + "".join(f"{cell:>{CELL}}" for cell in cells))
    if figures["filtered_out"]:
        lines.append(f"Warning: {figures['filtered_out']} relevant items do not meet the filter of their own query, and cannot be found.")
    return lines
