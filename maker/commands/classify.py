"""The verb `maker classify`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from maker.errors import UsageError

HELP = "label the images of a folder without training, or measure such labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("embedder", type=Path, help="a searcher, or the encoder of a work folder, that embeds text and images")
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="the images; without --output in one folder per label, unless --truth gives the labels",
    )
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
    parser.add_argument(
        "--output", type=Path, metavar="FILE.tsv", help="write the label of each image, out of --labels, and measure nothing"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> None:
    """Classifies and prints the figures."""
    from maker.evaluation.zero_shot import TEMPLATE, classify, label_images, read_labels, write_labels, zero_shot_lines
    from maker.workspace import prepare_output

    if given.output:
        if not given.labels:
            raise UsageError("--output writes a label for each image: pass them with --labels cat,dog or --labels FILE")
        if given.truth:
            raise UsageError("--output measures nothing: leave out --truth, or --output")
        prepare_output(given.output, given.overwrite)
        templates = given.template or (TEMPLATE,)
        found = label_images(given.embedder, given.images, read_labels(given.labels), templates=templates, work_dir=given.work_dir)
        write_labels(given.output, found)
        counts = Counter(label for _, label, _ in found)
        print(
            json.dumps({"images": len(found), "labels": counts})
            if given.json
            else "\n".join(f"{n:6}  {label}" for label, n in counts.most_common())
        )
        return
    figures = classify(
        given.embedder,
        given.images,
        labels=read_labels(given.labels) if given.labels else None,
        templates=given.template or (TEMPLATE,),
        truth=given.truth,
        work_dir=given.work_dir,
    )
    print(json.dumps(figures, ensure_ascii=False) if given.json else "\n".join(zero_shot_lines(figures)))
