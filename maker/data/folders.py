"""Finds the files of one kind below a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from maker.errors import DataError
from maker.workspace import Rejects
from maker.workspace.own import is_own_file, is_own_folder


def files_below(
    folder: Path, is_wanted: Callable[[Path], bool], has_wanted_name: Callable[[Path], bool], rejects: Rejects | None = None
) -> list[str]:
    """The wanted files below a folder, as sorted relative paths with forward slashes.

    Linked folders are followed, each folder once. Hidden files and files that this program wrote (work folders, pages, plots) are left out.

    Args:
        folder: Where to look.
        is_wanted: Whether a file is of the kind.
        has_wanted_name: Whether a path that cannot be opened looks like one.
        rejects: Gets the paths that cannot be read: folders without permission, broken links, names that are not UTF-8.
    """
    rejects = Rejects() if rejects is None else rejects
    found = []
    for path, problem in _files(folder, has_wanted_name):
        name = path.relative_to(folder).as_posix()
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        if problem:
            rejects.add(shown, problem)
        elif not _is_text(name):
            rejects.add(shown, "name is not UTF-8")
        elif is_wanted(path):
            found.append(name)
    return sorted(found)


def parts_below(folder: Path, kind: str, suffixes: frozenset[str], parts_of: Callable[[str], list[str]], rejects: Rejects) -> list[str]:
    """The names of the parts of the files below a folder, file by file, by sorted relative paths.

    Args:
        folder: Where to look.
        kind: What the files are, for errors: `sound` or `video`.
        suffixes: Those of the kind, in lower case.
        parts_of: The names of the parts of a file, given by its relative path. It raises DataError if the file cannot be read.
        rejects: Gets the files that cannot be read.

    Raises:
        DataError: The folder is missing or contains no file of the kind that can be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of {kind}s")

    def is_wanted(path: Path) -> bool:
        return path.suffix.lower() in suffixes

    files = files_below(folder, is_wanted, is_wanted, rejects)
    if not files:
        raise DataError(f"{folder}: no {kind} files in it; looked for {', '.join(sorted(suffixes))}")
    names: list[str] = []
    for file in files:
        try:
            names += parts_of(file)
        except DataError as error:
            rejects.add(file, str(error))
    if not names:
        raise DataError(f"{folder}: none of {len(files)} {kind}s can be read; {files[0]}: {rejects.rows[0][2]}")
    return names


def _files(folder: Path, has_wanted_name: Callable[[Path], bool]) -> Iterator[tuple[Path, str]]:
    """Every file below a folder with an empty reason, and every path that cannot be read with the reason.

    Linked folders come last, so that a folder is found by its own path first; each folder is visited once.
    """
    seen: set[tuple[int, int]] = set()
    waiting, linked = [folder], list[Path]()
    while waiting or linked:
        here = waiting.pop() if waiting else linked.pop(0)
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            yield here, f"folder cannot be read: {error.strerror}"
            continue
        if here != folder and is_own_folder(here):
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            if entry.is_dir():
                (linked if entry.is_symlink() else waiting).append(path)
            elif entry.is_file():
                if not is_own_file(path):
                    yield path, ""
            elif entry.is_symlink() and has_wanted_name(path):
                yield path, "broken link"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
