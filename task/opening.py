"""Opens a file with the engine for its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .core.base_options import BaseOptions
from .core.model_file import ModelFile
from .errors import DamagedFileError, InvalidArgumentError, MissingFileError, NewerFormatError
from .format import manifest, searcher_folder, tflite_metadata, tflite_model
from .processor.options import EmbeddingOptions, SearchOptions
from .search.engine import Embedder, Engine
from .search.graph import GraphEngine
from .search.graph_embedder import GraphEmbedder
from .search.shards import ShardedEngine

TASK_LIBRARY = f"{__package__}.task_library"


def open_engine(base_options: BaseOptions, embedding_options: EmbeddingOptions, search_options: SearchOptions) -> Engine:
    """Opens a searcher. A file that contains `searcher.json` is a graph searcher; any other is a Task Library model.

    An index in the options is searched instead of the index in the file.

    Args:
        base_options: The model and how to run it.
        embedding_options: How to post-process the embeddings of queries.
        search_options: The index, if it is not in the model file, and the overlay.

    Raises:
        InvalidArgumentError: An option or the model cannot be used, or there is no index.
        MissingFileError: A file does not exist.
        SearcherError: A file is damaged or of a newer format.
    """
    file = ModelFile(base_options)
    if manifest.FILE in file.entries and not _index_beside(search_options):
        engine = GraphEngine(base_options, file)
        _check_normalized(engine, embedding_options)
        if search_options.overlay_file_name is not None:
            try:
                engine.load_overlay(Path(search_options.overlay_file_name))
            except BaseException:
                engine.close()
                raise
        return engine
    if search_options.overlay_file_name is not None:
        file.close()
        raise InvalidArgumentError(f"{file.name}: SearchOptions.overlay_file_name: only graph searchers have overlays.")
    _check_whole(file)
    with _task_library_needed(file):
        from .task_library.engine import open_scann_engine
    embedder = open_embedder(base_options, embedding_options, file)
    return open_scann_engine(embedder, file, search_options if _index_beside(search_options) else None)


def open_shards(
    base_options: BaseOptions, shards: Sequence[str], embedding_options: EmbeddingOptions, search_options: SearchOptions
) -> ShardedEngine:
    """Opens several searchers as one. It raises the errors of `open_engine`.

    Args:
        base_options: The first searcher, and how to run all of them.
        shards: Paths of the other searchers.
        embedding_options: How to post-process the embeddings of queries.
        search_options: How to report neighbours.
    """
    if _index_beside(search_options) or search_options.overlay_file_name is not None:
        raise InvalidArgumentError("SearchOptions: shards take neither an index nor an overlay beside them.")
    every = [base_options, *(replace(base_options, file_name=path, file_content=None) for path in shards)]
    engines: list[Engine] = []
    try:
        for options in every:
            engines.append(open_engine(options, embedding_options, search_options))
        return ShardedEngine(engines, [options.file_name or "file_content" for options in every])
    except BaseException:
        for engine in engines:
            engine.close()
        raise


def searchers_in(folder: Path) -> list[str]:
    """The paths of the searchers in a folder that are searched as one, in the order of their ids.

    Raises:
        MissingFileError: The folder has no list of its searchers.
        DamagedFileError: The list is damaged.
        NewerFormatError: It has a newer format.
    """
    listed = folder / searcher_folder.FILE
    try:
        content = searcher_folder.decode(listed.read_bytes())
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{folder}: is a folder without {searcher_folder.FILE}; expected a searcher, or a folder that `maker index --shards` finished."
        ) from error
    except searcher_folder.NewerFolderError as error:
        raise NewerFormatError(f"{folder}: {error}; update pocket-searcher.") from error
    except searcher_folder.FolderError as error:
        raise DamagedFileError(f"{folder}: {error}.") from error
    return [str(folder / name) for name in content.files]


def open_embedder(base_options: BaseOptions, embedding_options: EmbeddingOptions, file: ModelFile | None = None) -> Embedder:
    """Opens an embedder. It raises the errors of `open_engine`.

    Args:
        base_options: The model and how to run it.
        embedding_options: How to post-process embeddings.
        file: The model, if it is already open. It is closed with the embedder.
    """
    file = ModelFile(base_options) if file is None else file
    if manifest.FILE in file.entries:
        embedder = GraphEmbedder(base_options, file)
        _check_normalized(embedder, embedding_options)
        return embedder
    with _task_library_needed(file):
        from .task_library.embedder import TaskLibraryEmbedder
    return TaskLibraryEmbedder(base_options, bool(embedding_options.l2_normalize), file)


@contextmanager
def _task_library_needed(file: ModelFile) -> Iterator[None]:
    """For imports from `task.task_library`, a folder that apps with graph searchers only may leave out."""
    try:
        yield
    except ModuleNotFoundError as error:
        file.close()
        if error.name != TASK_LIBRARY:
            raise
        raise InvalidArgumentError(
            f"{file.name}: this file is for the Task Library or has an index beside it, and the package {TASK_LIBRARY}, which opens such "
            "files, is not installed; install pocket-searcher with it, or build a graph searcher with `maker index`."
        ) from error


def _index_beside(options: SearchOptions) -> bool:
    """Whether the options contain an index."""
    return options.index_file_content is not None or options.index_file_name is not None


def _check_whole(file: ModelFile) -> None:
    """Detects truncated graph files: without the manifest at their end they would look like Task Library models."""
    try:
        content = tflite_model.metadata(file.content, tflite_metadata.NAME)
        version = tflite_metadata.decode(content).get("version", "") if content else ""
    except (tflite_model.ModelError, tflite_metadata.MetadataError):
        return
    if str(version).startswith(manifest.FORMAT) and manifest.FILE not in file.entries:
        size = len(file.content)
        file.close()
        raise DamagedFileError(
            f"{file.name}: {manifest.FILE} is missing; the file was cut off after {size} bytes, or changed: copy it again."
        )


def _check_normalized(embedder: GraphEmbedder, options: EmbeddingOptions) -> None:
    if options.l2_normalize and not embedder.manifest.normalized:
        embedder.close()
        raise InvalidArgumentError(
            "EmbeddingOptions.l2_normalize: this file's embeddings are not normalised, and its graph cannot be told to; "
            "build it from normalised embeddings."
        )
