"""The verb `maker export-android`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.thumbnail_figures import print_thumbnail_figures

HELP = "copy a searcher and thumbnails into the assets of the Android demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("project", type=Path, help="the Gradle project: android_demo")
    help = "the folder that the paths of the items are relative to; not needed for a searcher without items"
    parser.add_argument("--images", type=Path, metavar="DIR", help=help)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(given: argparse.Namespace) -> None:
    """Writes the assets and prints the figures."""
    from maker.pipeline.android import export_android

    report = export_android(given.searcher, given.images, given.project)
    print_thumbnail_figures({"assets": str(report.assets), "flavor": report.flavor}, report, given.json)
