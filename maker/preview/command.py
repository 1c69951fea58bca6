"""The verb `maker preview`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HOST, PORT = "127.0.0.1", 8000


def add_preview(verbs: Any) -> None:
    """Adds the verb to the command line."""
    preview = verbs.add_parser("preview", help="write a web page that asks a searcher in the browser")
    preview.add_argument("searcher", type=Path)
    preview.add_argument("--images", type=Path, required=True, metavar="DIR", help="where the items' images are")
    preview.add_argument("--output", type=Path, default=Path("site"), metavar="DIR", help="the site's folder (default %(default)s)")
    preview.add_argument("--overwrite", action="store_true", help="renew an existing site; its thumbnails are kept")
    preview.add_argument("--json", action="store_true", help="print the figures as JSON")
    preview.add_argument("--serve", action="store_true", help="then serve the site to this machine's browser")
    preview.add_argument("--host", default=HOST, metavar="ADDRESS", help="with --serve (default %(default)s)")
    preview.add_argument("--port", type=int, default=PORT, metavar="N", help="with --serve; 0 for a free one (default %(default)s)")
    preview.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Writes the site, and serves it where that is asked."""
    from maker.preview.server import serve
    from maker.preview.site import preview

    report = preview(given.searcher, given.images, given.output, overwrite=given.overwrite)
    figures = {
        "site": str(report.site),
        "items": report.items,
        "thumbnails": report.made + report.kept,
        "made": report.made,
        "rejected": len(report.rejects.rows),
        "megabytes": round(report.bytes / 1e6, 1),
    }
    line = "{site}: {items} items, {thumbnails} thumbnails ({made} made now, {rejected} images rejected), {megabytes} MB"
    sys.stdout.write((json.dumps(figures) if given.json else line.format(**figures)) + "\n")
    sys.stdout.flush()
    if given.serve:
        serve(given.output, given.host, given.port)
