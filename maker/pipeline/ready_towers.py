"""Takes towers that are ready: those of a published dual encoder, or of an existing searcher or encoder file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from maker.data.text_file import read_lines
from maker.encoders.audio import sound_tower
from maker.encoders.embedder import SENTENCES, AnyTower, Tower, embedder_manifest, example_texts, open_embedder
from maker.encoders.weights import Weights
from maker.errors import DataError, EncoderError
from maker.export.encoder_file import write_encoder
from maker.pipeline.encoder import Encoder, ReadyTexts, WholeImages
from maker.pipeline.options import TowerOptions
from maker.progress import say
from maker.workspace import Workspace, content_digest, digest, file_state

CHECKPOINT_VERSION = 2  # changes whenever a checkpoint gives another encoder file
NEEDED = "expected a searcher or encoder file with embed_text and embed_image or embed_audio, as maker build writes them"


def ready_encoder(towers: TowerOptions, texts: Iterable[str], work: Workspace) -> Encoder | None:
    """The towers that the options name as ready; None if they name none.

    Args:
        towers: The options.
        texts: Sentences whose pieces a pruned tokenizer keeps.
        work: Keeps the encoder file.

    Raises:
        DataError: The file is missing.
        EncoderError: The file or the checkpoint cannot be used.
    """
    if towers.model is not None:
        file = _converted(towers.model, towers.weights, work, _to_keep(towers, texts))
    elif towers.encoder is not None:
        file = _of_file(towers.encoder, work)
    else:
        return None
    return _encoder(file, towers)


def sound_window(towers: TowerOptions, work: Workspace) -> float:
    """The seconds of a sound that the sound tower takes.

    Raises:
        DataError: The file of ready towers is missing.
        EncoderError: There is no tower for sounds, or it cannot be used.
    """
    if towers.audio_encoder is not None:
        tower: AnyTower | None = sound_tower(towers.audio_encoder, towers.sound_model, work.folder)
    else:
        encoder = ready_encoder(towers, (), work)
        tower = open_embedder(encoder.file).get("audio") if encoder else None
    if not isinstance(tower, Tower) or tower.sound is None:
        raise EncoderError(f"{towers.ready}: has no tower for sounds; expected a file with the signature embed_audio")
    return tower.sound.seconds


def teacher_towers(towers: TowerOptions, work: Workspace) -> Encoder:
    """Both towers of the teacher: of a searcher or encoder file, or of a published dual encoder.

    Raises:
        DataError: The file is missing.
        EncoderError: The file or the checkpoint cannot be used, or has no tower for pictures.
    """
    return _encoder(_of_file(teacher_file(towers, work), work), towers)


def teacher_file(towers: TowerOptions, work: Workspace) -> Path:
    """The file of a teacher that is no text model: as named, or written from the published dual encoder that is named.

    Raises:
        EncoderError: The checkpoint cannot be used.
    """
    from maker.checkpoints.source import is_checkpoint

    spec = str(towers.teacher)
    return _converted(spec, towers.weights, work) if is_checkpoint(spec) else Path(spec)


def views_of_file(file: Path) -> int:
    """The number of views that an encoder file's image tower was trained with."""
    described = embedder_manifest(file)
    return int(described.encoders.get("image", {}).get("views", 1)) if described else 1


def _encoder(file: Path, towers: TowerOptions) -> Encoder:
    return Encoder(file, WholeImages(file, towers.views or views_of_file(file)), ReadyTexts(file))


def _to_keep(towers: TowerOptions, texts: Iterable[str]) -> list[str] | None:
    """The sentences whose pieces a pruned tokenizer keeps; None if it is not pruned."""
    if not towers.prune_vocabulary:
        return None
    return sorted({*texts, *(read_lines(towers.vocabulary_of, "text file") if towers.vocabulary_of else ())})


def _converted(spec: str, weights: Weights, work: Workspace, kept: list[str] | None = None) -> Path:
    """The encoder file of a checkpoint; that of an earlier run of the same checkpoint is taken again."""
    from maker.checkpoints import write_encoder as write_checkpoint
    from maker.checkpoints.source import locate

    located = locate(spec)
    spec = located.spec
    files = sorted(path for path in Path(spec).rglob("*") if path.is_file()) if Path(spec).is_dir() else []
    key = digest(CHECKPOINT_VERSION, spec, weights, kept, [[path.name, file_state(path)] for path in files])
    file = work.file(f"model-{key}.tflite")
    if not file.exists():
        say(f"writing the towers of {spec} as operators, {weights} weights")
        write_checkpoint(located, file, weights=weights, keep_pieces_of=kept)
    return file


def _of_file(path: Path, work: Workspace) -> Path:
    """The encoder file with the towers of a searcher; an encoder file itself.

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
        return path
    (text,) = [tower for kind, tower in towers.items() if kind in SENTENCES]
    (items,) = [tower for kind, tower in towers.items() if kind not in SENTENCES]
    assert isinstance(items, Tower)
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
            preparation=items.preparation,
            sound=items.sound,
        )
    return file


def _check(path: Path, towers: dict[str, AnyTower]) -> None:
    wanted = (("pictures or sounds", {"image", "audio"}), ("sentences", set(SENTENCES)))
    missing = [what for what, kinds in wanted if not kinds & set(towers)]
    if missing:
        raise EncoderError(f"{path}: has no tower for {' and none for '.join(missing)}; {NEEDED}")
    dimensions = {kind: tower.dimension for kind, tower in towers.items()}
    if len(set(dimensions.values())) > 1:
        listed = ", ".join(f"{kind} {dimension}" for kind, dimension in dimensions.items())
        raise EncoderError(f"{path}: the embeddings of its towers differ in length ({listed}); expected towers of one space")
