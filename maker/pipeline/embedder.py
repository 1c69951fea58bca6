"""Opens an encoder by its spec, to embed single items with it."""

from __future__ import annotations

from pathlib import Path

from maker.checkpoints.source import is_checkpoint
from maker.embedding.embedder import Embedder
from maker.encoders.convert import ImageModelOptions
from maker.encoders.embedder import embedder_manifest
from maker.encoders.image import SCRATCH, backbone, parse_spec
from maker.errors import EncoderError
from maker.export.encoder_file import write_encoder
from maker.workspace import content_digest, digest, file_state
from maker.workspace.download import cache_folder

VERSION = 1  # changes whenever a spec gives another file


def embedder(spec: str | Path, options: ImageModelOptions | None = None) -> Embedder:
    """Opens an encoder: pictures or sentences in, embeddings out.

    Args:
        spec: A searcher or encoder file of this project; an image encoder as `maker build --image-encoder` takes it, such as
            `tflite:efficientnet_lite2.tflite`; or a published dual encoder as `--model` takes it. The file that is made of the latter two
            is kept in the folder of caches.
        options: How an image model is converted.

    Returns:
        A callable: see `Embedder`. The embeddings of image encoders and of published ones have norm 1.

    Raises:
        EncoderError: There is no such file, or the encoder cannot be used.
    """
    text, options = str(spec), options or ImageModelOptions()
    if Path(text).is_file():
        if embedder_manifest(text) is not None:
            return Embedder(Path(text))
        text = f"tflite:{text}"
    folder = cache_folder() / "embedders"
    if is_checkpoint(text):
        return Embedder(_of_checkpoint(text, folder))
    if ":" not in text and text != SCRATCH:
        raise EncoderError(f"{text}: no such file; expected a searcher, an encoder file, or a spec such as tflite:model.tflite")
    kind, rest = parse_spec(text)
    if kind == SCRATCH:
        raise EncoderError(
            f"image encoder {SCRATCH!r}: has no weights before maker build trains it; name the encoder file that was trained"
        )
    tower = backbone(text, options, folder)
    file = folder / f"{digest(VERSION, content_digest(Path(tower.source.path)), kind, rest.partition('#')[2], repr(options))}.tflite"
    if not file.exists():
        given = {"image": tower}, {"image": tower.input_shape}
        write_encoder(file, *given, dimension=tower.dimension, preparation=tower.preparation)
    return Embedder(file)


def _of_checkpoint(spec: str, folder: Path) -> Path:
    from maker.checkpoints import write_encoder as write_checkpoint
    from maker.checkpoints.source import locate

    located = locate(spec)
    files = sorted(path for path in Path(located.spec).rglob("*") if path.is_file()) if Path(located.spec).is_dir() else []
    file = folder / f"{digest(VERSION, located.spec, [[path.name, file_state(path)] for path in files])}.tflite"
    if not file.exists():
        write_checkpoint(located, file)
    return file
