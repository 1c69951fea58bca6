"""Recognises files and folders that this program wrote, so that it does not read them as inputs of a user."""

from __future__ import annotations

from pathlib import Path

from maker.errors import BuildError

MARKER = ".pocket-searcher"  # a file in every folder that this program created
CURVE = ".index.png"  # suffix of the plot beside a partitioned searcher


def mark_own(folder: Path) -> None:
    """Marks a folder as created by this program."""
    (folder / MARKER).touch()


def claim_folder(folder: Path, made_before: bool = False) -> None:
    """Takes a folder as this program's own, so that it may remove what it finds there.

    Args:
        folder: A folder that is new, empty or marked; it is made and marked.
        made_before: Whether something else tells that this program made it, as releases before the marker did.

    Raises:
        BuildError: It holds somebody else's files.
    """
    if folder.exists() and not folder.is_dir():
        raise BuildError(f"{folder}: is a file, expected a folder")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if held and MARKER not in held and not made_before:
        raise BuildError(f"{folder}: holds {held[0]}, which this program did not write; choose a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    mark_own(folder)


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
