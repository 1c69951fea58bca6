"""What a build is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import SCRATCH, parse_spec
from maker.encoders.text import WORDS, parse_text_spec
from maker.encoders.tokenizer_file import TextModelOptions
from maker.pipeline.tuning import IndexSettings
from maker.report.card import CardFields
from maker.training.options import TrainingOptions, options_for


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What is trained on, and what is searched.

    Attributes:
        captions: The captions file.
        images: Folder of the training photos; the captions name them relative to it. None where the captions file holds its images.
        captions_format: A name of `maker.data.formats.CAPTION_FORMATS`, or `auto` to recognise it by content.
        validation_captions: A file whose captions are all of the validation split.
        searched: Folder whose photos are searched; `images` where None. Without captions of another folder its file has no relevance curve.
        language: Only captions of this language; all where None.
    """

    captions: Path
    images: Path | None = None
    captions_format: str = "auto"
    validation_captions: Path | None = None
    searched: Path | None = None
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class TowerOptions:
    """Which towers embed images and text.

    Attributes:
        image_encoder: Spec of the image tower.
        image_model: Weights, size and pooling of a converted image model.
        text_encoder: Spec of the text tower.
        text_model: Tokenizer, length and pooling of a pretrained text model.
    """

    image_encoder: str = SCRATCH
    image_model: ImageModelOptions = field(default_factory=ImageModelOptions)
    text_encoder: str = WORDS
    text_model: TextModelOptions = field(default_factory=TextModelOptions)

    def __post_init__(self) -> None:
        """Checks the specs.

        Raises:
            EncoderError: One is of an unknown kind or incomplete, or a tokenizer is given for `words`.
        """
        parse_spec(self.image_encoder)
        parse_text_spec(self.text_encoder, self.text_model)

    @property
    def from_scratch(self) -> bool:
        """Whether the image tower is trained."""
        return self.image_encoder == SCRATCH


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a searcher is built.

    Attributes:
        towers: The towers.
        recipe: A name in `maker.training.options.RECIPES`.
        training: Fields of `TrainingOptions` that differ from the defaults of the recipe and the kind of image tower.
        index: What the index is asked for.
        card: What the model card cannot know by itself; it goes into the file, and beside it with suffix `.card.md`.
        user_info: Text that `get_user_info` returns.
        report: Write a report beside the file, with suffix `.report.html`.
        work_dir: Where stages keep their results; the output's name with suffix `.work` where None.
        overwrite: Replace an existing output.
    """

    towers: TowerOptions = field(default_factory=TowerOptions)
    recipe: str = "default"
    training: Mapping[str, Any] = field(default_factory=dict)
    index: IndexSettings = field(default_factory=IndexSettings)
    card: CardFields = field(default_factory=CardFields)
    user_info: str = ""
    report: bool = True
    work_dir: Path | None = None
    overwrite: bool = False

    def training_options(self) -> TrainingOptions:
        """All options of the training.

        Raises:
            TrainingError: A value is out of its range.
        """
        return options_for(self.towers.from_scratch, self.recipe, **self.training)
