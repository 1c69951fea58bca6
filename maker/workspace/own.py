"""Recognises files and folders that this program wrote, so that it does not read them as inputs of a user."""

from __future__ import annotations

from pathlib import Path

MARKER = ".pocket-searcher"  # a file in every folder that this program created
CURVE = ".index.png"  # suffix of the plot beside a partitioned searcher


def mark_own(folder: Path) -> None:
    """Marks a folder as created by this program."""
    (folder / MARKER).touch()


def is_own_folder(folder: Path) -> bool:
    """Whether the folder is a work folder or a web page of this program. Those of older releases are recognised by their content."""
    if (folder / MARKER).exists():
        return True
    work = folder.suffix == ".work" and (folder / "rejects.tsv").exists()
    page = (folder / "site.json").exists() and (folder / "searcher.js").exists()
    return work or page


def is_own_file(path: Path) -> bool:
    """Whether the file is the plot that this program draws beside a searcher."""
    return path.name.endswith(CURVE) and path.with_name(f"{path.name.removesuffix(CURVE)}.tflite").exists()
