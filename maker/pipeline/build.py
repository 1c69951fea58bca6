"""From photos and captions to a searcher file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from maker.data.captions import TRAIN, VALIDATION, Caption, CaptionFile, as_split, open_captions, select_language
from maker.data.duplicates import across_splits
from maker.data.formats import FORMATS
from maker.data.images import list_images
from maker.data.rejects import Rejects
from maker.data.splits import Splits, split_captions
from maker.embedding.features import Features
from maker.embedding.texts import embed_texts
from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import SCRATCH, parse_spec
from maker.errors import BuildError, DataError, MakerError
from maker.files import refuse_overwrite
from maker.pipeline.index import IndexSettings, Queries, write_index
from maker.pipeline.report import BuildReport, file_lines, line
from maker.pipeline.training_stage import EncoderFiles, train_encoder
from maker.progress import say
from maker.training.metrics import nearest_positive_ranks, ranks, recall, retrieval
from maker.training.options import options_for

EXAMPLES = 5  # golden text queries
TUNING_QUERIES = 1000
PROBE = ".maker-probe"
T = TypeVar("T")


def build(
    images: Path | None,
    captions: Path,
    output: Path,
    *,
    captions_format: str = "auto",
    validation_captions: Path | None = None,
    corpus: Path | None = None,
    language: str | None = None,
    image_encoder: str = SCRATCH,
    image_model: ImageModelOptions | None = None,
    work_dir: Path | None = None,
    overwrite: bool = False,
    user_info: str = "",
    recipe: str = "default",
    training: Mapping[str, Any] | None = None,
    index: IndexSettings | None = None,
) -> BuildReport:
    """Trains on images and captions, embeds a folder, indexes it and writes the searcher.

    Args:
        images: Folder of the training photos; the captions name them relative to it. None where the captions file holds them.
        captions: Captions file.
        output: The searcher to write.
        captions_format: A name of `maker.data.formats.FORMATS`, or `auto` to recognise it by content.
        validation_captions: A file whose captions are all of the validation split.
        corpus: Folder to be searched; `images` where None.
        language: Only captions of this language.
        image_encoder: Spec of the image tower.
        image_model: Weights, size and pooling of a converted model.
        work_dir: Where stages keep their results; the output's name with suffix `.work` where None.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns.
        recipe: A name in `maker.training.options.RECIPES`.
        training: Fields of `TrainingOptions` that are not to have the defaults of the kind of image tower.
        index: What the index is asked for.

    Returns:
        What was done, with the figures.

    Raises:
        MakerError: An input or option cannot be used; nothing is written at `output`.
    """
    begin = time.perf_counter()
    refuse_overwrite(output, overwrite)
    kind, _ = parse_spec(image_encoder)
    work = _work_folder(work_dir, output)
    rejects, options = Rejects(), options_for(kind == SCRATCH, recipe, **(training or {}))
    try:
        source = _open(captions, validation_captions, images, captions_format, work, rejects)
        chosen, images = select_language(source.captions, language, captions), source.images
        known = list_images(images, rejects)
        searched = list_images(corpus, rejects) if corpus else known
        splits = split_captions(_of_known_images(chosen, set(known), captions, rejects), options.seed, captions)
        files = train_encoder(images, known, splits, image_encoder, image_model or ImageModelOptions(), options, work, rejects)
        items = files.embed(corpus or images, searched, work, rejects)
        held_out = sorted({c.image for c in splits.validation})
        validated = items if corpus is None else files.embed(images, known if files.head else held_out, work, rejects) if held_out else None
    except MakerError:
        rejects.write(work / "rejects.tsv")
        raise
    rejects.write(work / "rejects.tsv")
    twins = across_splits(splits, dict(zip(validated.images, validated.hashes, strict=True))) if validated else []
    asked = _spread([c.text for c in splits.validation or splits.train], TUNING_QUERIES)
    queries = Queries(embed_texts(asked, files.encoder), "held-out captions" if splits.validation else "training captions")
    manifest = write_index(
        items.values,
        [image.encode() for image in items.images],
        output,
        files.encoder,
        index or IndexSettings(),
        queries=queries,
        user_info=user_info,
        report=_validate(files, splits, validated, len(twins)) if validated else {},
        examples=_spread(asked, EXAMPLES),
    )
    rejected = len(rejects.rows)
    figures = {
        "photos": len(items.images),
        "rejected": rejected,
        "bytes": output.stat().st_size,
        "seconds": round(time.perf_counter() - begin, 1),
        **manifest.report,
    }
    where = f": {rejects.summary()}; see {work / 'rejects.tsv'}" if rejected else ""
    lines = [
        line("photos", f"{len(items.images)} read and indexed, {rejected} inputs rejected{where}"),
        *(
            [line("", f"{len(twins)} held-out images look like a training image, the first {twins[0][0]} like {twins[0][1]}")]
            if twins
            else []
        ),
        *file_lines(manifest, output),
        line("time", f"{figures['seconds']} s"),
    ]
    return BuildReport(figures, lines)


def _open(captions: Path, validation: Path | None, images: Path | None, format: str, work: Path, rejects: Rejects) -> CaptionFile:
    """The captions, with those of the validation file behind them."""
    folder = work / "unpacked"
    source = open_captions(captions, images, folder / "captions", rejects, format)
    say(f"{captions}: {len(source.captions)} captions, {FORMATS[source.format]}")
    if validation is None:
        return source
    held_out = open_captions(validation, images, folder / "validation", rejects, format)
    if held_out.images == source.images:
        joined, parent = [*as_split(source.captions, TRAIN), *as_split(held_out.captions, VALIDATION)], source.images
    else:  # both hold their images, unpacked side by side
        sides = ((source, TRAIN), (held_out, VALIDATION))
        joined = [replace(c, image=f"{s.images.name}/{c.image}") for s, split in sides for c in as_split(s.captions, split)]
        parent = folder
    return CaptionFile(joined, parent, source.format)


def _work_folder(work_dir: Path | None, output: Path) -> Path:
    """The work folder, made; whether it can be written to is better known before training than after."""
    work = work_dir or output.with_suffix(".work")
    if work == output:
        raise BuildError(f"{output}: the work folder would be the output itself; pass --work-dir, or an output that ends in .tflite")
    try:
        work.mkdir(parents=True, exist_ok=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        for folder in (work, output.parent):
            (folder / PROBE).touch()
            (folder / PROBE).unlink()
    except OSError as error:
        raise BuildError(f"{error.filename}: cannot be written to ({error.strerror})") from error
    return work


def _of_known_images(captions: list[Caption], known: set[str], path: Path, rejects: Rejects) -> list[Caption]:
    """The captions whose image is in the folder; the others are rejected by line."""
    for caption in captions:
        if caption.image not in known:
            rejects.add(path.name, f"names an absent image: {caption.image}", f"line {caption.line}")
    kept = [c for c in captions if c.image in known]
    if not kept:
        raise DataError(f"{path}: none of the images that it names is in the folder; line {captions[0].line} names {captions[0].image}")
    return kept


def _validate(files: EncoderFiles, splits: Splits, embedded: Features, twins: int) -> dict[str, Any]:
    """Text-to-image recall among the held-out images, by the encoder as it is exported and exact search."""
    rows = embedded.rows()
    captions = [c for c in splits.validation if c.image in rows]
    if not captions:
        return {}
    images = sorted({c.image for c in captions})
    places = {image: place for place, image in enumerate(images)}
    queries = embed_texts([c.text for c in captions], files.encoder)
    items = np.asarray(embedded.values[[rows[image] for image in images]])
    targets = np.array([places[c.image] for c in captions])
    found = ranks(queries, items, targets)
    figures: dict[str, Any] = {**retrieval(found, targets), "queries": len(captions), "images": len(images)}
    figures["images_like_a_training_image"] = twins
    figures["image_to_text"] = recall(nearest_positive_ranks(items, queries, targets))
    languages = np.array([c.language for c in captions])
    if len(set(languages)) > 1:
        figures["languages"] = {name: retrieval(found[languages == name], targets[languages == name]) for name in sorted(set(languages))}
    figures["how"] = f"text to image among the images of the {splits.how} validation split, exported towers, exact search"
    return {"retrieval": figures}


def _spread(values: Sequence[T], count: int) -> list[T]:
    """At most `count` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
