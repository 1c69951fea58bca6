"""The towers of a checkpoint, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass

from maker.checkpoints.converted import ConvertedTower
from maker.checkpoints.pictures import Pictures
from maker.checkpoints.text import TextTransformer
from maker.checkpoints.vision import VisionTransformer
from maker.encoders.tokenizer_file import TokenizerFile


@dataclass(frozen=True)
class Towers:
    """What a checkpoint holds.

    Attributes:
        family: `clip`, `siglip`, `chinese_clip`, `bert` or `open_clip`.
        text: The tower for texts.
        tokenizer: Its tokenizer.
        image: The tower for pictures; None in a sentence encoder.
        pictures: What is done to a picture before it.
    """

    family: str
    text: TextTransformer
    tokenizer: TokenizerFile
    image: VisionTransformer | ConvertedTower | None = None
    pictures: Pictures | None = None
