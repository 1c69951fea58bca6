"""Copies a searcher and thumbnails of its items into the assets of the Android demo."""

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

APP = Path("app/src/main/AndroidManifest.xml")  # by this file the project is recognised
ASSETS = {"graph": Path("app/src/main/assets"), "taskLibrary": Path("app/src/taskLibrary/assets")}  # by build flavour of the app
SEARCHER, REJECTS = "searcher.tflite", "rejects.tsv"
MAX_BYTES = (1 << 31) - 1  # Java cannot map a larger file


@dataclass(frozen=True)
class AndroidReport:
    """What was written.

    Attributes:
        assets: The assets folder of the app.
        flavor: The build flavour of the app that searches this kind of file: `graph`, or `taskLibrary` for a Task Library export.
        items: Number of items in the searcher.
        made, kept: Number of new thumbnails, and of thumbnails of an earlier run that were kept.
        rejects: Images without a thumbnail, with the reason. They are also in `rejects.tsv` of the project.
        bytes: Size of searcher and thumbnails.
    """

    assets: Path
    flavor: str
    items: int
    made: int
    kept: int
    rejects: Rejects
    bytes: int


def export_android(searcher: Path, images: Path | None, project: Path) -> AndroidReport:
    """Writes `searcher.tflite` and `thumbnails/` into the assets of the Android demo. Existing ones are replaced.

    Args:
        searcher: A graph searcher or a Task Library searcher.
        images: The folder that the paths of the items are relative to; None for a searcher without items.
        project: The folder of the Gradle project, `android_demo`.

    Raises:
        BuildError: `project` is another folder, the file is too large for an app, or it has items but no folder was given.
        DataError: The folder of images is missing.
        SearcherError: The searcher cannot be opened.
        InvalidArgumentError: The file is not a searcher, or it is a Task Library searcher without a text embedder.
    """
    if not (project / APP).is_file():
        raise BuildError(f"{project}: has no {APP}; expected the folder android_demo of this project")
    flavor, metadata = _read(searcher)
    assets = project / ASSETS[flavor]
    if images is None and metadata:
        raise BuildError(f"{searcher}: has {len(metadata)} items; name the folder of their pictures with --images")
    made = make_thumbnails(metadata, images or project, assets)
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
    """The build flavour for the file, and the metadata of its items."""
    options = BaseOptions(str(searcher), num_threads=1)
    with ModelFile(options) as file:
        flavor = "graph" if manifest.FILE in file.entries else "taskLibrary"
        size = len(file.content)
    if size > MAX_BYTES:
        raise BuildError(f"{searcher}: has {size} bytes, an Android app maps at most {MAX_BYTES}; index fewer items")
    engine = open_engine(options, EmbeddingOptions(), SearchOptions())
    try:
        metadata = [engine.item(number) for number in range(engine.items)]
        if flavor == "taskLibrary":
            engine.embed_text("a photo")  # the app uses TextSearcher
    finally:
        engine.close()
    return flavor, metadata
