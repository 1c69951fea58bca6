"""What this program itself wrote, so that it is never taken for a user's input."""

from __future__ import annotations

from pathlib import Path

MARKER = ".pocket-searcher"  # a file in every folder that this program made and owns
CURVE = ".index.png"  # suffix of the picture beside a partitioned searcher


def mark_own(folder: Path) -> None:
    """Marks a folder as made by this program."""
    (folder / MARKER).touch()


def is_own_folder(folder: Path) -> bool:
    """Whether this program made the folder: a work folder or a page's; those of older releases are known by what they hold."""
    if (folder / MARKER).exists():
        return True
    work = folder.suffix == ".work" and (folder / "rejects.tsv").exists()
    page = (folder / "site.json").exists() and (folder / "searcher.js").exists()
    return work or page


def is_own_file(path: Path) -> bool:
    """Whether this program drew the picture: the curve beside a searcher."""
    return path.name.endswith(CURVE) and path.with_name(f"{path.name.removesuffix(CURVE)}.tflite").exists()
