"""Builds a searcher from photos, sounds or videos, with captions or with towers that are ready."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from maker.data.facts_file import item_facts, read_facts
from maker.data.images import list_images
from maker.data.sounds import list_sounds
from maker.data.videos import list_videos
from maker.embedding.features import Features
from maker.embedding.moments import captions_of_joined, joined_moments
from maker.errors import BuildError
from maker.evaluation.item_splits import HELD_OUT, ChosenCaptions, ItemSplits
from maker.index.lexical import lexical_index
from maker.pipeline.corpus_stage import Lister, OpenedCorpus, Photos, open_corpus
from maker.pipeline.dimension import check_trained
from maker.pipeline.distil_stage import distilled_encoder
from maker.pipeline.encoder import Encoder, FrozenImages, ReadyTexts
from maker.pipeline.facts_stage import CollectedFacts, collect_facts
from maker.pipeline.index import FileContent, IndexedItems, curve_picture, write_index
from maker.pipeline.maps_stage import fit_maps
from maker.pipeline.measure_stage import (
    HeldOut,
    example_texts,
    measure_retrieval,
    measure_typed_queries,
    spread,
    tuning_queries,
)
from maker.pipeline.options import QUERIES, BuildOptions, Corpus, check_options
from maker.pipeline.query_list_stage import ListedQueries, listed_queries, texts_of
from maker.pipeline.ready_towers import ready_encoder, sound_window
from maker.pipeline.relevance_stage import fit_relevance, move_relevance
from maker.pipeline.report import BuildReport, file_lines, line, teacher_lines, training_lines
from maker.pipeline.training_run import EVENTS
from maker.pipeline.training_stage import train_encoder
from maker.report.card import model_card, read_card
from maker.report.write import write_report
from maker.training.options import TrainingOptions
from maker.workspace import Workspace, atomic, prepare_output
from maker.workspace.atomic import probe
from task.format.manifest import Manifest

EXAMPLES = 5  # golden text queries


@dataclass(frozen=True)
class Embedded:
    """An encoder and the embeddings of the photos.

    Attributes:
        corpus: The photos and captions.
        encoder: The encoder.
        items: Embeddings of the photos to index.
        held_out: The captions and photos to measure retrieval with; None without captions, and if another folder is searched and nothing
            is held out.
        facts: The facts of these photos.
        listed: Typical queries, for a build without captions; None with captions.
    """

    corpus: OpenedCorpus
    encoder: Encoder
    items: Features
    facts: CollectedFacts
    held_out: HeldOut | None
    listed: ListedQueries | None


def build(corpus: Corpus, output: Path, options: BuildOptions | None = None) -> BuildReport:
    """Trains on images and captions, or takes towers that are ready; embeds and indexes a folder; writes the searcher.

    Examples:
        >>> from pathlib import Path
        >>> from maker.pipeline import BuildOptions, Corpus, build
        >>> photos = Corpus(images=Path("photos"), captions=Path("captions.tsv"))
        >>> report = build(photos, Path("built.tflite"), BuildOptions(training={"epochs": 1, "batch_size": 8}))
        >>> report.figures["photos"]
        24

    Args:
        corpus: The photos and captions to train on, and the photos to index.
        output: The searcher to write.
        options: Towers, training, index and file.

    Returns:
        A summary with figures.

    Raises:
        MakerError: An input or option cannot be used. Then `output` is not written.
    """
    begin = time.perf_counter()
    options = options or BuildOptions()
    options = replace(options, towers=options.towers.of(corpus))
    check_options(corpus, options)
    for path in (output, *_documents(output, options.report), curve_picture(output)):
        prepare_output(path, options.overwrite)
    training = options.training_options()
    if not options.towers.ready:
        check_trained(options.index.dimension, training.dimension, training.matryoshka, "this run")
    probe(output.parent)
    with Workspace.open(_work_folder(output, options, training), options.engine) as work:
        try:
            embedded = _embed(corpus, options, training, work)
        finally:
            work.write_rejects()
        if embedded is None:
            return BuildReport({}, [line("training", "done; the chief, worker 0 of TF_CONFIG, writes the searcher")])
        manifest = _write_searcher(embedded, output, options, work)
        documents = _write_documents(output, embedded.corpus, options.report)
        return _report(embedded, manifest, output, documents, work, time.perf_counter() - begin)


def _work_folder(output: Path, options: BuildOptions, training: TrainingOptions) -> Path:
    """The work folder. In distributed training each host has its own, because hosts may share a disk."""
    work = options.work_dir or output.with_suffix(".work")
    if training.distribute == "multi_worker":
        from maker.training.replicas import task

        host, _ = task()
        work = work / f"worker-{host}" if host else work
    if work == output:
        raise BuildError(f"{output}: the work folder would be the output itself; pass --work-dir, or an output that ends in .tflite")
    return work


def _embed(corpus: Corpus, options: BuildOptions, training: TrainingOptions, work: Workspace) -> Embedded | None:
    """Trains an encoder or opens a ready one, and embeds the photos; None on a host that is not the chief."""
    table = None if options.facts is None else read_facts(options.facts)
    opened = open_corpus(corpus, training.seed, work, _lister(corpus, options, work))
    if table is not None:
        item_facts(table, [image.encode() for image in opened.searched.images])  # fails now, not after the training
    if corpus.captions is None and options.towers.teacher is not None:
        encoder: Encoder | None = distilled_encoder(corpus, opened, options.towers, training.seed, work)
    else:
        ready = ready_encoder(options.towers, texts_of(corpus, opened), work)
        encoder = fit_maps(ready, corpus, opened, options, work) if ready else train_encoder(opened, options.towers, training, work)
    if encoder is None:
        return None
    encoder = replace(encoder, dimension=options.index.dimension)
    items = encoder.embed_images(opened.searched, work)
    if corpus.videos is not None:
        items = joined_moments(items)
        if not opened.searches_another_folder:
            splits = opened.splits
            train, validation = (captions_of_joined(captions, items.images) for captions in (splits.train, splits.validation))
            opened = replace(opened, splits=replace(splits, train=train, validation=validation))
    facts = collect_facts(opened.searched.folder, items.images, table, options.exif and corpus.has_photos)
    if corpus.captions is None:
        return Embedded(opened, encoder, items, facts, None, listed_queries(corpus, opened, encoder, work))
    return Embedded(opened, encoder, items, facts, _held_out(encoder, opened, items, work), None)


def _lister(corpus: Corpus, options: BuildOptions, work: Workspace) -> Lister:
    """What lists the items of a folder."""
    if corpus.videos is not None:
        return partial(list_videos, every=corpus.every)
    if corpus.sounds is not None:
        return partial(list_sounds, window=sound_window(options.towers, work))
    return list_images


def _held_out(encoder: Encoder, corpus: OpenedCorpus, items: Features, work: Workspace) -> HeldOut | None:
    """The held-out captions and embeddings of their photos; None if another folder is searched and nothing is held out."""
    if not corpus.searches_another_folder:
        return HeldOut.of(corpus.splits, items)
    images = sorted({c.image for c in corpus.splits.validation})
    if not images:
        return None
    if isinstance(encoder.images, FrozenImages):
        images = corpus.training.images  # the cached features belong to this list of names
    return HeldOut.of(corpus.splits, encoder.embed_images(Photos(corpus.training.folder, images), work))


def _write_searcher(embedded: Embedded, output: Path, options: BuildOptions, work: Workspace) -> Manifest:
    """Tunes the index and writes the searcher."""
    corpus, encoder, held_out, listed = embedded.corpus, embedded.encoder, embedded.held_out, embedded.listed
    calibrated = held_out and options.index.distance == "dot_product"
    values = embedded.items.values
    queries = listed.tuning(values) if listed else tuning_queries(encoder, corpus.splits, held_out, values, work)
    metadata, facts = [image.encode() for image in embedded.items.images], embedded.facts.columns
    items = IndexedItems(
        embeddings=embedded.items.values,
        metadata=metadata,
        embedder=encoder.file,
        kinds=QUERIES[options.queries],
        queries=queries,
        facts=facts,
        lexical=lexical_index(metadata, facts, _captions(corpus)) if options.lexical else None,
    )
    relevance = listed.relevance(embedded.items) if listed and options.index.distance == "dot_product" else {}
    evidence = None
    if held_out and calibrated:
        if corpus.searches_another_folder:
            relevance, evidence = move_relevance(encoder, held_out, np.asarray(values), work)
        else:
            relevance, evidence = fit_relevance(encoder, held_out, work)
    report = measure_retrieval(encoder, held_out, work) if held_out else {}
    if held_out:
        report |= measure_typed_queries(encoder, held_out, values, relevance.get("search_text"), evidence, work)
    if corpus.splits.train and not corpus.searches_another_folder:
        report["splits"] = ItemSplits.of(corpus.splits, embedded.items.images).encode()
    content = FileContent(
        user_info=options.user_info,
        report=report,
        relevance=relevance,
        evidence=evidence,
        sentence_mean=queries.embeddings.mean(axis=0),
        examples=spread(listed.texts, EXAMPLES) if listed else example_texts(corpus.splits, EXAMPLES),
        card=lambda manifest: model_card(manifest, options.card, output.stem),
    )
    return write_index(items, output, options.index, content)


def _captions(corpus: OpenedCorpus) -> dict[str, list[str]]:
    """The captions of the indexed photos by photo; none if another folder is searched, whose photos may have the same names."""
    found: dict[str, list[str]] = {}
    for caption in () if corpus.searches_another_folder else (*corpus.splits.train, *corpus.splits.validation):
        found.setdefault(caption.image, []).append(caption.text)
    return found


def _write_documents(searcher: Path, corpus: OpenedCorpus, report: bool) -> list[Path]:
    """Writes the model card, which the file also contains, and the report beside the file."""
    card, *pages = _documents(searcher, report)
    with atomic(card) as temporary:
        temporary.write_text(read_card(searcher), encoding="utf-8")
    for page in pages:
        write_report(
            searcher, page, images=corpus.searched.folder, captions=ChosenCaptions(corpus.splits.validation, 0, HELD_OUT), overwrite=True
        )
    return [card, *pages]


def _documents(searcher: Path, report: bool) -> list[Path]:
    """Where the model card and, if wanted, the report lie."""
    return [searcher.with_suffix(suffix) for suffix in (".card.md", *([".report.html"] if report else []))]


def _report(
    embedded: Embedded, manifest: Manifest, output: Path, documents: Sequence[Path], work: Workspace, seconds: float
) -> BuildReport:
    """The summary, as figures and as lines to print."""
    photos, rejected = len(embedded.items.images), len(work.rejects.rows)
    figures = {"photos": photos, "rejected": rejected, "bytes": output.stat().st_size, "seconds": round(seconds, 1), **manifest.report}
    reasons = f": {work.rejects.summary()}; see {work.rejects_file}" if rejected else ""
    sounds, moments = "audio" in manifest.encoders, "video" in embedded.facts.columns
    noun = "sounds" if sounds else "moments" if moments else "photos"
    lines = [line(noun, f"{photos} read and indexed, {rejected} inputs rejected{reasons}")]
    similar = embedded.held_out.near_duplicates if embedded.held_out else []
    if similar:
        first = f"the first: {similar[0][0]} is like {similar[0][1]}"
        lines.append(line("", f"{len(similar)} held-out images are near-duplicates of a training image; {first}"))
    trained_here = not isinstance(embedded.encoder.texts, ReadyTexts)
    lines += training_lines(manifest, embedded.encoder.curves, work.file(EVENTS)) if trained_here else []
    lines += [*embedded.encoder.lines, *teacher_lines(manifest), *file_lines(manifest, output), *embedded.facts.lines]
    if embedded.listed:
        lines.append(line("not measured", "retrieval: nobody says which picture answers which query; captions would"))
    if not manifest.relevance:
        lines.append(line("relevance", f"none: {_why_no_curve(embedded, manifest)}"))
    lines += [line("documents", ", ".join(map(str, documents))), line("time", f"{figures['seconds']} s")]
    return BuildReport(figures, lines)


def _why_no_curve(embedded: Embedded, manifest: Manifest) -> str:
    """Why a file has no relevance curve, which says how likely it is that a result matches a sentence."""
    if manifest.distance != "dot_product":
        return "a relevance curve is fitted for the distance dot_product only"
    if embedded.corpus.searches_another_folder:
        folder = embedded.corpus.searched.folder
        return f"there are too few held-out captions to fit a relevance that also holds for {folder}, which has no captions"
    captions = len(embedded.held_out.captions) if embedded.held_out else 0
    if captions:
        return f"{captions} held-out captions are too few to fit a relevance curve, or nearer results do not match more often"
    return "a relevance curve needs held-out captions"
