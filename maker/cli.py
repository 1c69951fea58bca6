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

from maker.data.formats import FORMATS
from maker.errors import MakerError
from maker.preview.command import add_preview
from maker.training.options import RECIPES, SCRATCH, TrainingOptions
from task.errors import TaskError

SPECS = (
    "tflite:PATH[#TENSOR] (a frozen TFLite model, or a tensor inside it), keras:NAME, keras_file:PATH, saved_model:FOLDER, hub:HANDLE, "
    "or scratch (a small CNN, trained here)"
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
    _add_inspect(verbs)
    add_preview(verbs)
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
    kinds = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    build.add_argument(
        "--captions-format", choices=("auto", *FORMATS), default="auto", help=f"default %(default)s, by content. {kinds}", metavar="NAME"
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
    build.add_argument("--work-dir", type=Path, metavar="DIR", help="where stages keep their results (default: OUTPUT with suffix .work)")
    _add_output(build)
    training = build.add_argument_group("training")
    training.add_argument(
        "--recipe", choices=tuple(RECIPES), default="default", help="where the defaults below are from (default %(default)s)"
    )
    for option in fields(TrainingOptions):
        flag = "--" + option.name.replace("_", "-")
        scratch = f", {SCRATCH[option.name]} from scratch" if option.name in SCRATCH else ""
        training.add_argument(flag, type=type(option.default), metavar="N", help=f"default {option.default}{scratch}")
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
    index.add_argument("--embeddings", type=Path, required=True, metavar="E.npy", help="(n, d) float32")
    index.add_argument("--metadata", type=Path, required=True, metavar="FILE", help=".txt or .jsonl, a line an item")
    index.add_argument("--embedder", type=Path, metavar="E.tflite", help="embeds queries; without it the file is asked with embeddings")
    index.add_argument("--distance", choices=("dot_product", "squared_l2"), default="dot_product")
    index.add_argument("--seed", type=int, default=0)
    _add_output(index)
    index.set_defaults(run=_index)


def _add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--output", type=Path, required=True, metavar="searcher.tflite")
    verb.add_argument("--overwrite", action="store_true", help="replace an existing output")
    verb.add_argument("--user-info", default="", metavar="TEXT", help="kept in the file for get_user_info()")
    verb.add_argument("--json", action="store_true", help="print the figures as JSON")
    group = verb.add_argument_group("index")
    group.add_argument("--recall", type=float, default=0.95, metavar="R", help="index recall at 10 to reach (default %(default)s)")
    group.add_argument("--leaves", type=int, metavar="N", help="partitions; 0 for none (default: none under 20,000 items)")
    group.add_argument("--k", type=int, default=50, metavar="N", help="neighbours a query returns at most (default %(default)s)")
    group.add_argument("--trainer", choices=("auto", "scann", "own"), default="auto", help="of the k-means (default %(default)s)")


def _add_search(verbs: Any) -> None:
    search = verbs.add_parser("search", help="ask a searcher")
    search.add_argument("searcher", type=Path)
    search.add_argument("query", nargs="+", help="sentences; with --by-image, image files")
    search.add_argument("-k", type=int, default=5, help="neighbours (default %(default)s)")
    search.add_argument("--by-image", action="store_true", help="the queries are image files")
    search.add_argument("--json", action="store_true", help="print a JSON object a query")
    search.add_argument("--contact-sheet", type=Path, metavar="OUT.png", help="draw queries and what they found")
    search.add_argument("--images", type=Path, metavar="DIR", help="where the items' images are, for --contact-sheet")
    search.set_defaults(run=_search)


def _add_evaluate(verbs: Any) -> None:
    evaluate = verbs.add_parser("evaluate", help="ask a searcher every caption: R@1, R@5, R@10 over the items it holds")
    evaluate.add_argument("searcher", type=Path)
    evaluate.add_argument("--images", type=Path, required=True, metavar="DIR")
    evaluate.add_argument("--captions", type=Path, required=True, metavar="FILE")
    evaluate.add_argument("--split", metavar="NAME", help="only captions of this split")
    evaluate.add_argument("--language", metavar="NAME", help="only captions whose lang is this")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=_evaluate)


def _add_inspect(verbs: Any) -> None:
    inspect = verbs.add_parser("inspect", help="show a searcher's signatures, sizes by part and manifest")
    inspect.add_argument("searcher", type=Path)
    inspect.add_argument("--json", action="store_true")
    inspect.set_defaults(run=_inspect)


def _build(given: argparse.Namespace) -> None:
    from maker.encoders.convert import ImageModelOptions
    from maker.pipeline import build

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
        work_dir=given.work_dir,
        overwrite=given.overwrite,
        user_info=given.user_info,
        recipe=given.recipe,
        training={option.name: getattr(given, option.name) for option in fields(TrainingOptions)},
        index=_index_settings(given),
    )
    print(json.dumps(report.figures) if given.json else "\n".join(report.lines))


def _embed(given: argparse.Namespace) -> None:
    from maker.pipeline import embed

    done = embed(given.embedder, given.kind, given.source, given.output, work_dir=given.work_dir, overwrite=given.overwrite)
    print("\n".join(done))


def _index(given: argparse.Namespace) -> None:
    from maker.data.items import read_embeddings, read_metadata
    from maker.pipeline import index_embeddings

    report = index_embeddings(
        read_embeddings(given.embeddings),
        read_metadata(given.metadata),
        given.output,
        embedder=given.embedder,
        overwrite=given.overwrite,
        user_info=given.user_info,
        settings=_index_settings(given),
        names=(str(given.embeddings), str(given.metadata)),
    )
    print(json.dumps(report.figures) if given.json else "\n".join(report.lines))


def _index_settings(given: argparse.Namespace) -> Any:
    from maker.pipeline import IndexSettings

    distance = getattr(given, "distance", "dot_product")
    return IndexSettings(
        distance=distance, leaves=given.leaves, recall=given.recall, k=given.k, trainer=given.trainer, seed=given.seed or 0
    )


def _search(given: argparse.Namespace) -> None:
    from task.core import BaseOptions
    from task.processor import SearchOptions
    from task.text import TextSearcher, TextSearcherOptions
    from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage

    if given.contact_sheet and (given.images is None or not given.images.is_dir()):
        given_folder = "none given" if given.images is None else f"no such folder: {given.images}"
        raise MakerError(f"--contact-sheet needs --images DIR, the folder that the items' paths are relative to; {given_folder}")
    base, options = BaseOptions(str(given.searcher)), SearchOptions(max_results=given.k)
    answers = []
    if given.by_image:
        with ImageSearcher.create_from_options(ImageSearcherOptions(base, search_options=options)) as by_image:
            answers = [(query, by_image.search(TensorImage.create_from_file(query))) for query in given.query]
    else:
        with TextSearcher.create_from_options(TextSearcherOptions(base, search_options=options)) as by_text:
            answers = [(query, by_text.search(query)) for query in given.query]
    for query, result in answers:
        found = [(n.metadata.decode("utf-8", "backslashreplace"), n.distance) for n in result.nearest_neighbors]
        if given.json:
            print(json.dumps({"query": query, "neighbors": [{"metadata": m, "distance": d} for m, d in found]}, ensure_ascii=False))
        else:
            print(query)
            print("\n".join(f"  {distance:9.4f}  {metadata}" for metadata, distance in found))
    if given.contact_sheet:
        from maker.evaluation.contact_sheet import write_contact_sheet

        write_contact_sheet(given.contact_sheet, given.images, answers)
        sys.stderr.write(f"wrote {given.contact_sheet}\n")


def _evaluate(given: argparse.Namespace) -> None:
    from maker.evaluation.retrieval import evaluate

    figures = evaluate(given.searcher, given.images, given.captions, given.split, given.language)
    print(json.dumps(figures) if given.json else "\n".join(f"{name:9} {value}" for name, value in figures.items()))


def _inspect(given: argparse.Namespace) -> None:
    from maker.evaluation.inspection import describe, inspect

    found = inspect(given.searcher)
    print(json.dumps(found, ensure_ascii=False, indent=2) if given.json else describe(found))


def _verify(given: argparse.Namespace) -> None:
    from maker.export.verify import verify

    print("\n".join(verify(given.searcher)))


def _sample(given: argparse.Namespace) -> None:
    from maker.data.scenes import draw_corpus
    from maker.progress import progress

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
