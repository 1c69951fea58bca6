"""Opens a corpus: the captions, their photos, and the photos to index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from maker.data.captions import TRAIN, VALIDATION, Caption, CaptionFile, as_split, open_captions, select_language
from maker.data.formats import CAPTION_FORMATS
from maker.data.image_names import ImageNames
from maker.data.images import list_images
from maker.data.parts import Parts
from maker.data.splits import Splits, split_captions
from maker.errors import DataError
from maker.pipeline.options import Corpus
from maker.progress import say
from maker.queries import read_queries
from maker.workspace import Rejects, Workspace
from task.format.moment import file_of, moment_of

Lister: TypeAlias = Callable[[Path, Rejects], list[str]]


@dataclass(frozen=True)
class Photos:
    """The items of a folder, photos, sounds or moments, by their names: paths relative to it, with the part of a recording or video."""

    folder: Path
    images: list[str]


@dataclass(frozen=True)
class OpenedCorpus:
    """The opened corpus.

    Attributes:
        training: All photos in the folder of the captioned photos.
        searched: The photos to index; the same object as `training` unless another folder is searched.
        splits: The captions, each of a photo in `training`; without captions, both splits are empty.
        queries: The typical queries of the user's list; None without a list.
    """

    training: Photos
    searched: Photos
    splits: Splits
    queries: list[str] | None = None

    @property
    def searches_another_folder(self) -> bool:
        """Whether the photos to index are in another folder than the training photos."""
        return self.searched is not self.training

    def captioned(self) -> list[str]:
        """The training photos that have captions."""
        named = {c.image for c in (*self.splits.train, *self.splits.validation)}
        return [image for image in self.training.images if image in named]


def open_corpus(corpus: Corpus, seed: int, work: Workspace, listed: Lister = list_images) -> OpenedCorpus:
    """Reads the captions or the list of queries, and lists the items.

    Args:
        corpus: The files and folders.
        seed: Seed for choosing held-out photos if the captions have no splits.
        work: Gets the rejected inputs, and the images that a captions file contains.
        listed: Lists the items of a folder: photos, sounds, or the moments of videos.

    Raises:
        DataError: The captions, the list of queries or the folders cannot be used.
    """
    if corpus.captions is None:
        assert corpus.folder is not None  # `Corpus` checked it
        queries = None if corpus.query_list is None else read_queries(corpus.query_list)
        photos = Photos(corpus.folder, listed(corpus.folder, work.rejects))
        return OpenedCorpus(photos, photos, Splits([], [], "no"), queries)
    source = _open_captions(corpus, corpus.captions, work)
    chosen = select_language(source.captions, corpus.language, corpus.captions)
    training = Photos(source.images, listed(source.images, work.rejects))
    searched = training
    if corpus.searched is not None and corpus.searched.resolve() != source.images.resolve():
        searched = Photos(corpus.searched, listed(corpus.searched, work.rejects))
    captions = _of_known_images(chosen, ImageNames(map(file_of, training.images)), corpus.captions, work)
    splits = split_captions(captions, seed, corpus.captions)
    parts = Parts(training.images)
    splits = replace(splits, train=parts.captions(splits.train), validation=parts.captions(splits.validation))
    return OpenedCorpus(training, searched, splits)


def _open_captions(corpus: Corpus, path: Path, work: Workspace) -> CaptionFile:
    """Reads the captions of a file, and appends those of the validation file."""
    folder = work.file("unpacked")
    source = open_captions(path, corpus.folder, folder / "captions", work.rejects, corpus.captions_format)
    say(f"{path}: {len(source.captions)} captions, {CAPTION_FORMATS[source.format]}")
    if corpus.validation_captions is None:
        return source
    held_out = open_captions(corpus.validation_captions, corpus.folder, folder / "validation", work.rejects, corpus.captions_format)
    if held_out.images == source.images:
        joined, parent = [*as_split(source.captions, TRAIN), *as_split(held_out.captions, VALIDATION)], source.images
    else:  # both files contain their images, which are unpacked to two folders
        sides = ((source, TRAIN), (held_out, VALIDATION))
        joined = [replace(c, image=f"{s.images.name}/{c.image}") for s, split in sides for c in as_split(s.captions, split)]
        parent = folder
    return CaptionFile(joined, parent, source.format)


def _of_known_images(captions: list[Caption], known: ImageNames, path: Path, work: Workspace) -> list[Caption]:
    """The captions whose file is in the folder, with its name there; the others are rejected with their line."""
    kept = []
    for caption in captions:
        image, moment = known.of(caption), moment_of(caption.image)
        if image is None and moment is not None:  # a part of a recording
            found = known.find(moment.file)
            image = None if found is None else str(replace(moment, file=found))
        if image is None:
            work.rejects.add(path.name, f"names an absent file: {caption.image}", f"line {caption.line}")
        else:
            kept.append(replace(caption, image=image))
    if not kept:
        raise DataError(f"{path}: none of the files that it names is in the folder; line {captions[0].line} names {captions[0].image}")
    return kept
