"""The verb `maker report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.evaluate import QUERIES, SPLIT

HELP = "write a report about the content and the quality of a searcher, as one HTML file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="default: the searcher with suffix .report.html")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the folder that the paths of the items are relative to, for thumbnails")
    parser.add_argument("--captions", type=Path, metavar="FILE", help="captions to search with, for examples, failures and slices")
    parser.add_argument("--split", default="held-out", metavar="NAME", help=SPLIT + " (default %(default)s)")
    parser.add_argument("--language", metavar="NAME", help="only captions of this language")
    parser.add_argument("--queries", type=Path, metavar="FILE", help=QUERIES)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")


def run(given: argparse.Namespace) -> None:
    """Writes the report."""
    from maker.report.write import captions_of, write_report

    output = given.output or given.searcher.with_suffix(".report.html")
    captions = captions_of(given.searcher, given.captions, given.split, given.language) if given.captions else None
    write_report(given.searcher, output, images=given.images, captions=captions, asked=given.queries, overwrite=given.overwrite)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
