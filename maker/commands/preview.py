"""The verb `maker preview`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from maker.commands.thumbnail_figures import print_thumbnail_figures
from maker.preview import HOST, PORT

if TYPE_CHECKING:
    from maker.preview.media import Player

HELP = "write a web page that runs a searcher in the browser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    folder = parser.add_mutually_exclusive_group()
    folder.add_argument(
        "--images", type=Path, metavar="DIR", help="the folder that the paths of the items are relative to, if there are items"
    )
    folder.add_argument("--videos", type=Path, metavar="DIR", help="the same; also copy the videos into the site, to play moments of them")
    folder.add_argument("--sounds", type=Path, metavar="DIR", help="the same; also copy the sounds into the site, to play them")
    parser.add_argument("--output", type=Path, default=Path("site"), metavar="DIR", help="folder of the site (default %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing site, but keep its thumbnails")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--serve",
        action="store_true",
        help="then serve the site to the browser of this machine; an existing site of this searcher is served as it is",
    )
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help="with --serve (default %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help="with --serve; 0 for a free one (default %(default)s)")


def run(given: argparse.Namespace) -> None:
    """Writes the site and, with `--serve`, serves it."""
    from maker.preview.server import serve
    from maker.preview.site import is_site_of, preview

    if given.serve and not given.overwrite and is_site_of(given.output, given.searcher):
        sys.stderr.write(f"{given.output}: serving the site that is there; --overwrite writes it again\n")
        serve(given.output, given.host, given.port)
        return
    player: Player | None = "video" if given.videos else "audio" if given.sounds else None
    folder = given.images or given.videos or given.sounds
    report = preview(given.searcher, folder, given.output, overwrite=given.overwrite, player=player)
    print_thumbnail_figures({"site": str(report.site)}, report, given.json)
    if given.serve:
        serve(given.output, given.host, given.port)
