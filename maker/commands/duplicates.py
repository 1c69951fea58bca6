"""The verb `maker duplicates`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from maker.errors import UsageError

MOST_DRAWN, MOST_ROWS = 12, 100  # pictures in a row, rows in a contact sheet
HELP = "group the near-duplicates among the items of a searcher"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--images", type=Path, metavar="DIR", help="the folder of the pictures: also compare them by a perceptual hash")
    parser.add_argument("--similarity", type=float, default=0.9, metavar="C", help="least cosine of two embeddings (default %(default)s)")
    parser.add_argument("--contact-sheet", type=Path, metavar="OUT.png", help="draw the groups; needs --images")
    parser.add_argument("--json", action="store_true", help="print one JSON object per group")


def run(given: argparse.Namespace) -> None:
    """Prints the groups and draws the contact sheet."""
    from maker.evaluation.contact_sheet import write_contact_sheet
    from maker.evaluation.duplicate_items import find_duplicates
    from task.processor import NearestNeighbor, SearchResult

    if not 0 < given.similarity <= 1:
        raise UsageError(f"--similarity {given.similarity:g}: expected a cosine above 0, at most 1")
    if given.images is not None and not given.images.is_dir():
        raise UsageError(f"--images: no such folder: {given.images}")
    if given.contact_sheet and given.images is None:
        raise UsageError("--contact-sheet needs --images DIR, the folder that the paths of the items are relative to")
    found = find_duplicates(given.searcher, given.images, given.similarity)
    drawn = []
    for number, group in enumerate(found.groups, start=1):
        entries = list(zip(group.items, [found.metadata[item] for item in group.items], group.similarities, strict=True))
        members = [
            {"id": item, "metadata": metadata.decode("utf-8", "backslashreplace"), "similarity": cosine}
            for item, metadata, cosine in entries
        ]
        if given.json:
            print(json.dumps({"group": number, "items": members}, ensure_ascii=False))
        else:
            print("\n".join([f"group {number}, {len(entries)} items", *(f"  {m['similarity']:6.3f}  {m['metadata']}" for m in members)]))
        neighbors = [NearestNeighbor(metadata, -cosine, None, item) for item, metadata, cosine in entries]
        drawn.append((f"group {number}", SearchResult(neighbors[:MOST_DRAWN])))
    surplus = sum(len(group.items) - 1 for group in found.groups)
    note = f"; {found.unseen} pictures have no hash: they cannot be read, or are flat" if found.unseen else ""
    sys.stderr.write(f"{len(found.groups)} groups; {surplus} of {len(found.metadata)} items repeat an earlier one{note}\n")
    if given.contact_sheet and drawn:
        write_contact_sheet(given.contact_sheet, given.images, drawn[:MOST_ROWS])
        left_out = f", the first {MOST_ROWS} groups" if len(drawn) > MOST_ROWS else ""
        sys.stderr.write(f"wrote {given.contact_sheet}{left_out}\n")
