"""The summary that a build prints at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.encoders.image import SCRATCH
from maker.encoders.prefix import prefixes_in_words
from maker.evaluation.identical_captions import KEY as IDENTICAL
from maker.evaluation.identical_captions import share_in_words
from maker.evaluation.index_quality import index_recall
from maker.evaluation.typed_figures import in_words, typed_rows
from maker.evaluation.typed_queries import LENGTHS
from maker.report.card import item_noun
from maker.training.metrics import best_epoch, few_images
from maker.training.safety_net import described
from task.format.manifest import Manifest

LABEL = 19  # columns
FEW_FOR_SCRATCH = 1000  # training pictures
TUNING_NOISE = 0.005  # of the recall of the queries that tuned an index


@dataclass(frozen=True)
class BuildReport:
    """The figures of a build, and lines to print."""

    figures: dict[str, Any]
    lines: list[str]


def line(label: str, text: str) -> str:
    """A line of the summary."""
    return f"{label:{LABEL}}{text}"


def _recalls(figures: dict[str, Any]) -> str:
    """R@k with, in brackets, what a random order reaches."""
    names = ("R@1", "R@5", "R@10")
    beside = [f" (by chance {figures[f'{name}_chance']:.1f} %)" if f"{name}_chance" in figures else "" for name in names]
    return "  ".join(f"{name} {figures[name]:.1f} %{chance}" for name, chance in zip(names, beside, strict=True))


def training_lines(manifest: Manifest, curves: Path, events: Path) -> list[str]:
    """Lines about the training of the encoder of a searcher."""
    history = manifest.training["history"]
    by = manifest.training.get("selected_by", "R@10")
    best = best_epoch(history, by)
    score = f", best {by} {best[by]}{' %' if by != 'MRR' else ''} in epoch {best['epoch']}" if best else ""
    lines = [line("training", f"{len(history)} epochs{score}; curves {curves}, tensorboard --logdir {events}")]
    if manifest.encoders.get("image", {}).get("spec") == SCRATCH and manifest.training["images"] < FEW_FOR_SCRATCH:
        pretrained = "a pretrained one knows more: --image-encoder keras:MobileNetV3Small downloads its weights"
        lines.append(line("", f"{manifest.training['images']} training pictures are few for an image tower from scratch; {pretrained}"))
    if "safety_net" in manifest.training:
        lines.append(line("safety net", described(manifest.training["safety_net"])))
    prefixes = prefixes_in_words(manifest.training)
    if prefixes:
        lines.append(line("dimensions", prefixes))
    return lines


def teacher_lines(manifest: Manifest) -> list[str]:
    """What stays of a teacher, if the words learnt from one."""
    taught = manifest.training.get("teacher")
    if not taught:
        return []
    name = manifest.encoders["text"]["teacher"]
    if "same_results" in taught:
        same = f"the words find {taught['same_results']} % of its first ten pictures, for {taught['held_out']} sentences not learnt"
        return [line("teacher", f"{name}: {same}")]
    own = manifest.report.get("retrieval", {}).get("R@10")
    if own is None or not taught.get("R@10"):
        return [line("teacher", name)]
    return [
        line(
            "teacher",
            f"{name}: R@10 {taught['R@10']:.1f} % on the held-out images; the words keep {100 * own / taught['R@10']:.0f} % of it",
        )
    ]


def file_lines(manifest: Manifest, output: Path) -> list[str]:
    """Lines about a searcher that was written."""
    lines = []
    retrieval = manifest.report.get("retrieval")
    if retrieval:
        low, high = retrieval["R@10_interval"]
        lines.append(line("retrieval", f"{_recalls(retrieval)}, 95 % interval {low:.1f} to {high:.1f}"))
        searched = retrieval.get("items", retrieval["images"])  # older files do not say
        sizes = f"{retrieval['queries']} held-out captions of {retrieval['images']} images, searched among {searched} images"
        lines.append(line("", f"R@10 is the share of captions whose own {item_noun(manifest)} is among the first ten results; {sizes}"))
        if warning := few_images(retrieval):
            lines.append(line("", f"warning: {warning}"))
        if lenient := retrieval.get(IDENTICAL):
            lines.append(line("", f"{_recalls(lenient)}  ({share_in_words(retrieval['queries'], lenient)})"))
        for language, figures in retrieval.get("languages", {}).items():
            lines.append(line("", f"{_recalls(figures)}  ({language or 'no language'})"))
        lines.append(line("", f"{_recalls(retrieval['image_to_text'])}  (image to text)"))
    for name, figures in typed_rows(manifest.report.get("typed_queries", {})):
        lines.append(line(name, f"{in_words(figures)}  ({figures['queries']} queries of {name})"))
    quality = manifest.report["index"]
    name, recall = index_recall(quality)
    index = manifest.index
    scanned = (
        "all items"
        if index["kind"] == "exact"
        else f"{100 * index['share_scanned']:.1f} % of the items, which are in {index['leaves']} leaves, groups of similar ones"
    )
    lines.append(line("index", f"{name} {recall:.3f} against exact float search ({quality['how']}); a query scans {scanned}"))
    if "target" in quality:
        lines.append(line("", target_in_words(quality)))
    if "search_text" in manifest.relevance:
        lines += _relevance_lines(manifest.relevance["search_text"])
    lines.append(line("file", f"{output}  {output.stat().st_size / 1e6:.2f} MB, {manifest.items} items of {manifest.dimension} dimensions"))
    lines.append(line("latency", f"search_embedding p50 {quality['p50_ms']} ms, p99 {quality['p99_ms']} ms (bare signature, 1 thread)"))
    for signature in [name for name in ("search_text", "search_tokens") if name in manifest.report]:
        text = manifest.report[signature]
        lines.append(line("", f"{signature} p50 {text['p50_ms']} ms, p99 {text['p99_ms']} ms (bare signature, 1 thread)"))
    lines.append(line("golden queries", f"{len(manifest.golden)} queries with recorded answers, searched with task: all as recorded"))
    return lines


def target_in_words(quality: Mapping[str, Any]) -> str:
    """Whether an index found what it was tuned for, by `report.index` of its manifest."""
    asked = f"measured with {quality['queries']} queries that also tuned it, as they are few"
    if "tuned_recall" in quality:
        asked = f"measured with {quality['queries']} queries that took no part in tuning; those that did find {quality['tuned_recall']:.3f}"
    if quality["met"]:
        return f"{asked}; the target of {quality['target']} is met"
    # Where even tuning fell short, these rows cannot find more, and a warning has said what can.
    fell_short = quality.get("tuned_recall", 1) < quality["target"] - TUNING_NOISE
    hint = "" if fell_short else ": ask for a little more with --recall"
    return f"{asked}; warning: the target of {quality['target']} is not met{hint}"


def _relevance_lines(curve: Mapping[str, Any]) -> list[str]:
    """Lines about the cut of `--min-relevance auto`. Files of older versions have no gate and no shares of queries."""
    at = curve["measured"]["at_cut"]
    looked_at = "found is" if "found" in curve else "the first result has"
    gate = f" if {looked_at} at least {at['gate']:.2f}" if "gate" in at else ""
    kept = f"keeps {100 * at['recall_kept']:.0f} % of relevant and {100 * at['wrong_kept']:.0f} % of other results"
    lines = [line("relevance", f"at least {at['cut']:.2f}{gate} (--min-relevance auto): {kept}")]
    if "queries_kept" in at:
        lines.append(line("", f"{100 * at['queries_kept']:.0f} % of the queries with a relevant result keep one"))
    if "absent_answered" in at:
        lines.append(line("", f"{100 * at['absent_answered']:.0f} % of the queries about absent things still have results"))
    for length, figures in curve["measured"].get("by_length", {}).items():
        part = figures["at_cut"]
        absent = f", {100 * part['absent_answered']:.0f} % of those about absent things answered" if "absent_answered" in part else ""
        kept = f"{100 * part['recall_kept']:.0f} % of relevant results kept"
        lines.append(line("", f"{LENGTHS.get(length, length)}: {kept}{absent}  ({figures['queries']} queries)"))
    return lines
