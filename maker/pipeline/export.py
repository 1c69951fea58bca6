"""Exports the items of a searcher as files for apps that use the Task Library."""

from __future__ import annotations

from pathlib import Path

from maker.encoders import spellings
from maker.encoders.embedder import embedder_manifest
from maker.errors import BuildError
from maker.evaluation.item_check import require_items
from maker.export.formats import EXPORT_FORMATS
from maker.index.options import EXACT_BELOW, ScaNNOptions, ScoreAH, Tree
from maker.pipeline.report import line
from maker.progress import say
from maker.task_library.scann_index import scann_content, write_index
from maker.task_library.searcher_file import open_any_embedder, write_task_library
from maker.workspace import prepare_output
from task.core import BaseOptions
from task.format.manifest import Manifest
from task.search import GraphEngine

SHARE_SEARCHED = 0.1  # of the leaves


def export(
    searcher: Path,
    output: Path,
    export_format: str = "task_library",
    *,
    embedder: Path | None = None,
    query: str | None = None,
    leaves: int | None = None,
    leaves_searched: int | None = None,
    compression: bool = True,
    overwrite: bool = False,
    user_info: str = "",
    trainer: str = "auto",
    seed: int = 0,
) -> list[str]:
    """Exports the items of a searcher for the Task Library. They are partitioned again.

    Args:
        searcher: The searcher. Its embeddings are taken as they are stored, quantised.
        output: The file to write.
        export_format: `task_library`, an embedder with the index in it, or `scann_index_file`, the index alone.
        embedder: The model that embeds queries. None takes the searcher itself, or for text the encoder file in the work folder beside
            it, which contains the words.
        query: `text` or `image`, for an embedder with both; text if None.
        leaves: Number of partitions; 0 for none. None takes none below `EXACT_BELOW` items, else the square root of the number of items.
        leaves_searched: Number of leaves that a query searches; a tenth of them if None.
        compression: Compress the index with Snappy.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns; that of the searcher if empty.
        trainer: Implementation of k-means: `scann`, `own` or `auto`.
        seed: Seed of k-means.

    Returns:
        Summary lines to print.

    Raises:
        MakerError: The format is unknown, the output exists, or the embedder cannot be used.
        TaskError: The searcher cannot be used.
    """
    if export_format not in EXPORT_FORMATS:
        raise BuildError(f"export format must be one of {', '.join(EXPORT_FORMATS)}, found {export_format!r}")
    prepare_output(output, overwrite)
    engine = GraphEngine(BaseOptions(str(searcher), num_threads=1))
    try:
        require_items(engine, searcher)
        described = engine.manifest
        ids, embeddings = engine.contents()
        metadata = [engine.item(int(item)) for item in ids]
    finally:
        engine.close()
    if leaves is None:
        leaves = 0 if len(embeddings) < EXACT_BELOW else round(len(embeddings) ** 0.5)
    searched = max(1, round(leaves * SHARE_SEARCHED)) if leaves_searched is None else leaves_searched
    tree = Tree(leaves, searched) if leaves else None
    options = ScaNNOptions(described.distance, tree=tree, score_ah=ScoreAH(1))
    content = scann_content(embeddings, options, seed, trainer)
    info = user_info or described.user_info
    if embedder is None and query != "image":
        embedder = _encoder_with_words(searcher, described)
    if export_format == "task_library":
        write_task_library(output, open_any_embedder(str(embedder or searcher)), content, metadata, info, compression, query)
    else:
        write_index(output, content, metadata, info, compression)
    scanned = f"{searched} of {leaves} leaves searched" if tree else "all scanned"
    return [line("wrote", f"{output}, {output.stat().st_size / 1e6:.1f} MB"), line("items", f"{len(metadata)}, {scanned}")]


def _encoder_with_words(searcher: Path, described: Manifest) -> Path | None:
    """The encoder file of the build in the work folder beside a searcher; None if there is none, or the text tower has no words.

    A text tower knows its words as hashes. Only the encoder file holds them as text.
    """
    for path in sorted(searcher.with_suffix(".work").glob("encoder-*.tflite")):
        found = embedder_manifest(path)
        if found and found.training == described.training and found.dimension == described.dimension and spellings.FILE in found.sha256:
            say(f"{searcher}: the words are those of {path}")
            return path
    return None
