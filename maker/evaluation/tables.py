"""Formats the figures of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from maker.evaluation.identical_captions import KEY as IDENTICAL
from maker.evaluation.identical_captions import LABEL as LENIENT
from maker.evaluation.item_splits import HELD_OUT
from maker.evaluation.typed_figures import CUTOFFS, typed_rows
from maker.training.metrics import few_images

SOURCES = {"file": "the file's answers", "towers": "float towers, exact"}
DIRECTIONS = {"text_to_image": "text to image", "image_to_text": "image to text"}
LABEL, CELL = 36, 25


def retrieval_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures of `maker.evaluation.retrieval.evaluate` as lines: one per source (file or towers), direction and language."""
    rows = [
        (f"{direction}, {source}", figures[key][name])
        for key, source in SOURCES.items()
        for name, direction in DIRECTIONS.items()
        if name in figures.get(key, {})
    ]
    left_out = f", {figures['left_out']} captions left out" if figures["left_out"] else ""
    lines = [f"{figures['queries']} captions of {figures['images']} images, {figures['items']} items{left_out}; 95 % intervals in brackets"]
    head = ""
    for label, figure in rows:
        columns = [name for name in figure if name not in ("languages", IDENTICAL) and not name.endswith(("_interval", "_chance"))]
        titles = "".join(f"{name.replace('_', ' '):>{CELL}}" for name in columns)
        if titles != head:
            lines.append(f"{'':{LABEL}}{titles}")
            head = titles
        lenient = [(f"  {LENIENT}", figure[IDENTICAL])] if IDENTICAL in figure else []
        languages = [(f"  {name or 'no language'}", values) for name, values in figure.get("languages", {}).items()]
        for name, values in [(label, figure), *lenient, *languages]:
            lines.append(f"{name:{LABEL}}" + "".join(f"{cell:>{CELL}}" for cell in _cells(values, columns)))
        random_order = (f"{figure[f'{name}_chance']:.2f}" if f"{name}_chance" in figure else "" for name in columns)
        lines.append(f"{'  by chance':{LABEL}}" + "".join(f"{cell:>{CELL}}" for cell in random_order).rstrip())
    for name, figure in typed_rows(figures.get("typed_queries", {})):
        cells = [f"P@{k} {figure[f'P@{k}']} ({figure[f'P@{k}_interval'][0]}..{figure[f'P@{k}_interval'][1]})" for k in CUTOFFS]
        answered = [f"{figure['answered']} % answered"] if "answered" in figure else []
        label = f"{figure['queries']} queries of {name}"
        lines.append(f"{label:{LABEL}}" + "".join(f"{cell:>{CELL}}" for cell in [*cells, *answered]))
    if figures["trained_on"]:
        lines.append(
            f"Warning: {figures['trained_on']} of the captions are of images that were trained on, which makes the figures too good: "
            f"--split {HELD_OUT}"
        )
    elif figures["trained_on"] is None:
        lines.append("The file does not say which images were trained on; figures of training images are too good.")
    if warning := few_images({"images": figures["images"], **figures["file"]["text_to_image"]}):
        lines.append(f"Warning: {warning}")
    lines.append(f"TextSearcher.search, 1 thread: p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms")
    return lines


def _cells(values: Mapping[str, Any], columns: list[str]) -> Iterator[str]:
    for name in columns:
        low, high = values[f"{name}_interval"]
        yield f"{values[name]} ({low}..{high})"
