"""Takes the towers of an existing searcher or encoder file, without training."""

from __future__ import annotations

from pathlib import Path

from maker.encoders.embedder import AnyTower, embedder_manifest, example_texts, open_embedder
from maker.errors import DataError, EncoderError
from maker.export.encoder_file import write_encoder
from maker.pipeline.encoder import Encoder, ReadyTexts, WholeImages
from maker.workspace import Workspace, content_digest

NEEDED = "expected a searcher or encoder file with the signatures embed_image and embed_text, as maker build writes them"


def ready_encoder(path: Path, work: Workspace, views: int = 1) -> Encoder:
    """The towers of a searcher as an encoder of the build; those of an encoder file are taken from that file itself.

    Args:
        path: The file.
        work: Keeps the encoder file of a searcher's towers.
        views: Number of views of each photo.

    Raises:
        DataError: There is no such file.
        EncoderError: The file has no tower for pictures or none for sentences, or their embeddings differ in length.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such searcher or encoder file")
    towers = open_embedder(path)
    _check(path, towers)
    described = embedder_manifest(path)
    if described is not None and described.items == 0 and described.normalized:
        return _encoder(path, views)
    (text,) = [tower for kind, tower in towers.items() if kind != "image"]
    file = work.file(f"towers-{content_digest(path)[:32]}.tflite")
    if not file.exists():
        write_encoder(
            file,
            towers,
            {kind: tower.input_shape for kind, tower in towers.items()},
            normalize=described is None or not described.normalized,
            dimension=text.dimension,
            described=described.encoders if described else {},
            training=described.training if described else {},
            example_texts=example_texts(described),
            tokenizer=text.tokenizer,
        )
    return _encoder(file, views)


def _encoder(file: Path, views: int) -> Encoder:
    return Encoder(file, WholeImages(file, views), ReadyTexts(file))


def _check(path: Path, towers: dict[str, AnyTower]) -> None:
    missing = [what for what, kinds in (("pictures", {"image"}), ("sentences", {"text", "tokens"})) if not kinds & set(towers)]
    if missing:
        raise EncoderError(f"{path}: has no tower for {' and none for '.join(missing)}; {NEEDED}")
    dimensions = {kind: tower.dimension for kind, tower in towers.items()}
    if len(set(dimensions.values())) > 1:
        listed = ", ".join(f"{kind} {dimension}" for kind, dimension in dimensions.items())
        raise EncoderError(f"{path}: the embeddings of its towers differ in length ({listed}); expected towers of one space")
