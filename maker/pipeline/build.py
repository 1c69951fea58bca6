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
from maker.data.formats import CAPTION_FORMATS
from maker.data.images import list_images
from maker.data.rejects import Rejects
from maker.data.splits import Splits, split_captions
from maker.embedding.features import Features
from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import SCRATCH, parse_spec
from maker.encoders.text import WORDS, parse_text_spec
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import BuildError, DataError, MakerError
from maker.evaluation.relevance import calibrate, choose_queries
from maker.files import atomic, refuse_overwrite
from maker.pipeline.dimension import check_trained
from maker.pipeline.index import write_index
from maker.pipeline.report import BuildReport, file_lines, line, training_lines
from maker.pipeline.text_stage import open_text_tower
from maker.pipeline.training_run import EVENTS
from maker.pipeline.training_stage import EncoderFiles, train_encoder
from maker.pipeline.tuning import IndexSettings, Queries, routing_queries
from maker.progress import say
from maker.report.card import CardFields, model_card, read_card
from maker.report.write import write_report
from maker.training.metrics import by_language, image_to_text, ranks
from maker.training.options import TrainingOptions, options_for

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
    text_encoder: str = WORDS,
    text_model: TextModelOptions | None = None,
    work_dir: Path | None = None,
    overwrite: bool = False,
    user_info: str = "",
    recipe: str = "default",
    training: Mapping[str, Any] | None = None,
    index: IndexSettings | None = None,
    card: CardFields | None = None,
    report: bool = True,
) -> BuildReport:
    """Trains on images and captions, embeds a folder, indexes it and writes the searcher.

    >>> from pathlib import Path
    >>> from maker.pipeline import build
    >>> report = build(Path("photos"), Path("captions.tsv"), Path("built.tflite"), training={"epochs": 1, "batch_size": 8})
    >>> report.figures["photos"]
    24

    Args:
        images: Folder of the training photos; the captions name them relative to it. None where the captions file holds them.
        captions: Captions file.
        output: The searcher to write.
        captions_format: A name of `maker.data.formats.CAPTION_FORMATS`, or `auto` to recognise it by content.
        validation_captions: A file whose captions are all of the validation split.
        corpus: Folder to be searched; `images` where None. Without captions of another folder its file has no relevance curve.
        language: Only captions of this language.
        image_encoder: Spec of the image tower.
        image_model: Weights, size and pooling of a converted model.
        text_encoder: Spec of the text tower.
        text_model: Tokenizer, length and pooling of a pretrained one.
        work_dir: Where stages keep their results; the output's name with suffix `.work` where None.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns.
        recipe: A name in `maker.training.options.RECIPES`.
        training: Fields of `TrainingOptions` that are not to have the defaults of the kind of image tower.
        index: What the index is asked for.
        card: What the model card cannot know of itself; it goes into the file, and beside it with suffix `.card.md`.
        report: Write a report beside the file, with suffix `.report.html`.

    Returns:
        What was done, with the figures.

    Raises:
        MakerError: An input or option cannot be used; nothing is written at `output`.
    """
    begin = time.perf_counter()
    refuse_overwrite(output, overwrite)
    kind, _ = parse_spec(image_encoder)
    text_model, index = text_model or TextModelOptions(), index or IndexSettings()
    parse_text_spec(text_encoder, text_model)
    rejects, options = Rejects(), options_for(kind == SCRATCH, recipe, **(training or {}))
    check_trained(index.dimension, options.dimension, options.matryoshka, "this run")
    work = _work_folder(work_dir, output, options)
    try:
        source = _open(captions, validation_captions, images, captions_format, work, rejects)
        chosen, images = select_language(source.captions, language, captions), source.images
        if corpus and corpus.resolve() == images.resolve():
            corpus = None
        known = list_images(images, rejects)
        searched = list_images(corpus, rejects) if corpus else known
        splits = split_captions(_of_known_images(chosen, set(known), captions, rejects), options.seed, captions)
        text = open_text_tower(text_encoder, text_model, work)
        files = train_encoder(images, known, splits, image_encoder, image_model or ImageModelOptions(), options, work, rejects, text)
        if files is None:
            return BuildReport({}, [line("training", "done; the chief, worker 0 of TF_CONFIG, writes the searcher")])
        files = replace(files, dimension=index.dimension)
        items = files.embed(corpus or images, searched, work, rejects)
        held_out = sorted({c.image for c in splits.validation})
        validated = items if corpus is None else files.embed(images, known if files.head else held_out, work, rejects) if held_out else None
    except MakerError:
        rejects.write(work / "rejects.tsv")
        raise
    rejects.write(work / "rejects.tsv")
    twins = across_splits(splits, dict(zip(validated.images, validated.hashes, strict=True))) if validated else []
    asked = _spread([c.text for c in splits.validation or splits.train], TUNING_QUERIES)
    learning = _spread([c.text for c in splits.train], routing_queries(items.values)) if splits.validation else []
    queries = Queries(
        files.embed_texts(asked, work),
        "held-out captions" if splits.validation else "training captions",
        files.embed_texts(learning, work) if learning else np.zeros((0, 0), np.float32),
        "training captions",
    )
    manifest = write_index(
        items.values,
        [image.encode() for image in items.images],
        output,
        files.encoder,
        index,
        queries=queries,
        user_info=user_info,
        report=_validate(files, splits, validated, len(twins), work) if validated else {},
        relevance=_relevance(files, splits, validated, work) if validated and not corpus and index.distance == "dot_product" else {},
        examples=_spread(asked, EXAMPLES),
        card=lambda manifest: model_card(manifest, card or CardFields(), output.stem),
    )
    documents = _write_documents(output, corpus or images, splits.validation, report)
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
        *training_lines(manifest, files.curves, work / EVENTS),
        *file_lines(manifest, output),
        *([line("relevance", f"none: a curve takes captions of what is searched, and those given are not of {corpus}")] if corpus else []),
        line("documents", ", ".join(map(str, documents))),
        line("time", f"{figures['seconds']} s"),
    ]
    return BuildReport(figures, lines)


def _open(captions: Path, validation: Path | None, images: Path | None, format: str, work: Path, rejects: Rejects) -> CaptionFile:
    """The captions, with those of the validation file behind them."""
    folder = work / "unpacked"
    source = open_captions(captions, images, folder / "captions", rejects, format)
    say(f"{captions}: {len(source.captions)} captions, {CAPTION_FORMATS[source.format]}")
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


def _work_folder(work_dir: Path | None, output: Path, options: TrainingOptions) -> Path:
    """The work folder, made; whether it can be written to is better known before training than after."""
    work = work_dir or output.with_suffix(".work")
    if options.distribute == "multi_worker":
        from maker.training.replicas import task

        host, _ = task()
        work = work / f"worker-{host}" if host else work  # of its own, also where hosts share a disk
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


def _validate(files: EncoderFiles, splits: Splits, embedded: Features, twins: int, work: Path) -> dict[str, Any]:
    """Retrieval among the held-out images, by the encoder as it is exported and exact search."""
    rows = embedded.rows()
    captions = [c for c in splits.validation if c.image in rows]
    if not captions:
        return {}
    images = sorted({c.image for c in captions})
    places = {image: place for place, image in enumerate(images)}
    queries = files.embed_texts([c.text for c in captions], work)
    items = np.asarray(embedded.values[[rows[image] for image in images]])
    targets = np.array([places[c.image] for c in captions])
    languages = np.array([c.language for c in captions])
    figures: dict[str, Any] = by_language(ranks(queries, items, targets), targets, languages)
    figures |= {"queries": len(captions), "images": len(images), "images_like_a_training_image": twins}
    figures["image_to_text"] = image_to_text(items, queries, targets, languages)
    cut = f", the first {files.dimension} dimensions" if files.dimension else ""
    figures["how"] = f"text to image among the images of the {splits.how} validation split, exported towers{cut}, exact search"
    return {"retrieval": figures}


def _relevance(files: EncoderFiles, splits: Splits, embedded: Features, work: Path) -> dict[str, Any]:
    """The curve from a distance to the probability that a result is relevant, for the manifest; empty where there is too little to fit."""
    rows = embedded.rows()
    captions = choose_queries(splits.validation, rows)
    if not captions:
        return {}
    queries = files.embed_texts([c.text for c in captions], work)
    curve = calibrate(captions, queries, rows, embedded.values, [*splits.train, *splits.validation])
    return {"search_text": curve} if curve else {}


def _write_documents(searcher: Path, images: Path, captions: Sequence[Caption], report: bool) -> list[Path]:
    """The model card that the file holds, and the report, beside the file."""
    card, page = searcher.with_suffix(".card.md"), searcher.with_suffix(".report.html")
    with atomic(card) as temporary:
        temporary.write_text(read_card(searcher), encoding="utf-8")
    if not report:
        return [card]
    write_report(searcher, page, images=images, captions=captions, overwrite=True)
    return [card, page]


def _spread(values: Sequence[T], count: int) -> list[T]:
    """At most `count` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
