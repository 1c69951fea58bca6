"""Embeds a folder of images or sounds, or a file of sentences, and writes the embeddings to disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.data.images import list_images
from maker.data.items import read_metadata, write_names
from maker.data.sounds import list_sounds
from maker.embedding.features import image_features
from maker.embedding.texts import embed_texts
from maker.encoders.embedder import SENTENCES, AnyTower, Tower, open_embedder
from maker.errors import DataError, EncoderError
from maker.workspace import Workspace, atomic, prepare_output

EMBEDDING_SUFFIXES = (".npy", ".tsv", ".parquet")


def embed(embedder: Path, kind: str, source: Path, output: Path, *, work_dir: Path | None = None, overwrite: bool = False) -> list[str]:
    """Embeds images, sounds or sentences.

    Args:
        embedder: An encoder or searcher file of this project.
        kind: `image`, `audio` or `text`.
        source: A folder of images or sounds, or a file with one sentence per line.
        output: `.npy` (the names go beside it in `.txt`, as `maker index` takes them), `.tsv` or `.parquet`.
        work_dir: The folder for unfinished image embeddings; the output with suffix `.work` if None.
        overwrite: Replace existing outputs.

    Returns:
        Summary lines to print.

    Raises:
        MakerError: An input cannot be used. Then `output` is not written.
    """
    if output.suffix not in EMBEDDING_SUFFIXES:
        raise DataError(f"{output}: unknown file type; expected a name that ends in {', '.join(EMBEDDING_SUFFIXES)}")
    names = [output.with_suffix(suffix) for suffix in (".txt", ".jsonl")] if output.suffix == ".npy" else []
    for path in (output, *names):
        prepare_output(path, overwrite)
    towers = open_embedder(embedder)
    kinds = SENTENCES if kind == "text" else (kind,)
    if not any(name in towers and towers[name].signature for name in kinds):
        raise EncoderError(f"{embedder}: has no embed_{kind}; expected a file of `maker build` or its work folder's encoder")
    rejected = ""
    if kind != "text":
        with Workspace.open(work_dir or output.with_suffix(".work")) as work:
            features = image_features(source, _items(source, towers[kind], work), embedder, work)
            embedded, values = features.images, np.asarray(features.values)
            work.write_rejects()
            if work.rejects.rows:
                rejected = f", {len(work.rejects.rows)} rejected (see {work.rejects_file})"
    else:
        embedded = [line.decode("utf-8", "replace") for line in read_metadata(source)]
        if not embedded:
            raise DataError(f"{source}: no sentences in it")
        values = embed_texts(embedded, embedder)
    _write(output, embedded, values)
    beside = f", names in {write_names(output, embedded)}" if names else ""
    return [f"{output}: {len(embedded)} embeddings of {values.shape[1]} dimensions{rejected}{beside}"]


def _items(folder: Path, tower: AnyTower, work: Workspace) -> list[str]:
    """The images of a folder; for a sound tower its sounds, and windows of those that are longer than the tower takes."""
    if isinstance(tower, Tower) and tower.sound is not None:
        return list_sounds(folder, work.rejects, tower.sound.seconds)
    return list_images(folder, work.rejects)


def _write(output: Path, names: Sequence[str], values: np.ndarray) -> None:
    with atomic(output) as temporary:
        if output.suffix == ".npy":
            with open(temporary, "wb") as file:
                np.save(file, values.astype(np.float32))
        elif output.suffix == ".tsv":
            with open(temporary, "w", encoding="utf-8") as text:
                for name, row in zip(names, values, strict=True):
                    text.write("\t".join([" ".join(name.split()), *(str(v) for v in row)]) + "\n")
        else:
            _write_parquet(temporary, output, names, values)


def _write_parquet(temporary: Path, output: Path, names: Sequence[str], values: np.ndarray) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{output}: writing Parquet needs pyarrow: pip install 'pocket-searcher[formats]'") from error
    rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.astype(np.float32).ravel()), values.shape[1])
    parquet.write_table(pyarrow.table({"name": list(names), "embedding": rows}), temporary)
