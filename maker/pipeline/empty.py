"""Writes a searcher without items from a searcher, an encoder file, another `.tflite` embedder, or a published dual encoder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from maker.encoders.embedder import embedder_manifest, example_texts, open_embedder
from maker.encoders.weights import Weights
from maker.errors import DataError, EncoderError
from maker.export.empty_searcher import EmptyContent, write_empty
from maker.index.options import DEFAULT_K
from maker.pipeline.report import line
from maker.workspace import prepare_output
from task.format import lexical as lexical_format


def export_empty(
    source: str,
    output: Path,
    *,
    k: int | None = None,
    lexical: bool = False,
    weights: Weights = "int8",
    overwrite: bool = False,
    user_info: str = "",
) -> list[str]:
    """Writes a searcher without items, which finds what is added to it.

    Args:
        source: A searcher or encoder file, or another `.tflite` that embeds pictures, whose embeddings are then divided by their norm; or
            a checkpoint as `maker build --model` takes it.
        output: The file to write.
        k: Number of results of a query, unless another number is asked for; that of the searcher, or 100, if None.
        lexical: Index the words of items that are added. A searcher that does is followed in any case.
        weights: How matrices of a checkpoint are stored.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns; that of the searcher if empty.

    Returns:
        Summary lines to print.

    Raises:
        MakerError: The output exists, or the source has no towers.
        TaskError: The written file cannot be used.
    """
    from maker.checkpoints.source import is_checkpoint

    prepare_output(output, overwrite)
    if not is_checkpoint(source):
        return _write(Path(source), output, k, lexical, user_info)
    from maker.checkpoints import write_encoder

    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder, "encoder.tflite")
        write_encoder(source, encoder, weights=weights)
        return _write(encoder, output, k, lexical, user_info)


def _write(source: Path, output: Path, k: int | None, lexical: bool, user_info: str) -> list[str]:
    if not source.is_file():
        raise DataError(f"{source}: no such searcher, encoder file or checkpoint")
    described = embedder_manifest(source)
    if described is not None and not described.query:
        raise EncoderError(f"{source}: has no towers, only items; expected a file that embeds sentences or pictures")
    content = EmptyContent(towers=open_embedder(source), normalize=True, lexical=lexical, k=k or DEFAULT_K, user_info=user_info)
    if described is not None:
        content = EmptyContent(
            towers=content.towers,
            normalized=described.normalized,
            distance=described.distance,
            k=(described.k or DEFAULT_K) if k is None else k,
            lexical=lexical or lexical_format.LIST in described.sha256,
            means=described.means,
            user_info=user_info or described.user_info,
            encoders=described.encoders,
            training=described.training,
            example_texts=example_texts(described),
        )
    manifest = write_empty(content, output)
    names = {"image": "pictures", "audio": "sounds", "text": "sentences", "tokens": "sentences"}
    kinds = " and ".join(names[kind] for kind in content.towers)
    return [
        line("wrote", f"{output}, {output.stat().st_size / 1e6:.1f} MB"),
        line("items", "none; Searcher.add, the web page and apps add them"),
        line("towers", f"{kinds}, {manifest.dimension} dimensions"),
    ]
