"""Puts a searcher and its items' thumbnails into the Android demo, where its build finds them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from maker.errors import BuildError
from maker.preview.thumbnails import FOLDER, make_thumbnails
from maker.progress import say
from maker.workspace import Rejects, atomic
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import manifest
from task.opening import open_engine
from task.processor import EmbeddingOptions, SearchOptions

APP = Path("app/src/main/AndroidManifest.xml")  # what tells the project from another folder
ASSETS = {"graph": Path("app/src/main/assets"), "taskLibrary": Path("app/src/taskLibrary/assets")}  # by the app's flavour
SEARCHER, REJECTS = "searcher.tflite", "rejects.tsv"
LARGEST = (1 << 31) - 1  # bytes that Java maps at once


@dataclass(frozen=True)
class AndroidReport:
    """What was written.

    Attributes:
        assets: The folder of the app's assets.
        flavor: The app's flavour that asks this kind of file: `graph`, or `taskLibrary` for a Task Library export.
        items: Items that can be found.
        made, kept: Thumbnails made, and those of an earlier run that were kept.
        rejects: Images without a thumbnail, with the reason; they are in the project's `rejects.tsv`, too.
        bytes: Size of the searcher and the thumbnails.
    """

    assets: Path
    flavor: str
    items: int
    made: int
    kept: int
    rejects: Rejects
    bytes: int


def export_android(searcher: Path, images: Path, project: Path) -> AndroidReport:
    """Writes `searcher.tflite` and `thumbnails/` into the assets of the Android demo, in the place of what was there.

    Args:
        searcher: A graph searcher, or a Task Library searcher, for the app's flavour of that name.
        images: The folder that the items' paths are relative to.
        project: The folder of the Gradle project, `android_demo`.

    Raises:
        BuildError: The project is not one, or the file is too large for an app.
        DataError: The images are not there.
        SearcherError: The searcher cannot be opened.
        InvalidArgumentError: It is no searcher, or a Task Library searcher that takes no text.
    """
    if not (project / APP).is_file():
        raise BuildError(f"{project}: has no {APP}; expected the folder android_demo of this project")
    flavor, metadata = _read(searcher)
    assets = project / ASSETS[flavor]
    made = make_thumbnails(metadata, images, assets)
    made.rejects.write(project / REJECTS)
    if made.rejects.rows:
        say(f"{len(made.rejects.rows)} images have no thumbnail ({made.rejects.summary()}); see {project / REJECTS}")
    with atomic(assets / SEARCHER) as temporary:
        shutil.copyfile(searcher, temporary)
    thumbnails = (path for path in (assets / FOLDER).rglob("*") if path.is_file())
    return AndroidReport(
        assets=assets,
        flavor=flavor,
        items=len(metadata),
        made=made.made,
        kept=made.kept,
        rejects=made.rejects,
        bytes=searcher.stat().st_size + sum(path.stat().st_size for path in thumbnails),
    )


def _read(searcher: Path) -> tuple[str, list[bytes]]:
    """The flavour that asks the file, and the items' metadata."""
    options = BaseOptions(str(searcher), num_threads=1)
    with ModelFile(options) as file:
        flavor = "graph" if manifest.FILE in file.entries else "taskLibrary"
        size = len(file.content)
    if size > LARGEST:
        raise BuildError(f"{searcher}: has {size} bytes, an Android app maps at most {LARGEST}; index fewer items")
    engine = open_engine(options, EmbeddingOptions(), SearchOptions())
    try:
        metadata = [engine.item(number) for number in range(engine.items)]
        if flavor == "taskLibrary":
            engine.embed_text("a photo")  # the app asks it with TextSearcher
    finally:
        engine.close()
    return flavor, metadata
