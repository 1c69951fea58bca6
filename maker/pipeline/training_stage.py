"""Trains an encoder, or reuses that of an earlier run with the same inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maker.data.captions import Caption
from maker.data.splits import Splits
from maker.embedding.features import Features, image_features
from maker.embedding.pixels import image_pixels
from maker.embedding.project import write_head
from maker.encoders.audio import sound_tower
from maker.encoders.convert import open_keras
from maker.encoders.embedder import Tower
from maker.encoders.image import ImageEncoder, Mirrored, backbone, parse_spec
from maker.encoders.inner_layers import with_inner_layers
from maker.encoders.joint import JointTower
from maker.encoders.layers import in_int8
from maker.encoders.low_rank import low_rank
from maker.encoders.phrases import mine_phrases
from maker.encoders.sentence_tower import SentenceTower, TextEncoder
from maker.encoders.text import BESIDE_WORDS
from maker.encoders.token_tower import TokenTower
from maker.encoders.weights import Weights
from maker.encoders.words import WordsTower
from maker.errors import DataError, TrainingError
from maker.evaluation.training_curves import draw_training_curves
from maker.export.encoder_file import write_encoder
from maker.pipeline.corpus_stage import OpenedCorpus
from maker.pipeline.encoder import Encoder, FrozenImages, FrozenText, JointText, LearntWords, WholeImages
from maker.pipeline.options import FROZEN_VIEWS, TowerOptions
from maker.pipeline.teacher_stage import TeacherTower, open_teacher
from maker.pipeline.text_stage import FrozenTextTower, open_text_tower
from maker.pipeline.training_run import TrainingRun, check_unfreezing, open_replicas
from maker.training.options import CNN_SIZE, TrainingOptions
from maker.workspace import Rejects, Workspace, content_digest, file_state
from task.format.moment import file_of

if TYPE_CHECKING:
    from maker.training.replicas import Replicas
    from maker.training.train import Trained

CACHE_VERSION = 9  # changes whenever training gives another result for the same inputs


def train_encoder(corpus: OpenedCorpus, towers: TowerOptions, options: TrainingOptions, work: Workspace) -> Encoder | None:
    """Trains both towers.

    Args:
        corpus: Captions and their photos.
        towers: Which towers to train.
        options: Hyperparameters.
        work: Keeps the results and gets the photos that cannot be read.

    Returns:
        The trained encoder; None on a host that is not the chief, which has nothing more to do.

    Raises:
        MakerError: An input cannot be used.
    """
    spec = towers.audio_encoder or towers.image_encoder
    check_unfreezing("" if towers.audio_encoder else parse_spec(spec)[0], spec, options)
    if towers.audio_encoder and options.mirrored_features:
        raise TrainingError("--mirrored-features: is for pictures; leave it out")
    photos, splits = corpus.training, corpus.splits
    captions = [c.text for c in (*splits.train, *splits.validation)]
    teacher = open_teacher(towers, work, captions)  # a tokenizer is then the teacher's
    text = None if teacher else open_text_tower(towers.text_encoder, towers.text_model, work, captions)
    replicas = open_replicas(options)
    states = [file_state(photos.folder / file_of(image)) for image in corpus.captioned()]
    inputs = [CACHE_VERSION, spec, _texts(splits.train), _texts(splits.validation), states]
    inputs += [text.digest, text.with_words] if text else []
    inputs += teacher.key if teacher else []
    inputs += [towers.weights] if towers.weights != "int8" else []
    inputs += [towers.head_rank] if towers.head_rank else []
    train = _train_from_scratch if towers.from_scratch else _train_on_frozen_features
    return train(corpus, towers, options, work, _Inputs(inputs, text, teacher, replicas))


@dataclass(frozen=True)
class _Inputs:
    """The inputs that both kinds of training share.

    Attributes:
        key: The inputs that the key of the run is made of.
        text: The frozen text tower; None trains the `words` tower.
        teacher: What the `words` tower learns from, beside the captions; None for none.
        replicas: The devices that share a batch; None for the default device.
    """

    key: list[Any]
    text: FrozenTextTower | None
    teacher: TeacherTower | None
    replicas: Replicas | None

    def texts(self, run: TrainingRun) -> LearntWords | FrozenText | JointText:
        """How the encoder of the run embeds sentences."""
        if self.text is None:
            return LearntWords(run.file("encoder"))
        frozen = FrozenText(self.text, run.file("text-head"))
        return JointText(frozen, run.file("words"), run.file("encoder")) if self.text.with_words else frozen


def _train_from_scratch(
    corpus: OpenedCorpus, towers: TowerOptions, options: TrainingOptions, work: Workspace, inputs: _Inputs
) -> Encoder | None:
    """Trains a small CNN and a text tower from pixels and captions."""
    run = TrainingRun.of(work, inputs.key, options, inputs.replicas)
    encoder = Encoder(run.file("encoder"), WholeImages(run.file("encoder"), towers.views or 1), inputs.texts(run))
    unreadable = run.file("rejects", ".tsv")
    if run.is_due(encoder.trained):
        from maker.training.train import train_scratch

        rejects = Rejects()
        readable, pixels = image_pixels(corpus.training.folder, corpus.captioned(), CNN_SIZE, rejects)
        splits = _readable(corpus.splits, readable)
        rows = {image: row for row, image in enumerate(readable)}
        texts = _to_train_on(splits, inputs.text, options, work)
        trained = train_scratch(splits, rows, pixels, options, run.start(), texts)
        if run.is_chief:
            trained = _stored(trained, towers.weights)
            rejects.write(unreadable)
            _write(trained, encoder, towers, splits)
    if not run.is_chief:
        return None
    run.remove_checkpoints()  # also those of a run that was killed before it could
    work.rejects.read(unreadable)
    return encoder


def _train_on_frozen_features(
    corpus: OpenedCorpus, towers: TowerOptions, options: TrainingOptions, work: Workspace, inputs: _Inputs
) -> Encoder | None:
    """Trains a head and a text tower over cached features, and from `unfreeze_from` on the image tower too."""
    photos = corpus.training
    views = 1
    if towers.audio_encoder:
        tower = sound_tower(towers.audio_encoder, towers.sound_model, work.folder)
    else:
        tower = backbone(towers.image_encoder, towers.image_model, work.folder)
        if not options.unfreeze_from:
            views = towers.views or FROZEN_VIEWS
            tower = with_inner_layers(tower) if towers.inner_layers else tower  # a Keras model that is trained gives its output only
    frozen = work.file("backbone.tflite")
    _write_features(frozen, ImageEncoder(tower, []), tower)
    features = image_features(photos.folder, photos.images, frozen, work, views)
    run = TrainingRun.of(work, [*inputs.key, content_digest(frozen), views], options, inputs.replicas)
    images: WholeImages | FrozenImages = FrozenImages(frozen, run.file("head"), views)
    if options.unfreeze_from:
        images = WholeImages(run.file("encoder"), towers.views or 1)
    encoder = Encoder(run.file("encoder"), images, inputs.texts(run))
    if run.is_due(encoder.trained):
        from maker.training.fine_tuning import Backbone
        from maker.training.train import train_frozen

        splits = _readable(corpus.splits, features.images)
        kind, rest = parse_spec(towers.image_encoder)
        trainable = Backbone(lambda: open_keras(kind, rest, towers.image_model), [photos.folder / image for image in features.images])
        # Queries by image see the whole photo alone, so the head learns from it too.
        variants = [] if features.whole is None else [features.whole]
        variants += [_mirrored(photos.folder, features, splits, tower, work)] if options.mirrored_features else []
        texts = _to_train_on(splits, inputs.text, options, work)
        teacher = inputs.teacher.teach(splits, photos, features.images, work) if inputs.teacher else None
        trained = train_frozen(splits, features.rows(), features.values, tower, options, run.start(), trainable, texts, variants, teacher)
        if run.is_chief:
            if towers.head_rank:
                narrow = low_rank(trained.image.head, features.values, towers.head_rank)
                trained = replace(trained, image=replace(trained.image, head=narrow))
            trained = _stored(trained, towers.weights)
            if isinstance(images, FrozenImages):
                write_head(images.head, trained.image.head, tower.dimension)
            _write(trained, encoder, towers, splits)
    if not run.is_chief:
        return None
    run.remove_checkpoints()  # also those of a run that was killed before it could
    return encoder


def _to_train_on(splits: Splits, text: FrozenTextTower | None, options: TrainingOptions, work: Workspace) -> Any:
    """The features of all captions, and of phrases that are labels, by a frozen text tower; None for the `words` tower."""
    if text is None:
        return None
    train, validation = ([c.text for c in captions] for captions in (splits.train, splits.validation))
    phrases = mine_phrases(train, np.arange(len(train))).texts if options.phrase_weight else []
    return text.to_train_on([*train, *validation, *phrases], work)


def _mirrored(folder: Path, features: Features, splits: Splits, tower: Tower, work: Workspace) -> np.ndarray:
    """The features of all images, with those of mirrored images in the rows of training images."""
    encoder = work.file("backbone-mirrored.tflite")
    _write_features(encoder, Mirrored(tower), tower)
    mirrored = image_features(folder, sorted({c.image for c in splits.train}), encoder, work)
    values, rows = np.array(features.values, np.float32), features.rows()
    values[[rows[image] for image in mirrored.images]] = mirrored.values
    return values


def _write_features(path: Path, encoder: ImageEncoder | Mirrored, tower: Tower) -> None:
    """Writes a tower as a file of its own that returns features."""
    given = {tower.kind: encoder}, {tower.kind: tower.input_shape}
    write_encoder(path, *given, normalize=False, dimension=tower.dimension, preparation=tower.preparation, sound=tower.sound)


def _stored(trained: Trained, weights: Weights) -> Trained:
    """The result of training with its heads as they are stored."""
    if weights != "int8":
        return trained
    image = replace(trained.image, head=in_int8(trained.image.head))
    text = trained.text
    if isinstance(text, TextEncoder):
        text = replace(text, head=in_int8(text.head))
    elif isinstance(text, JointTower):
        text = replace(text, sentence=replace(text.sentence, head=in_int8(text.sentence.head)))
    return replace(trained, image=image, text=text)


def _write(trained: Trained, encoder: Encoder, towers: TowerOptions, splits: Splits) -> None:
    """Writes the encoder file, the parts of the text tower and the plot of the training."""
    tower, text = trained.image.backbone, trained.text
    sentence = text.sentence if isinstance(text, JointTower) else text if isinstance(text, TextEncoder) else None
    words = text.words if isinstance(text, JointTower) else text if isinstance(text, WordsTower) else None
    described: dict[str, Any] = {"spec": _portable(towers.text_encoder)}
    kind, tokenizer = "text", None
    shape: tuple[int, ...] = (1, words.size.max_bytes) if words else ()
    if words:
        described |= {"vocabulary": trained.described["vocabulary"], **asdict(words.size)}
    if sentence:
        backbone = sentence.backbone
        assert isinstance(encoder.texts, (FrozenText, JointText))
        write_head(encoder.texts.head, sentence.head, backbone.dimension)
        kind, shape, tokenizer = backbone.kind, backbone.input_shape, backbone.tokenizer
        described["feature"] = backbone.output.name
        if isinstance(backbone, (SentenceTower, TokenTower)):
            described["pool"] = backbone.pool
        if isinstance(backbone, SentenceTower):
            described["tokenizer"] = backbone.tokens.tokenizer.described["tokenizer"]
    dimension = trained.described["options"]["dimension"]
    if isinstance(text, JointTower):
        assert isinstance(encoder.texts, JointText)
        shape = text.input_shape
        described["words_factor"] = text.factor
        write_encoder(encoder.texts.words, {"text": text.words}, {"text": (1, text.words.size.max_bytes)}, dimension=dimension)
    if towers.teacher:
        described["teacher"] = _portable(towers.teacher)
    selected_by = trained.described.get("selected_by", "R@10")
    draw_training_curves(encoder.curves, trained.history, trained.described["options"]["unfreeze_from"], selected_by)
    write_encoder(
        encoder.file,
        {kind: text, tower.kind: trained.image},
        {kind: shape, tower.kind: tower.input_shape},
        dimension=dimension,
        described={"text": described, tower.kind: _described(tower, towers, encoder)},
        training={**trained.described, "split": splits.how, "history": trained.history},
        words=trained.words,
        tokenizer=tokenizer,
        preparation=tower.preparation,
        sound=tower.sound,
    )


def _described(tower: Tower, towers: TowerOptions, encoder: Encoder) -> dict[str, Any]:
    """The tower of the items, for the manifest."""
    described: dict[str, Any] = {"spec": _portable(towers.audio_encoder or towers.image_encoder), "feature": tower.output.name}
    described |= {"inner": [tensor.name for tensor in tower.inner]} if tower.inner else {}
    return described | {"views": encoder.images.views}


def _portable(spec: str) -> str:
    """A spec without folders, which belong to the machine of the build."""
    kind, _, rest = spec.partition(":")
    if kind.removeprefix(BESIDE_WORDS) == "hf":
        return spec
    path, mark, tensor = rest.partition("#")
    return f"{kind}:{Path(path).name}{mark}{tensor}" if rest else Path(spec).name


def _readable(splits: Splits, images: Iterable[str]) -> Splits:
    """The captions whose image could be read."""
    readable = set(images)
    train, validation = ([c for c in captions if c.image in readable] for captions in (splits.train, splits.validation))
    if not train:
        raise DataError("none of the training captions' images can be read")
    return Splits(train, validation, splits.how)


def _texts(captions: Sequence[Caption]) -> list[tuple[str, str]]:
    return [(c.image, c.text) for c in captions]
