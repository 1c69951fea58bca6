"""Embeds pictures shard by shard, on this machine or on a Ray cluster. One shard in, one file of embeddings and one of names out."""

from __future__ import annotations

from pathlib import Path

from maker.collection import Collection
from maker.collection.engines import Engine, Local
from maker.collection.sources import files
from maker.data.images import is_image_name
from maker.embedding.embedder import Embedder
from maker.encoders.embedder import embedder_manifest
from maker.errors import DataError, EncoderError

PHOTOS = 4096  # of a folder, in a shard
TARS, TABLES, LISTS = (".tar", ".tgz", ".tar.gz"), (".parquet",), (".txt",)


def embed_shards(
    embedder: Path, source: Path, output: Path, *, engine: Engine | None = None, photos_per_shard: int = PHOTOS, overwrite: bool = False
) -> list[str]:
    """Embeds pictures into a folder of shards. A shard that is finished is not embedded again.

    Args:
        embedder: An encoder or searcher file of this project.
        source: WebDataset's tar files, Parquet files with the bytes of pictures, or text files with a path a line: one file, a folder of
            them, or a pattern such as `data/*.tar`. Each file is a shard. Or a folder of photos.
        output: The folder. `NAME.npy` has the embeddings of a shard, `(m, d)` float32; `NAME.parquet` has `name`, `reason` and `captions`
            of all its pictures.
        engine: Where to embed; None for worker processes of this machine.
        photos_per_shard: How many photos of a folder are a shard.
        overwrite: Embed finished shards again.

    Returns:
        Summary lines to print.

    Raises:
        MakerError: An input cannot be used. Finished shards stay.
    """
    embed = Embedder(embedder)
    if "image" not in embed.kinds:
        raise EncoderError(f"{embedder}: has no embed_image; expected a file of `maker build` or its work folder's encoder")
    if photos_per_shard < 1:
        raise DataError(f"a shard has at least 1 photo, found {photos_per_shard}")
    pictures = _pictures(source, photos_per_shard).embed(embed)
    counts = pictures.on(engine or Local()).to_shards(output, overwrite)
    if counts.rejected == counts.rows:
        raise DataError(f"{source}: none of {counts.rows} pictures could be embedded; the reasons are in {output}/*.parquet")
    rejected = f", {counts.rejected} rejected (their reasons are in the .parquet files)" if counts.rejected else ""
    described = embedder_manifest(embedder)
    dimensions = f" of {described.dimension} dimensions" if described else ""
    return [f"{output}: {counts.rows - counts.rejected} embeddings{dimensions} in {len(pictures.shards)} shards{rejected}"]


def _pictures(source: Path, photos_per_shard: int) -> Collection:
    """The pictures of a source."""
    if source.is_dir():
        inside = [path for path in sorted(source.iterdir()) if path.is_file()]
        for suffixes, read in ((TARS, Collection.from_webdataset), (TABLES, Collection.from_parquet)):
            if found := [path for path in inside if path.name.endswith(suffixes)]:
                if photos := [path for path in inside if is_image_name(path)]:
                    raise DataError(
                        f"{source}: holds shards, {found[0].name}, and photos, {photos[0].name}; keep them in folders of their own"
                    )
                return read(found)
        lists = [path for path in inside if path.name.endswith(LISTS)]
        return Collection.from_lists(lists) if len(lists) == len(inside) > 0 else Collection.from_photos(source, photos_per_shard)
    found = files(source)
    for suffixes, read in ((TARS, Collection.from_webdataset), (TABLES, Collection.from_parquet), (LISTS, Collection.from_lists)):
        if all(path.name.endswith(suffixes) for path in found):
            return read(found)
    raise DataError(f"{source}: expected a folder of photos, or files that end in {', '.join((*TARS, *TABLES, *LISTS))}, all of one kind")
