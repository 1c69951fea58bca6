"""The verb `maker search`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maker.errors import UsageError

HELP = "search with sentences, images or sounds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument(
        "query",
        nargs="+",
        help="sentences, in which a minus before a word leaves out what shows it; with --by-image or --by-sound, files",
    )
    parser.add_argument("--and", action="append", default=[], metavar="WORDS", dest="more", help="add a sentence to each query; repeatable")
    parser.add_argument("--and-image", action="append", default=[], metavar="FILE", help="add an image file to each query; repeatable")
    parser.add_argument(
        "--not", action="append", default=[], metavar="WORDS", dest="excluded", help="leave out what shows this; repeatable"
    )
    parser.add_argument("--where", metavar="FILTER", help="only items that meet this, such as \"year >= 2024 and 'beach' in tags\"")
    parser.add_argument(
        "--lexical",
        choices=("auto", "only", "off"),
        default="off",
        help="also look up words, in files built with --lexical (default off)",
    )
    parser.add_argument("-k", type=int, default=5, help="results per query (default %(default)s)")
    by = parser.add_mutually_exclusive_group()
    by.add_argument("--by-image", action="store_true", help="the queries are image files")
    by.add_argument("--by-sound", action="store_true", help="the queries are sound files")
    parser.add_argument(
        "--min-relevance",
        type=_relevance,
        metavar="P",
        help="leave out results with a lower relevance, from 0 to 1; auto: the gate and cut of the file",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per query")
    parser.add_argument("--contact-sheet", type=Path, metavar="OUT.png", help="draw the queries with their results")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="for --contact-sheet, the folder that the paths of the items are relative to"
    )


def run(given: argparse.Namespace) -> None:
    """Searches, prints the results and draws the contact sheet."""
    from task.audio import TensorAudio
    from task.core import BaseOptions
    from task.processor import SearchOptions, found_moments
    from task.text import Query, TextSearcher, TextSearcherOptions
    from task.vision import TensorImage

    if given.contact_sheet and (given.images is None or not given.images.is_dir()):
        problem = "none given" if given.images is None else f"no such folder: {given.images}"
        raise UsageError(f"--contact-sheet needs --images DIR, the folder that the paths of the items are relative to; {problem}")
    base, options = BaseOptions(str(given.searcher)), SearchOptions(max_results=given.k, min_relevance=given.min_relevance)
    with TextSearcher.create_from_options(TextSearcherOptions(base, search_options=options)) as searcher:
        items, results = searcher.items, []
        for query in given.query:
            opened = TensorImage if given.by_image else TensorAudio if given.by_sound else None
            composed = Query(opened.create_from_file(query)) if opened else Query.parse(query)
            for part in [*given.more, *map(TensorImage.create_from_file, given.and_image)]:
                composed += part
            for part in given.excluded:
                composed -= part
            results.append((query, searcher.search(composed, where=given.where, lexical=given.lexical)))
    nothing = _nothing(given, items)
    for query, result in results:
        neighbors = [
            {"metadata": n.metadata.decode("utf-8", "backslashreplace"), "distance": n.distance, "relevance": n.relevance}
            for n in result.nearest_neighbors
        ]
        if given.json:
            spans = [
                {**asdict(span.moment), "best": span.best.metadata.decode("utf-8", "backslashreplace")}
                for span in found_moments(result.nearest_neighbors)
            ]
            print(json.dumps({"query": query, "neighbors": neighbors, **({"moments": spans} if spans else {})}, ensure_ascii=False))
        else:
            lines = [f"  {span.moment.clock} of {span.moment.file}" for span in found_moments(result.nearest_neighbors)]
            print("\n".join([query, *map(_neighbor_line, neighbors), *lines] if neighbors else [query, nothing]))
    if given.contact_sheet:
        from maker.evaluation.contact_sheet import write_contact_sheet

        write_contact_sheet(given.contact_sheet, given.images, results)
        sys.stderr.write(f"wrote {given.contact_sheet}\n")


def _neighbor_line(neighbor: dict[str, Any]) -> str:
    relevance = "" if neighbor["relevance"] is None else f"{100 * neighbor['relevance']:5.1f} %  "
    return f"  {neighbor['distance']:9.4f}  {relevance}{neighbor['metadata']}"


def _relevance(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _nothing(given: argparse.Namespace, items: int) -> str:
    """The line for a query without results."""
    if not items:
        return "  nothing found: the searcher has no items"
    if given.min_relevance is not None:
        return "  nothing relevant"
    reasons = [] if given.by_image or given.by_sound else ["the query holds no word"]
    if given.lexical == "only":
        reasons = ["no item has a word of the query (words that more than a quarter of the items have do not count)"]
    reasons += ["no item meets the filter"] if given.where else []
    return f"  nothing found: {', or '.join(reasons) or 'there are no items'}"
