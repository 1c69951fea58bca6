"""The figures that `maker preview` and `maker export-android` print: both copy a searcher and thumbnails to a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maker.pipeline.android import AndroidReport
    from maker.preview.site import PreviewReport

LINE = "{items} items, {thumbnails} thumbnails ({made} made now, {rejected} images rejected), {megabytes} MB"


def print_thumbnail_figures(place: dict[str, str], report: PreviewReport | AndroidReport, as_json: bool) -> None:
    """Prints the figures as JSON, or as one line.

    Args:
        place: The folder of the files, by its name in JSON, then other values for the JSON.
        report: What was written.
        as_json: Print JSON.
    """
    figures = {
        **place,
        "items": report.items,
        "thumbnails": report.made + report.kept,
        "made": report.made,
        "rejected": len(report.rejects.rows),
        "megabytes": round(report.bytes / 1e6, 1),
    }
    folder = next(iter(place.values()))
    print(json.dumps(figures) if as_json else f"{folder}: {LINE.format(**figures)}", flush=True)
