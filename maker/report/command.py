"""The verb `maker report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_report(verbs: Any) -> None:
    """Adds the verb to the command line."""
    report = verbs.add_parser("report", help="write what a searcher holds and how good it is as one HTML file")
    report.add_argument("searcher", type=Path)
    report.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="default: the searcher with suffix .report.html")
    report.add_argument("--images", type=Path, metavar="DIR", help="the folder that the items' paths are relative to, for thumbnails")
    report.add_argument("--captions", type=Path, metavar="FILE", help="captions to ask, for examples, failures and slices")
    report.add_argument("--split", default="val", metavar="NAME", help="only captions of this split (default %(default)s)")
    report.add_argument("--language", metavar="NAME", help="only captions whose lang is this")
    report.add_argument("--overwrite", action="store_true", help="replace an existing output")
    report.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Writes the report."""
    from maker.report.write import captions_of, write_report

    output = given.output or given.searcher.with_suffix(".report.html")
    captions = captions_of(given.captions, given.split, given.language) if given.captions else []
    write_report(given.searcher, output, images=given.images, captions=captions, overwrite=given.overwrite)
    sys.stdout.write(f"{output}: {output.stat().st_size / 1e6:.1f} MB\n")
