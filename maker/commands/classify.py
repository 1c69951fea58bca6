"""The verb `maker classify`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "measure zero-shot classification of a folder of images: top-1 and top-5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("embedder", type=Path, help="a searcher, or the encoder of a work folder, that embeds text and images")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="one folder per label, unless --truth gives the labels")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="tab-separated: image, label")
    parser.add_argument(
        "--labels",
        metavar="FILE|A,B,C",
        help="one label per line, optionally a tab and its name in a sentence (default: those of the images)",
    )
    parser.add_argument(
        "--template",
        action="append",
        metavar="TEXT",
        help='sentence with {} for the label; several are averaged (default "a photo of a {}")',
    )
    parser.add_argument(
        "--work-dir", type=Path, metavar="DIR", help="folder for image embeddings (default: the embedder with suffix .work)"
    )
    parser.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> None:
    """Classifies and prints the figures."""
    from maker.evaluation.zero_shot import TEMPLATE, classify, read_labels, zero_shot_lines

    figures = classify(
        given.embedder,
        given.images,
        labels=read_labels(given.labels) if given.labels else None,
        templates=given.template or (TEMPLATE,),
        truth=given.truth,
        work_dir=given.work_dir,
    )
    print(json.dumps(figures, ensure_ascii=False) if given.json else "\n".join(zero_shot_lines(figures)))
