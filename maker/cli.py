"""The command line: one verb, one function of the same arguments.

Results go to stdout, progress and logs to stderr; the exit status is 0, 1 (failed) or 2 (usage). A verb imports what it needs when it
runs, so that `maker --help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from maker.data.formats import CAPTION_FORMATS
from maker.errors import MakerError
from maker.preview.command import add_preview
from maker.report.command import add_report
from maker.training.options import CHOICES, RECIPES, SCRATCH, TrainingOptions, descriptions
from task.errors import TaskError

SPECS = (
    "tflite:PATH[#TENSOR] (a frozen TFLite model, or a tensor inside it), keras:NAME, keras_file:PATH, saved_model:FOLDER, hub:HANDLE, "
    "or scratch (a small CNN, trained here)"
)
TEXT_SPECS = (
    "words (learnt here), or a frozen model that takes a tokenizer's ids: tflite:PATH[#OUTPUT], keras_file:PATH, saved_model:FOLDER, "
    "hub:HANDLE"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb and returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except (MakerError, TaskError, OSError) as error:
        sys.stderr.write(f"maker: error: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("maker: interrupted; the same command goes on where this one stopped\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maker", description="Builds searchers that find pictures by a sentence.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_build(verbs)
    _add_embed(verbs)
    _add_index(verbs)
    _add_search(verbs)
    _add_evaluate(verbs)
    _add_classify(verbs)
    _add_inspect(verbs)
    add_preview(verbs)
    add_report(verbs)
    _add_export(verbs)
    _add_export_android(verbs)
    verify = verbs.add_parser("verify", help="check a searcher's digests and golden queries")
    verify.add_argument("searcher", type=Path)
    verify.set_defaults(run=_verify)
    sample = verbs.add_parser("sample", help="draw the sample corpus of captioned scenes")
    sample.add_argument("folder", type=Path)
    sample.add_argument("--scenes", type=int, default=2400, help="training scenes (default %(default)s)")
    sample.add_argument("--held-out", type=int, default=400, help="validation scenes (default %(default)s)")
    sample.add_argument("--seed", type=int, default=0)
    sample.set_defaults(run=_sample)
    return parser


def _add_build(verbs: Any) -> None:
    build = verbs.add_parser("build", help="train on pictures and captions, index a folder, write one searcher")
    build.add_argument("--images", type=Path, metavar="DIR", help="training photos; not needed where the captions file holds them")
    build.add_argument("--captions", type=Path, required=True, metavar="FILE", help="see --captions-format")
    kinds = "; ".join(f"{name}: {what}" for name, what in CAPTION_FORMATS.items())
    build.add_argument(
        "--captions-format", choices=("auto", *CAPTION_FORMATS), default="auto", help=f"default %(default)s, by content. {kinds}", metavar="NAME"
    )
    build.add_argument("--validation-captions", type=Path, metavar="FILE", help="captions that are only measured on")
    build.add_argument("--corpus", type=Path, metavar="DIR", help="photos to be searched (default: the training photos)")
    build.add_argument("--language", metavar="NAME", help="only captions whose lang is this")
    build.add_argument("--image-encoder", default="scratch", metavar="SPEC", help=SPECS + "; default %(default)s")
    build.add_argument(
        "--image-weights", default="imagenet", metavar="W", help="of a keras: model: imagenet, none or a file (default %(default)s)"
    )
    build.add_argument("--image-size", type=int, metavar="N", help="input height and width of a converted model (default: its own)")
    build.add_argument("--pool", choices=("avg", "max", "gem"), default="avg", help="of a feature map (default %(default)s)")
    build.add_argument("--text-encoder", default="words", metavar="SPEC", help=TEXT_SPECS + "; default %(default)s")
    build.add_argument("--work-dir", type=Path, metavar="DIR", help="where stages keep their results (default: OUTPUT with suffix .work)")
    build.add_argument("--no-report", action="store_true", help="write no report beside the searcher")
    card = build.add_argument_group("model card")
    card.add_argument("--author", default="", metavar="TEXT", help="who makes the searcher")
    card.add_argument("--license", default="", metavar="TEXT", help="terms of the file")
    card.add_argument("--data", default="", metavar="TEXT", help="where pictures and captions are from, and their terms")
    card.add_argument("--intended-use", default="", metavar="TEXT")
    _add_text_model(build)
    _add_output(build)
    training = build.add_argument_group("training")
    training.add_argument(
        "--recipe", choices=tuple(RECIPES), default="default", help="where the defaults below are from (default %(default)s)"
    )
    said = descriptions()
    for option in fields(TrainingOptions):
        flag = "--" + option.name.replace("_", "-")
        scratch = f", {SCRATCH[option.name]} from scratch" if option.name in SCRATCH else ""
        what = said.get(option.name, "").replace("%", "%%")  # none where Python was told to leave out docstrings
        if isinstance(option.default, bool):
            training.add_argument(flag, action="store_true", default=None, help=what)
        else:
            several = isinstance(option.default, tuple)
            metavar = "NAME" if option.name in CHOICES else "N,N" if several else "N"
            text = f"{what} (default {option.default or 'none' if several else option.default}{scratch})"
            training.add_argument(flag, type=_lengths if several else type(option.default), metavar=metavar, help=text)
    build.set_defaults(run=_build)


def _add_embed(verbs: Any) -> None:
    embed = verbs.add_parser("embed", help="embed a folder of images, or a file of sentences")
    embed.add_argument("embedder", type=Path, help="a searcher, or an encoder of a work folder")
    embed.add_argument("source", type=Path, help="a folder of images, or a file of a sentence a line")
    embed.add_argument("--kind", choices=("image", "text"), required=True)
    embed.add_argument("--output", type=Path, required=True, metavar="FILE", help=".npy (names beside it in .txt), .tsv or .parquet")
    embed.add_argument("--work-dir", type=Path, metavar="DIR")
    embed.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    embed.set_defaults(run=_embed)


def _add_index(verbs: Any) -> None:
    index = verbs.add_parser("index", help="index embeddings from anywhere")
    index.add_argument("--embeddings", type=Path, metavar="E.npy", help="(n, d) float32")
    index.add_argument("--metadata", type=Path, metavar="FILE", help=".txt or .jsonl, a line an item")
    index.add_argument("--embedder", type=Path, metavar="E.tflite", help="embeds queries; without it the file is asked with embeddings")
    index.add_argument("--queries", type=Path, metavar="Q.npy", help="(q, d) float32 of the kind that will be asked; tunes and measures")
    index.add_argument("--distance", choices=("dot_product", "squared_l2"), default="dot_product")
    index.add_argument("--seed", type=int, default=0)
    update = index.add_argument_group("in the place of --embeddings and --metadata")
    update.add_argument("--update", type=Path, metavar="searcher.tflite", help="a searcher whose items are taken as they are stored")
    update.add_argument("--overlay", type=Path, metavar="FILE", help="what was added to it and removed from it (Searcher.save_overlay)")
    _add_text_model(index)
    _add_output(index)
    index.set_defaults(run=_index)


def _add_text_model(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("text models that take a tokenizer's ids")
    group.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="WordPiece vocab.txt, SentencePiece .model or Hugging Face tokenizer.json, recognised by content; it travels in the searcher",
    )
    group.add_argument("--text-length", type=int, default=64, metavar="N", help="ids of a query, where the model takes any number")
    group.add_argument(
        "--text-case", choices=("auto", "lower", "keep"), default="auto", help="auto: lower for a WordPiece vocabulary without capitals"
    )
    group.add_argument("--text-start", metavar="PIECE", help="before a text; '' for none (default: the tokenizer's)")
    group.add_argument("--text-end", metavar="PIECE", help="behind a text; '' for none (default: the tokenizer's)")
    group.add_argument("--text-pool", choices=("mean", "first"), default="mean", help="of a vector a token (default %(default)s)")


def _text_model(given: argparse.Namespace) -> Any:
    from maker.encoders.tokenizer_file import TextModelOptions

    return TextModelOptions(
        tokenizer=given.tokenizer,
        length=given.text_length,
        case=given.text_case,
        start=given.text_start,
        end=given.text_end,
        pool=given.text_pool,
    )


def _add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--output", type=Path, required=True, metavar="searcher.tflite")
    verb.add_argument("--overwrite", action="store_true", help="replace an existing output")
    verb.add_argument("--user-info", default="", metavar="TEXT", help="kept in the file for get_user_info()")
    verb.add_argument("--json", action="store_true", help="print the figures as JSON")
    group = verb.add_argument_group("index")
    group.add_argument("--recall", type=float, default=0.95, metavar="R", help="index recall at 10 to reach (default %(default)s)")
    group.add_argument("--max-ms", type=float, metavar="MS", help="median time of a query on this machine, in the place of --recall")
    group.add_argument("--max-size", type=_size, metavar="SIZE", help="of the file, as in 20M; 4-bit rows where 8-bit ones do not fit")
    group.add_argument("--leaves", type=int, metavar="N", help="partitions; 0 for none (default: none under 20,000 items)")
    group.add_argument("--k", type=int, default=50, metavar="N", help="neighbours a query returns at most (default %(default)s)")
    group.add_argument("--bits", type=int, choices=(8, 4), default=8, help="a dimension of the stored rows (default %(default)s)")
    group.add_argument("--rescore", choices=("int8", "float32"), help="keep finer rows too, and score the best hundred again by them")
    group.add_argument(
        "--index-dimension", type=int, metavar="N", help="only the first N dimensions, as --matryoshka trains for (default: all)"
    )


def _add_search(verbs: Any) -> None:
    search = verbs.add_parser("search", help="ask a searcher")
    search.add_argument("searcher", type=Path)
    search.add_argument("query", nargs="+", help="sentences; with --by-image, image files")
    search.add_argument("-k", type=int, default=5, help="neighbours (default %(default)s)")
    search.add_argument("--by-image", action="store_true", help="the queries are image files")
    search.add_argument(
        "--min-relevance", type=_relevance, metavar="P", help="leave out what is less relevant, from 0 to 1; auto: the file's gate and cut"
    )
    search.add_argument("--json", action="store_true", help="print a JSON object a query")
    search.add_argument("--contact-sheet", type=Path, metavar="OUT.png", help="draw queries and what they found")
    search.add_argument("--images", type=Path, metavar="DIR", help="where the items' images are, for --contact-sheet")
    search.set_defaults(run=_search)


def _add_evaluate(verbs: Any) -> None:
    evaluate = verbs.add_parser("evaluate", help="retrieval in both directions over a searcher's items, by its answers and by its towers")
    evaluate.add_argument("searcher", type=Path)
    evaluate.add_argument("--images", type=Path, required=True, metavar="DIR")
    evaluate.add_argument("--captions", type=Path, required=True, metavar="FILE")
    evaluate.add_argument("--split", metavar="NAME", help="only captions of this split")
    evaluate.add_argument("--language", metavar="NAME", help="only captions whose lang is this")
    evaluate.add_argument("--no-towers", action="store_true", help="leave out the float towers, which embed all items' images again")
    evaluate.add_argument("--work-dir", type=Path, metavar="DIR", help="keeps those embeddings (default: the searcher with suffix .work)")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=_evaluate)


def _add_classify(verbs: Any) -> None:
    classify = verbs.add_parser("classify", help="zero-shot classification of a folder's images: top-1 and top-5")
    classify.add_argument("embedder", type=Path, help="a searcher, or an encoder of a work folder, that embeds text and images")
    classify.add_argument("--images", type=Path, required=True, metavar="DIR", help="a folder a label, unless --truth says the labels")
    classify.add_argument("--truth", type=Path, metavar="FILE", help="tab-separated: image, label")
    classify.add_argument(
        "--labels", metavar="FILE|A,B,C", help="a label a line, behind a tab what it is called in a sentence (default: those of the images)"
    )
    classify.add_argument(
        "--template",
        action="append",
        metavar="TEXT",
        help='sentence with {} for the label; several are averaged (default "a photo of a {}")',
    )
    classify.add_argument("--work-dir", type=Path, metavar="DIR", help="keeps image embeddings (default: the embedder with suffix .work)")
    classify.add_argument("--json", action="store_true")
    classify.set_defaults(run=_classify)


def _add_inspect(verbs: Any) -> None:
    inspect = verbs.add_parser("inspect", help="show a searcher's signatures, sizes by part and manifest")
    inspect.add_argument("searcher", type=Path)
    inspect.add_argument("--card", action="store_true", help="print the model card instead")
    inspect.add_argument("--json", action="store_true")
    inspect.set_defaults(run=_inspect)


def _add_export(verbs: Any) -> None:
    export = verbs.add_parser("export", help="write a searcher's items for apps that use the Task Library")
    export.add_argument("searcher", type=Path)
    export.add_argument("--output", type=Path, required=True, metavar="FILE")
    export.add_argument(
        "--format",
        choices=("task_library", "scann_index_file"),
        default="task_library",
        help="an embedder with the index in it, or the index alone (default %(default)s)",
    )
    export.add_argument(
        "--embedder", type=Path, metavar="E.tflite", help="embeds queries; for text the work folder's encoder (default: the searcher)"
    )
    export.add_argument("--query", choices=("text", "image"), help="where the embedder takes both (default: text)")
    export.add_argument("--leaves", type=int, metavar="N", help="partitions; 0 for none (default: none under 20,000 items)")
    export.add_argument("--leaves-searched", type=int, metavar="N", help="leaves that a query looks into (default: a tenth)")
    export.add_argument("--no-compression", action="store_true", help="write the index without Snappy: larger, opened without unpacking")
    export.add_argument("--overwrite", action="store_true", help="replace an existing output")
    export.add_argument("--user-info", default="", metavar="TEXT", help="for get_user_info() (default: the searcher's)")
    export.add_argument("--seed", type=int, default=0)
    export.set_defaults(run=_export)


def _add_export_android(verbs: Any) -> None:
    android = verbs.add_parser("export-android", help="put a searcher and its thumbnails into the Android demo's assets")
    android.add_argument("searcher", type=Path)
    android.add_argument("project", type=Path, help="the Gradle project: android_demo")
    android.add_argument("--images", type=Path, required=True, metavar="DIR", help="the folder that the items' paths are relative to")
    android.add_argument("--json", action="store_true", help="print the figures as JSON")
    android.set_defaults(run=_export_android)


def _build(given: argparse.Namespace) -> None:
    from maker.encoders.convert import ImageModelOptions
    from maker.pipeline import build
    from maker.report.card import CardFields

    report = build(
        given.images,
        given.captions,
        given.output,
        captions_format=given.captions_format,
        validation_captions=given.validation_captions,
        corpus=given.corpus,
        language=given.language,
        image_encoder=given.image_encoder,
        image_model=ImageModelOptions(weights=given.image_weights, size=given.image_size, pool=given.pool),
        text_encoder=given.text_encoder,
        text_model=_text_model(given),
        work_dir=given.work_dir,
        overwrite=given.overwrite,
        user_info=given.user_info,
        recipe=given.recipe,
        training={option.name: getattr(given, option.name) for option in fields(TrainingOptions)},
        index=_index_settings(given),
        card=CardFields(author=given.author, license=given.license, data=given.data, intended_use=given.intended_use),
        report=not given.no_report,
    )
    print(json.dumps(report.figures) if given.json else "\n".join(report.lines))


def _embed(given: argparse.Namespace) -> None:
    from maker.pipeline import embed

    done = embed(given.embedder, given.kind, given.source, given.output, work_dir=given.work_dir, overwrite=given.overwrite)
    print("\n".join(done))


def _index(given: argparse.Namespace) -> None:
    from maker.data.items import read_embeddings, read_metadata
    from maker.pipeline import index_embeddings, update_index

    wanted = ("update", "overlay") if given.update or given.overlay else ("embeddings", "metadata")
    foreign = [
        f"--{name}" for name in ("embeddings", "metadata", "embedder", "tokenizer") if wanted[0] == "update" and getattr(given, name)
    ]
    missing = [f"--{name}" for name in wanted if getattr(given, name) is None]
    if missing or foreign:
        problem = f"{missing[0]} is missing" if missing else f"{foreign[0]} comes from the searcher"
        raise MakerError(f"maker index takes --embeddings and --metadata, or --update and --overlay; {problem}")
    if given.update:
        report = update_index(
            given.update,
            given.overlay,
            given.output,
            overwrite=given.overwrite,
            user_info=given.user_info,
            settings=_index_settings(given),
        )
        print(json.dumps(report.figures) if given.json else "\n".join(report.lines))
        return
    report = index_embeddings(
        read_embeddings(given.embeddings),
        read_metadata(given.metadata),
        given.output,
        embedder=given.embedder,
        text_model=_text_model(given),
        queries=read_embeddings(given.queries) if given.queries else None,
        overwrite=given.overwrite,
        user_info=given.user_info,
        settings=_index_settings(given),
        names=(str(given.embeddings), str(given.metadata)),
    )
    print(json.dumps(report.figures) if given.json else "\n".join(report.lines))


def _export(given: argparse.Namespace) -> None:
    from maker.pipeline.export import export

    done = export(
        given.searcher,
        given.output,
        given.format,
        embedder=given.embedder,
        query=given.query,
        leaves=given.leaves,
        leaves_searched=given.leaves_searched,
        compression=not given.no_compression,
        overwrite=given.overwrite,
        user_info=given.user_info,
        seed=given.seed,
    )
    print("\n".join(done))


def _index_settings(given: argparse.Namespace) -> Any:
    from maker.pipeline import IndexSettings

    distance = getattr(given, "distance", "dot_product")
    return IndexSettings(
        distance=distance,
        leaves=given.leaves,
        recall=given.recall,
        max_ms=given.max_ms,
        max_size=given.max_size,
        bits=given.bits,
        rescore=given.rescore,
        dimension=given.index_dimension,
        k=given.k,
        seed=given.seed or 0,
    )


def _lengths(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _size(text: str) -> int:
    factor = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1:], 1)
    return int(float(text if factor == 1 else text[:-1]) * factor)


def _search(given: argparse.Namespace) -> None:
    from task.core import BaseOptions
    from task.processor import SearchOptions
    from task.text import TextSearcher, TextSearcherOptions
    from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage

    if given.contact_sheet and (given.images is None or not given.images.is_dir()):
        given_folder = "none given" if given.images is None else f"no such folder: {given.images}"
        raise MakerError(f"--contact-sheet needs --images DIR, the folder that the items' paths are relative to; {given_folder}")
    base, options = BaseOptions(str(given.searcher)), SearchOptions(max_results=given.k, min_relevance=given.min_relevance)
    answers = []
    if given.by_image:
        with ImageSearcher.create_from_options(ImageSearcherOptions(base, search_options=options)) as by_image:
            answers = [(query, by_image.search(TensorImage.create_from_file(query))) for query in given.query]
    else:
        with TextSearcher.create_from_options(TextSearcherOptions(base, search_options=options)) as by_text:
            answers = [(query, by_text.search(query)) for query in given.query]
    for query, result in answers:
        found = [
            {"metadata": n.metadata.decode("utf-8", "backslashreplace"), "distance": n.distance, "relevance": n.relevance}
            for n in result.nearest_neighbors
        ]
        if given.json:
            print(json.dumps({"query": query, "neighbors": found}, ensure_ascii=False))
        else:
            print("\n".join([query, *map(_neighbor_line, found)] if found else [query, "  nothing relevant"]))
    if given.contact_sheet:
        from maker.evaluation.contact_sheet import write_contact_sheet

        write_contact_sheet(given.contact_sheet, given.images, answers)
        sys.stderr.write(f"wrote {given.contact_sheet}\n")


def _neighbor_line(found: dict[str, Any]) -> str:
    relevance = "" if found["relevance"] is None else f"{100 * found['relevance']:5.1f} %  "
    return f"  {found['distance']:9.4f}  {relevance}{found['metadata']}"


def _relevance(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _evaluate(given: argparse.Namespace) -> None:
    from maker.evaluation.retrieval import evaluate
    from maker.evaluation.tables import retrieval_lines

    figures = evaluate(
        given.searcher, given.images, given.captions, given.split, given.language, towers=not given.no_towers, work_dir=given.work_dir
    )
    print(json.dumps(figures) if given.json else "\n".join(retrieval_lines(figures)))


def _classify(given: argparse.Namespace) -> None:
    from maker.evaluation.zero_shot import TEMPLATE, classify, read_labels, zero_shot_lines

    figures = classify(
        given.embedder,
        given.images,
        labels=read_labels(given.labels) if given.labels else None,
        templates=given.template or (TEMPLATE,),
        truth=given.truth,
        work_dir=given.work_dir,
    )
    print(json.dumps(figures, ensure_ascii=False) if given.json else "\n".join(zero_shot_lines(figures)))


def _inspect(given: argparse.Namespace) -> None:
    from maker.evaluation.inspection import describe, inspect

    if given.card:
        from maker.report.card import read_card

        print(read_card(given.searcher), end="")
        return
    found = inspect(given.searcher)
    print(json.dumps(found, ensure_ascii=False, indent=2) if given.json else describe(found))


def _export_android(given: argparse.Namespace) -> None:
    from maker.pipeline.android import export_android

    report = export_android(given.searcher, given.images, given.project)
    figures = {
        "assets": str(report.assets),
        "flavor": report.flavor,
        "items": report.items,
        "thumbnails": report.made + report.kept,
        "made": report.made,
        "rejected": len(report.rejects.rows),
        "megabytes": round(report.bytes / 1e6, 1),
    }
    line = "{assets}: {items} items, {thumbnails} thumbnails ({made} made now, {rejected} images rejected), {megabytes} MB"
    print(json.dumps(figures) if given.json else line.format(**figures))


def _verify(given: argparse.Namespace) -> None:
    from maker.export.verify import verify

    print("\n".join(verify(given.searcher)))


def _sample(given: argparse.Namespace) -> None:
    from maker.progress import progress
    from maker.sample.corpus import draw_corpus

    captions = draw_corpus(
        given.folder,
        scenes=given.scenes,
        held_out=given.held_out,
        seed=given.seed,
        progress=lambda scenes: progress(scenes, "draw scenes", total=given.scenes + given.held_out),
    )
    print(captions)


if __name__ == "__main__":
    sys.exit(main())
