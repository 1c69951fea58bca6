"""Brings the published files of Flickr8k into the folder that the benchmarks read; docs/data.md says where to get them.

`python -m tests.benchmarks.flickr8k SOURCE TARGET [--chinese FILE]`: SOURCE is searched for `Flickr8k.token.txt`, the lists of the
training and the development set, and the photos. The official test set is not written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

SIDE = 192  # pixels
LISTS = {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt"}


def main(argv: list[str] | None = None) -> int:
    """Writes photos and captions."""
    parser = argparse.ArgumentParser(description="Prepares Flickr8k for the benchmarks.")
    parser.add_argument("source", type=Path, help="folder with the unpacked archives")
    parser.add_argument("target", type=Path, help="folder to write, usually $POCKET_SEARCHER_DATA/flickr8k")
    parser.add_argument("--chinese", type=Path, action="append", default=[], help="captions of Flickr8k-CN, one file or several")
    given = parser.parse_args(argv)
    try:
        splits = {name: split for split, file in LISTS.items() for name in found(given.source, file).read_text().split()}
        texts = [(found(given.source, "Flickr8k.token.txt"), "en"), *((path, "zh") for path in given.chinese)]
        rows = sorted((name, splits[name], language, text) for path, language in texts for name, text in captions(path) if name in splits)
        photos = {path.name: path for path in given.source.rglob("*.jpg")}
        if lost := sorted(name for name in splits if name not in photos):
            raise FileNotFoundError(f"{given.source}: {len(lost)} photos are missing, the first is {lost[0]}")
    except FileNotFoundError as error:
        parser.error(str(error))
    (given.target / "images").mkdir(parents=True, exist_ok=True)
    for name in splits:
        with Image.open(photos[name]) as photo:
            photo.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(given.target / "images" / name, quality=90)
    lines = [f"images/{name}\t{split}\t{language}\t{text}\n" for name, split, language, text in rows]
    (given.target / "captions.tsv").write_text("".join(["image\tsplit\tlang\tcaption\n", *lines]), encoding="utf-8")
    sys.stdout.write(f"{given.target}: {len(splits)} photos, {len(lines)} captions\n")
    return 0


def found(folder: Path, name: str) -> Path:
    """The file of that name, anywhere in the folder."""
    path = next(folder.rglob(name), None)
    if path is None:
        raise FileNotFoundError(f"{folder}: {name} is not here")
    return path


def captions(path: Path) -> Iterator[tuple[str, str]]:
    """Photo and caption of each line: `name.jpg#0<TAB>caption`, or with a space instead of the tab."""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, text = line.replace("\t", " ", 1).partition(" ")
        if text.strip():
            yield key.split("#")[0], text.strip().replace("\t", " ")


if __name__ == "__main__":
    sys.exit(main())
