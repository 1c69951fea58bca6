"""Options of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maker.collection.engines import Engine
from maker.data.videos import parse_every
from maker.embedding.views import MOST_VIEWS
from maker.encoders.audio import MEL, SoundModelOptions, parse_audio_spec
from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import SCRATCH, parse_spec
from maker.encoders.text import WORDS, is_text_spec, parse_text_spec
from maker.encoders.tokenizer_file import TextModelOptions
from maker.encoders.weights import WEIGHTS, Weights
from maker.errors import UsageError
from maker.pipeline.tuning import IndexSettings
from maker.report.card import CardFields
from maker.training.options import TrainingOptions, options_for

FROZEN_VIEWS = 5


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The captions and photos to train on, and the photos to index.

    Attributes:
        captions: The captions file; None for towers that are ready, see `TowerOptions.model`.
        sounds: Folder of the captioned sounds, in the place of photos.
        videos: Folder of videos, in the place of photos; their moments are the items.
        every: Seconds of a moment before those that look alike are joined, such as `1s`; or `scenes`, from cut to cut.
        images: Folder of the captioned photos; captions name photos relative to it. None if the captions file contains the images.
        captions_format: A name in `maker.data.formats.CAPTION_FORMATS`, or `auto` to recognise it by content.
        validation_captions: A file whose captions all belong to the validation split.
        searched: Folder of the photos or sounds to index; the captioned ones if None. The searcher of another folder has no relevance
            curve.
        language: Take only captions, or built-in queries, of this language; None takes all.
        query_list: Without captions: a text file with a typical query in each line; None for the built-in queries.
    """

    captions: Path | None = None
    sounds: Path | None = None
    videos: Path | None = None
    every: str = "1s"
    images: Path | None = None
    captions_format: str = "auto"
    validation_captions: Path | None = None
    searched: Path | None = None
    language: str | None = None
    query_list: Path | None = None

    def __post_init__(self) -> None:
        """Checks which files are given together.

        Raises:
            UsageError: An option needs captions, or does not go with them.
        """
        folders = (("--images", self.images), ("--sounds", self.sounds), ("--videos", self.videos))
        given = [f"{option} {folder}" for option, folder in folders if folder is not None]
        if len(given) > 1:
            raise UsageError(f"{given[1]}: {given[0]} is given, too; a searcher has items of one kind")
        parse_every(self.every)
        if self.captions is not None:
            if self.query_list is not None:
                raise UsageError(f"--query-list {self.query_list}: the captions are the queries of this build; leave the list out")
            return
        for option, value in (("--validation-captions", self.validation_captions), ("--corpus", self.searched)):
            if value is not None:
                raise UsageError(f"{option} {value}: goes with --captions; without captions, --images is the folder to index")
        if self.folder is None:
            raise UsageError("--images is missing: the folder with the pictures to index, or --sounds or --videos")

    @property
    def folder(self) -> Path | None:
        """The folder of the photos, sounds or videos."""
        return self.images or self.sounds or self.videos

    @property
    def has_photos(self) -> bool:
        """Whether the items are photos."""
        return self.sounds is None and self.videos is None


@dataclass(frozen=True, kw_only=True)
class TowerOptions:
    """Which towers embed images and text.

    Attributes:
        image_encoder: Spec of the image tower, as for --image-encoder.
        audio_encoder: Spec of the sound tower, as for --audio-encoder, in the place of the image tower; None for photos.
        sound_model: Sample rate and length, for a sound tower that does not say them.
        image_model: Weights, input size and pooling of an image model that is converted.
        text_encoder: Spec of the text tower, as for --text-encoder.
        text_model: Tokenizer, length and pooling of a pretrained text model.
        encoder: A searcher or encoder file whose towers are taken as they are, instead of the four above.
        teacher: What the `words` tower learns from, beside the captions: a searcher or encoder file with `embed_text`, or the spec of a
            pretrained text model, whose tokenizer is in `text_model`. None to learn from the captions alone.
        teacher_texts: A text file with further sentences for the teacher, one in each line; None for the built-in queries.
        model: A published dual encoder whose towers are taken as they are, as `maker.checkpoints.write_encoder` takes it.
        head_rank: Directions through which a head over frozen features looks at them; 0 for the full rank.
        adapt: Whether captions train a matrix behind each ready tower, starting from the towers as they are.
        prune_vocabulary: Whether `model` keeps only the pieces of its tokenizer that captions or queries use.
        vocabulary_of: A text file whose pieces are kept, too.
        weights: How the matrices of `model` and of trained heads are stored; `float16` leaves heads in float32.
        inner_layers: Also read inner feature maps of a frozen image tower, if it is a convolutional network.
        views: Number of views of each photo to embed: the whole and crops, from 1 to 6. None for `FROZEN_VIEWS` where a head is trained
            behind a frozen image tower, else 1. The time to embed photos is proportional to it.
    """

    image_encoder: str = SCRATCH
    audio_encoder: str | None = None
    sound_model: SoundModelOptions = field(default_factory=SoundModelOptions)
    image_model: ImageModelOptions = field(default_factory=ImageModelOptions)
    text_encoder: str = WORDS
    text_model: TextModelOptions = field(default_factory=TextModelOptions)
    encoder: Path | None = None
    teacher: str | None = None
    teacher_texts: Path | None = None
    model: str | None = None
    head_rank: int = 0
    adapt: bool = True
    prune_vocabulary: bool = False
    vocabulary_of: Path | None = None
    weights: Weights = "int8"
    inner_layers: bool = True
    views: int | None = None

    def __post_init__(self) -> None:
        """Checks the specs.

        Raises:
            EncoderError: A spec is of an unknown kind or incomplete, or a tokenizer is given for `words`.
            UsageError: Towers are given twice, the teacher has nothing to teach, or the number of views is out of its range.
        """
        given = [
            f"{option} {value}"
            for option, value, usual in (
                ("--image-encoder", self.image_encoder, SCRATCH),
                ("--audio-encoder", self.audio_encoder, None),
                ("--text-encoder", self.text_encoder, WORDS),
                ("--tokenizer", self.text_model.tokenizer, None),
                ("--teacher", self.teacher, None),
            )
            if value != usual
        ]
        ready = [f"{option} {value}" for option, value in (("--encoder", self.encoder), ("--model", self.model)) if value is not None]
        if len([*ready, *given]) > 1 and ready:
            raise UsageError(f"{[*ready, *given][1]}: {ready[0]} has both towers already; leave one of the two out")
        if self.prune_vocabulary and self.model is None:
            raise UsageError("--prune-vocabulary: shortens the tokenizer of --model; name one, or leave it out")
        if self.head_rank < 0:
            raise UsageError(f"--head-rank {self.head_rank}: expected a number above 0, or 0 for the full rank")
        if self.weights not in WEIGHTS:
            raise UsageError(f"--weights {self.weights}: expected one of {', '.join(WEIGHTS)}")
        if self.views is not None and not 1 <= self.views <= MOST_VIEWS:
            raise UsageError(f"--views {self.views}: expected a number from 1, the whole photo, to {MOST_VIEWS}")
        parse_spec(self.image_encoder)
        if self.audio_encoder is not None:
            parse_audio_spec(self.audio_encoder)
            self._check_audio()
        if self.teacher is None:
            if self.teacher_texts is not None:
                raise UsageError(f"--teacher-texts {self.teacher_texts}: there is no teacher; name one with --teacher")
            parse_text_spec(self.text_encoder, self.text_model)
            return
        if self.text_encoder != WORDS:
            raise UsageError(f"--teacher {self.teacher}: teaches a {WORDS} tower; leave out --text-encoder {self.text_encoder}")
        if is_text_spec(self.teacher):
            parse_text_spec(self.teacher, self.text_model)
        elif self.text_model.tokenizer is not None:
            raise UsageError(f"--tokenizer {self.text_model.tokenizer}: --teacher {self.teacher} contains its own; leave --tokenizer out")

    def _check_audio(self) -> None:
        """Refuses what only a tower for pictures takes.

        Raises:
            UsageError: Such an option is given.
        """
        given = (("--image-encoder", self.image_encoder != SCRATCH), ("--views", self.views not in (None, 1)), ("--teacher", self.teacher))
        for option, wrong in given:
            if wrong:
                raise UsageError(f"{option}: is for pictures; leave it out with --audio-encoder {self.audio_encoder}")

    @property
    def ready(self) -> str:
        """The option that names towers which need no captions, with its value; empty if towers are trained."""
        return f"--encoder {self.encoder}" if self.encoder is not None else f"--model {self.model}" if self.model is not None else ""

    @property
    def from_scratch(self) -> bool:
        """Whether the image tower is trained from scratch."""
        return self.image_encoder == SCRATCH and self.audio_encoder is None

    def of(self, corpus: Corpus) -> TowerOptions:
        """The same options with a sound tower, where sounds are to be learnt and none is named."""
        if corpus.sounds is None or self.audio_encoder is not None or self.ready:
            return self
        return replace(self, audio_encoder=MEL)


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a searcher is built.

    Attributes:
        towers: The towers.
        recipe: A name in `maker.training.options.RECIPES`.
        training: Fields of `TrainingOptions` that differ from the defaults, which depend on the recipe and the image tower.
        index: Settings of the index.
        facts: A file of facts about the photos to index (`maker.data.facts_file`).
        lexical: Whether to also index the words of names, captions and facts.
        exif: Whether date and place of the photos become facts.
        card: Fields of the model card, which is written into the file and beside it with suffix `.card.md`.
        user_info: Text that `get_user_info` returns.
        report: Write a report beside the file, with suffix `.report.html`.
        work_dir: The work folder; the output with suffix `.work` if None.
        overwrite: Replace an existing output.
        queries: What the searcher can be asked by: `text`, `image` or `audio`, or by words and by what the items are: `both`. The other
            encoder is left out of the file.
        engine: Where photos and sentences are embedded; None for worker processes of this machine.
    """

    towers: TowerOptions = field(default_factory=TowerOptions)
    recipe: str = "default"
    training: Mapping[str, Any] = field(default_factory=dict)
    index: IndexSettings = field(default_factory=IndexSettings)
    facts: Path | None = None
    exif: bool = True
    lexical: bool = False
    card: CardFields = field(default_factory=CardFields)
    user_info: str = ""
    report: bool = True
    work_dir: Path | None = None
    overwrite: bool = False
    queries: str = "both"
    engine: Engine | None = None

    def training_options(self) -> TrainingOptions:
        """The complete training options.

        Raises:
            TrainingError: A value is out of its range.
        """
        return options_for(self.towers.from_scratch, self.recipe, **self.training)


# Kinds of encoders.
QUERIES = {"both": ("text", "tokens", "image", "audio"), "text": ("text", "tokens"), "image": ("image",), "audio": ("audio",)}
FOR_READY = ("seed", "dimension", "matryoshka")  # the options of a training run that ready towers take too


def check_options(corpus: Corpus, options: BuildOptions) -> None:
    """Checks that there are captions to train on, or towers that need none.

    Raises:
        UsageError: Captions are missing, or an option is of no use without them.
    """
    if options.towers.teacher is not None:
        _check_teacher(options.towers, corpus.captions is not None)
    elif corpus.captions is None and not options.towers.ready:
        raise UsageError("--captions is missing: towers are trained on captions; without any, pass --model or --encoder")
    if corpus.sounds is None and options.towers.audio_encoder is not None:
        raise UsageError(f"--audio-encoder {options.towers.audio_encoder}: is for sounds; name their folder with --sounds")
    if options.queries not in QUERIES:
        raise UsageError(f"--queries {options.queries}: expected one of {', '.join(QUERIES)}")
    trained = [name for name, value in options.training.items() if value is not None and name not in FOR_READY]
    if options.towers.teacher is not None and corpus.captions is None and trained:
        raise UsageError(f"--{trained[0].replace('_', '-')}: without captions, the words are learnt in one way; leave the option out")
    if options.towers.ready and trained:
        flag = "--" + trained[0].replace("_", "-")
        raise UsageError(f"{flag}: the towers of {options.towers.ready} are not trained; leave {flag} out")


def _check_teacher(towers: TowerOptions, captions: bool) -> None:
    """Checks where the image tower comes from.

    Raises:
        UsageError: There is none, or there are two.
    """
    if captions and towers.from_scratch:
        raise UsageError(f"--teacher {towers.teacher}: needs a pretrained image tower; name one with --image-encoder")
    if captions:
        return
    if is_text_spec(str(towers.teacher)):
        raise UsageError(f"--teacher {towers.teacher}: embeds text only; without --captions, name a file that embeds pictures too")
    if not towers.from_scratch:
        raise UsageError(f"--image-encoder {towers.image_encoder}: without --captions, the image tower is the teacher's; leave it out")
