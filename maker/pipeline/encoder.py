"""An encoder file, and how a build embeds with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maker.embedding.features import Features, image_features
from maker.embedding.project import project
from maker.embedding.rotation import mapped
from maker.embedding.sentence_features import sentence_features
from maker.embedding.texts import embed_texts
from maker.encoders.embedder import embedder_manifest
from maker.encoders.prefix import prefix
from maker.pipeline.corpus_stage import Photos
from maker.pipeline.text_stage import FrozenTextTower
from maker.workspace import Workspace


@dataclass(frozen=True)
class WholeImages:
    """An image tower whose weights were all trained. Photos are embedded by the encoder file.

    Attributes:
        file: The encoder file.
        views: Number of views of a photo, whose mean is its embedding.
    """

    file: Path
    views: int = 1

    def embed(self, photos: Photos, work: Workspace) -> Features:
        """Embeds photos; the embeddings are cached."""
        features = image_features(photos.folder, photos.images, self.file, work, self.views)
        if self.views == 1:
            return features
        return replace(features, values=prefix(features.values, features.values.shape[1]), whole=None)


@dataclass(frozen=True)
class FrozenImages:
    """A frozen image tower with a trained head. The features of the tower are cached.

    Attributes:
        backbone: File with a signature `embed_image` that returns the features.
        head: File that turns features into embeddings.
        views: Number of views of a photo, whose mean features the head takes.
    """

    backbone: Path
    head: Path
    views: int = 1

    def embed(self, photos: Photos, work: Workspace) -> Features:
        """Embeds photos; the features of the tower are cached."""
        features = image_features(photos.folder, photos.images, self.backbone, work, self.views)
        return replace(features, values=project(features.values, self.head), whole=None)


@dataclass(frozen=True)
class LearntWords:
    """The `words` tower. Sentences are embedded by the encoder file."""

    file: Path

    def embed(self, texts: Sequence[str], work: Workspace) -> np.ndarray:
        """Embeds sentences; returns `(n, d)` float32."""
        return embed_texts(texts, self.file)


@dataclass(frozen=True)
class ReadyTexts:
    """A text tower that was not trained in this build. The embeddings of its encoder file are cached."""

    file: Path

    def embed(self, texts: Sequence[str], work: Workspace) -> np.ndarray:
        """Embeds sentences; returns `(n, d)` float32."""
        features = sentence_features(texts, self.file, work)
        return features.values[[features.rows[text] for text in texts]]


@dataclass(frozen=True)
class FrozenText:
    """A frozen text tower with a trained head. The features of the tower are cached."""

    tower: FrozenTextTower
    head: Path

    def embed(self, texts: Sequence[str], work: Workspace) -> np.ndarray:
        """Embeds sentences; returns `(n, d)` float32. The features of the tower are cached."""
        features = self.tower.features(texts, work)
        return project(features.values, self.head)[[features.rows[text] for text in texts]]


@dataclass(frozen=True)
class JointText:
    """A frozen text tower with a trained head, and a `words` tower beside it.

    Attributes:
        frozen: The frozen tower.
        words: File with the `words` tower alone.
        encoder: The encoder file, which holds what the words are multiplied by.
    """

    frozen: FrozenText
    words: Path
    encoder: Path

    @property
    def head(self) -> Path:
        """The head of the frozen tower."""
        return self.frozen.head

    def embed(self, texts: Sequence[str], work: Workspace) -> np.ndarray:
        """Embeds sentences; returns `(n, d)` float32. The features of the frozen tower are cached."""
        described = embedder_manifest(self.encoder)
        assert described is not None
        factor = np.float32(described.encoders["text"]["words_factor"])
        total = factor * embed_texts(texts, self.words) + self.frozen.embed(texts, work)
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), np.float32(1e-12))


@dataclass(frozen=True)
class Encoder:
    """An encoder.

    Attributes:
        file: The encoder file, with `embed_image` and `embed_text` or `embed_tokens`.
        images: How photos are embedded.
        texts: How sentences are embedded.
        dimension: Number of leading dimensions to keep, normalised again; None for all.
        text_map, image_map: `(d, e)` float32, what `file` has behind the towers that `texts` and `images` embed with; None for nothing.
        lines: What the summary says of them.
    """

    file: Path
    images: WholeImages | FrozenImages
    texts: LearntWords | ReadyTexts | FrozenText | JointText
    dimension: int | None = None
    text_map: np.ndarray | None = None
    image_map: np.ndarray | None = None
    lines: Sequence[str] = ()

    @property
    def trained(self) -> list[Path]:
        """The files that training writes."""
        parts = self.images, self.texts
        heads = [part.head for part in parts if isinstance(part, (FrozenImages, FrozenText, JointText))]
        return [self.file, *heads, *([self.texts.words] if isinstance(self.texts, JointText) else [])]

    @property
    def curves(self) -> Path:
        """The plot of its training."""
        return self.file.with_suffix(".png")

    def embed_images(self, photos: Photos, work: Workspace) -> Features:
        """Embeds photos; those that cannot be read are rejected."""
        features = self.images.embed(photos, work)
        return replace(features, values=self._cut(_mapped(features.values, self.image_map)))

    def embed_texts(self, texts: Sequence[str], work: Workspace) -> np.ndarray:
        """Embeds sentences; returns `(n, d)` float32."""
        return self._cut(_mapped(self.texts.embed(texts, work), self.text_map))

    def _cut(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings if self.dimension in (None, embeddings.shape[1]) else prefix(embeddings, self.dimension)


def _mapped(embeddings: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    return embeddings if matrix is None else mapped(embeddings, matrix)
