"""The teacher of a build: a larger encoder whose answers the `words` tower learns. Its embeddings are kept in the work folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maker.data.splits import Splits
from maker.data.text_file import read_lines
from maker.embedding.features import image_features
from maker.encoders.embedder import SENTENCES, open_embedder
from maker.encoders.phrases import mine_phrases
from maker.encoders.text import is_text_spec
from maker.errors import DataError, EncoderError
from maker.pipeline.built_in_queries import SCRIPTS
from maker.pipeline.corpus_stage import Photos
from maker.pipeline.options import TowerOptions
from maker.pipeline.ready_towers import teacher_file, views_of_file
from maker.pipeline.text_stage import FrozenTextTower, open_text_tower
from maker.queries import LANGUAGES, built_in_queries
from maker.workspace import Workspace, digest

if TYPE_CHECKING:
    from maker.training.teaching import TeacherFeatures

EXPECTED = "expected a searcher or encoder file with the signature embed_text, or tflite:PATH and --tokenizer for a model of sentences"


@dataclass(frozen=True)
class TeacherTower:
    """A teacher.

    Attributes:
        text: Its text tower.
        images: The file, if it embeds images into the same space; else None.
        sentences: The lines of --teacher-texts; without it the built-in queries in the languages of the captions.
    """

    text: FrozenTextTower
    images: Path | None
    sentences: list[str]

    @property
    def key(self) -> list[str]:
        """What a run depends on."""
        return [self.text.digest, digest(self.sentences)]

    def teach(self, splits: Splits, photos: Photos, images: Sequence[str], work: Workspace) -> TeacherFeatures:
        """The teacher's embeddings of captions, phrases and sentences, and of `images`; all are cached.

        Raises:
            EncoderError: The teacher cannot read a photo that the image tower can, or its towers are not of one space.
        """
        from maker.training.teaching import TeacherFeatures

        captions = [c.text for c in splits.train]
        phrases = mine_phrases(captions, np.arange(len(captions))).texts
        sentences = [text for text in dict.fromkeys(self.sentences) if text not in set(phrases)]
        texts = self.text.to_train_on([*captions, *(c.text for c in splits.validation), *phrases, *sentences], work)
        values = None
        if self.images is not None:
            features = image_features(photos.folder, photos.images, self.images, work, views_of_file(self.images))
            rows = features.rows()
            missing = [image for image in images if image not in rows]
            if missing:
                raise EncoderError(f"--teacher {self.images}: cannot embed {missing[0]} and {len(missing) - 1} others; see rejects.tsv")
            values = np.asarray(features.values[[rows[image] for image in images]], np.float32)
            if values.shape[1] != texts.values.shape[1]:
                raise EncoderError(
                    f"--teacher {self.images}: embeds text in {texts.values.shape[1]} dimensions and images in {values.shape[1]}; "
                    "expected towers of one space"
                )
        return TeacherFeatures(texts, phrases, sentences, values)


def open_teacher(towers: TowerOptions, work: Workspace, texts: Sequence[str]) -> TeacherTower | None:
    """Opens the teacher of the options; None if they name none.

    Raises:
        DataError: The file of sentences is missing, damaged or empty.
        EncoderError: The teacher cannot be opened, or embeds no text.
    """
    if towers.teacher is None:
        return None
    sentences = read_sentences(towers.teacher_texts) if towers.teacher_texts else _built_in(texts)
    if is_text_spec(towers.teacher):
        text = open_text_tower(towers.teacher, towers.text_model, work, texts, "teacher.tflite")
        assert text is not None
        return TeacherTower(text, None, sentences)
    path = teacher_file(towers, work)
    if not path.is_file():
        raise EncoderError(f"--teacher {path}: no such file; {EXPECTED}")
    found = open_embedder(path)
    kinds = [kind for kind in SENTENCES if kind in found]
    if not kinds:
        raise EncoderError(f"--teacher {path}: embeds {' and '.join(found)}, not text; {EXPECTED}")
    return TeacherTower(FrozenTextTower(path.name, None, path), path if "image" in found else None, sentences)


def _built_in(captions: Sequence[str]) -> list[str]:
    """The built-in queries in the languages of the captions, told by their letters."""
    letters = "".join(captions)
    found = [language for language, script in zip(LANGUAGES, SCRIPTS, strict=True) if script.search(letters)]
    return list(dict.fromkeys(getattr(query, language) for query in built_in_queries() for language in found))


def read_sentences(path: Path) -> list[str]:
    """The lines of a text file, each once; empty lines are left out."""
    lines = list(dict.fromkeys(" ".join(line.split()) for line in read_lines(path, "list of sentences") if line.strip()))
    if not lines:
        raise DataError(f"--teacher-texts {path}: is empty; expected a sentence or phrase in each line")
    return lines
