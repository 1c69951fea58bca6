"""A pretrained, frozen text tower in a build. Its features of captions are kept in the work folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maker.embedding.sentence_features import SentenceFeatures, sentence_features
from maker.encoders.convert import on_disk
from maker.encoders.embedder import open_embedder
from maker.encoders.sentence_tower import TextBackbone, TextEncoder
from maker.encoders.text import BESIDE_WORDS, CHECKPOINTS, WORDS, parse_text_spec, text_backbone
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import EncoderError
from maker.export.encoder_file import write_encoder
from maker.workspace import Workspace, content_digest, digest

if TYPE_CHECKING:
    from maker.training.frozen_text import TextFeatures


@dataclass(frozen=True)
class FrozenTextTower:
    """A text tower that is not trained.

    Attributes:
        spec: The spec of the tower.
        tower: The tower; None if nothing is exported behind it.
        file: The tower as a file, with a signature `embed_text` or `embed_tokens` that returns the features.
        with_words: Whether a `words` tower is trained beside it.
    """

    spec: str
    tower: TextBackbone | None
    file: Path
    with_words: bool = False

    @property
    def digest(self) -> str:
        """Digest of the tower and its tokenizer."""
        return content_digest(self.file)

    def features(self, texts: Iterable[str], work: Workspace) -> SentenceFeatures:
        """The features of sentences; they are cached."""
        return sentence_features(texts, self.file, work)

    def to_train_on(self, texts: Iterable[str], work: Workspace) -> TextFeatures:
        """The features of sentences, for training."""
        from maker.training.frozen_text import TextFeatures

        features = self.features(texts, work)
        return TextFeatures(self.tower, features.rows, features.values, self.with_words)


def open_text_tower(
    spec: str, options: TextModelOptions, work: Workspace, texts: Iterable[str], name: str = "text-backbone.tflite"
) -> FrozenTextTower | None:
    """Opens the tower of a spec, its tokenizer compared with its library on `texts`; None for `words`, which is trained.

    It is written to the work folder under `name`.

    Raises:
        EncoderError: The model or its tokenizer cannot be used, a tokenizer is given for `words`, or words cannot be read beside it.
    """
    kind, _ = parse_text_spec(spec, options)
    if kind == WORDS:
        return None
    tower: TextBackbone = _of_checkpoint(spec, work) if kind in CHECKPOINTS else text_backbone(spec, options, work.folder, texts)
    with_words = spec.startswith(BESIDE_WORDS)
    if with_words and tower.kind != "text":
        raise EncoderError(
            f"text encoder {spec!r}: the tokenizer stays outside the graph, so words cannot be read there; leave out {BESIDE_WORDS}"
        )
    file = work.file(name)
    write_encoder(
        file,
        {tower.kind: TextEncoder(tower, [])},
        {tower.kind: tower.input_shape},
        normalize=False,
        dimension=tower.dimension,
        tokenizer=tower.tokenizer,
    )
    return FrozenTextTower(spec, tower, file, with_words)


def _of_checkpoint(spec: str, work: Workspace) -> TextBackbone:
    """The text tower of a published encoder. Its embeddings, of norm 1, are the features."""
    from maker.checkpoints import write_encoder as write_checkpoint
    from maker.checkpoints.source import locate

    located = locate(spec.removeprefix(BESIDE_WORDS).removeprefix("checkpoint:"))
    file = work.file(f"text-checkpoint-{digest(located.spec, on_disk(located.spec))}.tflite")
    if not file.exists():
        write_checkpoint(located, file, text_only=True)
    (tower,) = open_embedder(file).values()
    return tower
