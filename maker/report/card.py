"""The model card, in Markdown, after Mitchell et al., "Model Cards for Model Reporting" (2019)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.encoders.prefix import prefixes_in_words
from maker.errors import DataError
from maker.evaluation.identical_captions import KEY as IDENTICAL
from maker.evaluation.identical_captions import LABEL as LENIENT
from maker.evaluation.index_quality import index_recall
from maker.evaluation.typed_figures import CUTOFFS, typed_rows
from maker.evaluation.typed_queries import LENGTHS
from maker.export.searcher_file import CARD
from maker.report.page import index_in_words, percent, template
from maker.training.metrics import few_images
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format.manifest import Manifest

LABELS = {"author": "Author", "license": "Licence of this file", "data": "Source and licence of pictures and captions"}
BLANK = "_to be filled in_"
ITEM_NOUNS = ("picture", "sound")
USE = "Finding {}s of this collection by a sentence{}, on a phone, in a browser or on a computer, without a connection."
COLUMNS = ("R@1", "R@5", "R@10", "median_rank", "MRR")
TYPED_COLUMNS = [*(f"P@{k}" for k in CUTOFFS), "answered"]
RELEVANCE_COLUMNS = [
    "number",
    "relevant results kept",
    "queries with a relevant result that keep one",
    "absent things answered",
    "mean calibration error",
]
FIGURE_FORMATS = {"median_rank": "{:g}", "MRR": "{:.3f}"}


@dataclass(frozen=True, kw_only=True)
class CardFields:
    """Facts that only people know; the card marks empty fields as "to be filled in".

    Attributes:
        author: Who made the searcher.
        license: The licence of the file.
        data: Source and licence of pictures and captions.
        intended_use: The purpose of the searcher.
    """

    author: str = ""
    license: str = ""
    data: str = ""
    intended_use: str = ""


def model_card(manifest: Manifest, fields: CardFields, title: str) -> str:
    """The model card of a searcher.

    It contains no dates and latencies, so that two builds of the same inputs give the same card.

    Args:
        manifest: The searcher's manifest.
        fields: Facts that only people know.
        title: Name of the searcher.
    """
    retrieval = manifest.report.get("retrieval")
    curve = manifest.relevance.get("search_text")
    _, recall = index_recall(manifest.report["index"])
    item = item_noun(manifest)
    by_image, by_audio = "image" in manifest.query, "audio" in manifest.query
    by_text = bool({"text", "tokens"} & set(manifest.query))
    return template("card.md").render(
        title=title,
        item=item,
        m=manifest,
        t=manifest.training,
        fields=fields,
        known=[(label, getattr(fields, name)) for name, label in LABELS.items()],
        blank=BLANK,
        query_kinds=" or ".join(["a sentence"] * by_text + ["a picture"] * by_image + ["a sound"] * by_audio) or "an embedding",
        default_use=USE.format(item, f" or by another {item}" if by_image or by_audio else ""),
        encoders=[(kind, _encoder(described)) for kind, described in manifest.encoders.items()],
        restricted=sorted({_restriction(described) for described in manifest.encoders.values()} - {""}),
        index=index_in_words(manifest),
        prefixes=prefixes_in_words(manifest.training),
        retrieval=retrieval,
        near_duplicates=_near_duplicates(retrieval, item) if retrieval else "",
        few_images=few_images(retrieval) if retrieval else "",
        columns=[name.replace("_", " ") for name in COLUMNS],
        rows=list(retrieval_rows(retrieval)) if retrieval else [],
        typed=list(typed_cells(manifest.report.get("typed_queries", {}))),
        typed_columns=TYPED_COLUMNS,
        recall=recall,
        curve=curve,
        at=curve["measured"]["at_cut"] if curve else {},
        gated="`found`" if curve and "found" in curve else "the first",
        relevance_columns=RELEVANCE_COLUMNS,
        by_length=list(relevance_cells(curve)) if curve else [],
        percent=percent,
        limits=list(_limits(manifest)),
    )


def item_noun(manifest: Manifest) -> str:
    """What an item of a searcher is called: `picture` or `sound`."""
    return ITEM_NOUNS["audio" in manifest.encoders]


def read_card(searcher: Path) -> str:
    """Reads the model card of a searcher.

    Raises:
        DataError: The file has none.
    """
    with ModelFile(BaseOptions(str(searcher))) as file:
        if CARD not in file.entries:
            raise DataError(f"{searcher}: has no {CARD}; only maker build writes one")
        return file.read(CARD).decode("utf-8")


def card_fields(card: str) -> CardFields:
    """The fields that only people know, out of a card that `model_card` wrote; empty where they were left open."""
    fields = {}
    for name, label in LABELS.items():
        found = re.search(rf"^\| {re.escape(label)} \| (.*) \|$", card, re.MULTILINE)
        fields[name] = found[1] if found and found[1] != BLANK else ""
    _, _, use = card.partition("## Intended use\n\n")
    use = use.split("\n", 1)[0]
    if use not in (USE.format(item, by) for item in ITEM_NOUNS for by in ("", f" or by another {item}")):
        fields["intended_use"] = use
    return CardFields(**fields)


def retrieval_rows(retrieval: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Names and cells of retrieval figures: both directions, then each by language if there are several."""
    for direction, figures in (("text to image", retrieval), ("image to text", retrieval.get("image_to_text", {}))):
        if figures:
            yield direction, _cells(figures)
            if lenient := figures.get(IDENTICAL):
                yield f"{direction}, {LENIENT}", _cells(lenient)
            yield from ((f"{direction}, {language or 'no language'}", _cells(f)) for language, f in figures.get("languages", {}).items())
            yield f"{direction}, by chance", _chances(figures)


def typed_cells(figures: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Names and cells of the figures of typed queries: the number of queries, then `TYPED_COLUMNS`."""
    for name, values in typed_rows(figures):
        shares = [f"{values[f'P@{k}']:.1f} ({values[f'P@{k}_interval'][0]:.1f} to {values[f'P@{k}_interval'][1]:.1f})" for k in CUTOFFS]
        yield name, [str(values["queries"]), *shares, f"{values['answered']:.1f}" if "answered" in values else ""]


def relevance_cells(curve: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Names and cells of a curve's figures by length: the number of queries, then shares, of `RELEVANCE_COLUMNS`."""
    for length, figures in curve["measured"].get("by_length", {}).items():
        at = figures["at_cut"]
        shares = [at["recall_kept"], at["queries_kept"], at.get("absent_answered"), figures["expected_calibration_error"]]
        yield LENGTHS.get(length, length), [str(figures["queries"]), *("" if share is None else percent(share) for share in shares)]


def _cells(figures: Mapping[str, Any]) -> list[str]:
    cells = []
    for name in COLUMNS:
        low, high = figures.get(f"{name}_interval", (None, None))
        shown = (figures.get(name), low, high)
        written = ["" if value is None else FIGURE_FORMATS.get(name, "{:.1f}").format(value) for value in shown]
        cells.append(f"{written[0]} ({written[1]} to {written[2]})" if low is not None else written[0])
    return cells


def _chances(figures: Mapping[str, Any]) -> list[str]:
    """What a random order of the results reaches; empty cells in files of older versions."""
    return [f"{figures[f'{name}_chance']:.1f}" if f"{name}_chance" in figures else "" for name in COLUMNS]


def _near_duplicates(retrieval: Mapping[str, Any], item: str) -> str:
    count = retrieval.get("images_like_a_training_image", 0)
    return f"{count} of them are near-duplicates of a training {item}." if count else ""


def _encoder(described: Mapping[str, Any]) -> str:
    """Where a tower comes from; of a published one also its revision and licence."""
    origin = str(described.get("spec") or described.get("file", ""))
    origin += f", taught by {described['teacher']}" if "teacher" in described else ""
    checkpoint = described.get("checkpoint")
    if not checkpoint:
        return origin
    revision = f", revision {checkpoint['revision']}" if checkpoint.get("revision") else ""
    terms = checkpoint.get("license") or "not stated"
    return f"{origin} ({checkpoint['family']}{revision}, {checkpoint['weights']} weights), licence: {terms}"


def _restriction(described: Mapping[str, Any]) -> str:
    checkpoint = described.get("checkpoint") or {}
    return f"{checkpoint['source']} ({checkpoint['license']})" if checkpoint.get("restricted") else ""


def _limits(manifest: Manifest) -> Iterator[str]:
    item = item_noun(manifest)
    spec = manifest.encoders.get("text", {}).get("spec")
    if spec == "words":
        yield "The text encoder knows the words of its training captions; it guesses other words from their letters."
        yield (
            f"Rare words of the training captions pull queries towards the few {item}s they came with. Queries for things that are not in "
            f"the collection can therefore find such {item}s, and the relevance curve does not always detect this."
        )
        yield "Word order hardly matters (a query is close to a bag of words), so the searcher mostly ignores who does what to whom."
    languages = manifest.report.get("retrieval", {}).get("languages")
    if languages:
        yield f"Queries were measured in {', '.join(name or 'an unnamed language' for name in languages)} only."
    yield f"The searcher inherits the gaps and biases of the training {item}s and captions."
    if manifest.items < 100:
        yield f"With only {manifest.items} items, the figures are imprecise."
