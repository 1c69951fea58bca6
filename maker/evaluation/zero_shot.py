"""Zero-shot classification: an image gets the label whose sentence is nearest (Radford et al., 2021, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.images import list_images
from maker.data.text_file import read_lines
from maker.embedding.features import Features, image_features
from maker.embedding.texts import embed_texts
from maker.errors import DataError, EncoderError
from maker.graph.source import Source
from maker.progress import say
from maker.training.metrics import mean_interval, ranks
from maker.workspace import Rejects, Workspace, atomic

TEMPLATE = "a photo of a {}"
REJECTS = "classify-rejects.tsv"
CUTS = (1, 5)


def classify(
    embedder: Path,
    images: Path,
    *,
    labels: Mapping[str, str] | None = None,
    templates: Sequence[str] = (TEMPLATE,),
    truth: Path | None = None,
    work_dir: Path | None = None,
) -> dict[str, Any]:
    """Classifies the images of a folder and measures the accuracy.

    Args:
        embedder: A searcher or encoder file that embeds text and images; only its towers are used.
        images: The folder. An image's label is the name of its folder, unless `truth` is given.
        labels: Label to its name in a sentence. If None: the labels of the images, with spaces for underscores.
        templates: Sentences with `{}` for the label; a label's embedding is the mean over the sentences.
        truth: A tab-separated file of images and labels.
        work_dir: Folder that keeps the image embeddings; if None, the embedder's name with suffix `.work`.

    Returns:
        `top-1` and, for more than five labels, `top-5` in percent, each with `…_interval`, the 95 % interval by bootstrap over images;
        `images`, `rejected`, `chance` in percent, `templates`, and `labels`: `images` and `top-1` of each.

    Raises:
        DataError: A template has no `{}`, there are fewer than two labels, or no image has one of them.
        EncoderError: The file embeds no images.
        InvalidArgumentError: The file embeds no text.
    """
    rejects = Rejects()
    label_of = _labels_by_folder(images, rejects) if truth is None else read_truth(truth)
    named = labels if labels is not None else {label: label.replace("_", " ") for label in sorted(set(label_of.values()))}
    _check(templates, named)
    for image in [image for image, label in label_of.items() if label not in named]:
        rejects.add(image, f"label {label_of.pop(image)!r} is not among the labels")
    if not label_of:
        raise DataError(
            f"{truth or images}: no image with one of the labels {', '.join(list(named)[:5])}; {rejects.summary() or 'no images'}"
        )
    features = _features(embedder, images, list(label_of), rejects, work_dir)
    names = list(named)
    targets = np.array([names.index(label_of[image]) for image in features.images])
    vectors = _normalized(np.asarray(features.values, np.float32))
    label_ranks = ranks(vectors, label_embeddings(embedder, list(named.values()), templates), targets)
    return {
        **_accuracy(label_ranks, len(names)),
        "chance": round(100 / len(names), 2),
        "images": len(targets),
        "rejected": len(rejects.rows),
        "templates": list(templates),
        "labels": {name: _label_accuracy(label_ranks[targets == number]) for number, name in enumerate(names)},
    }


def label_images(
    embedder: Path,
    images: Path,
    labels: Mapping[str, str],
    *,
    templates: Sequence[str] = (TEMPLATE,),
    work_dir: Path | None = None,
) -> list[tuple[str, str, float]]:
    """Gives each image of a folder the label whose sentence is nearest.

    Args:
        embedder: As in `classify`.
        images: The folder. Images that cannot be read are left out, and named in `classify-rejects.tsv` of the work folder.
        labels: Label to its name in a sentence; at least two.
        templates: As in `classify`.
        work_dir: As in `classify`.

    Returns:
        Image, label and the cosine of image and sentence, from -1 to 1, larger is nearer.

    Raises:
        DataError: A template has no `{}`, there are fewer than two labels, or no image can be read.
        EncoderError: The file embeds no images.
        InvalidArgumentError: The file embeds no text.
    """
    _check(templates, labels)
    rejects = Rejects()
    features = _features(embedder, images, list_images(images, rejects), rejects, work_dir)
    vectors = _normalized(np.asarray(features.values, np.float32))
    cosines = vectors @ label_embeddings(embedder, list(labels.values()), templates).T
    best, names = cosines.argmax(axis=1), list(labels)
    return [(image, names[label], float(cosines[row, label])) for row, (image, label) in enumerate(zip(features.images, best, strict=True))]


def write_labels(path: Path, found: Sequence[tuple[str, str, float]]) -> None:
    """Writes what `label_images` returns as tab-separated values with a header."""
    with atomic(path) as temporary:
        rows = (f"{image}\t{label}\t{cosine:.4f}\n" for image, label, cosine in found)
        temporary.write_text("".join(["image\tlabel\tsimilarity\n", *rows]), encoding="utf-8")


def _check(templates: Sequence[str], labels: Mapping[str, str]) -> None:
    wrong = [template for template in templates if "{}" not in template]
    if wrong or not templates:
        raise DataError(f"template {(wrong or [''])[0]!r}: expected a sentence with {{}} for the label, as in {TEMPLATE!r}")
    if len(labels) < 2:
        raise DataError(f"{len(labels)} labels ({', '.join(labels) or 'none'}), expected at least two")


def _features(embedder: Path, folder: Path, images: Sequence[str], rejects: Rejects, work_dir: Path | None) -> Features:
    """The features of images by the image tower of a file; images that cannot be read are rejected."""
    if "embed_image" not in (signatures := Source(embedder).signatures):
        raise EncoderError(f"{embedder}: has {', '.join(signatures) or 'no signatures'}, expected embed_image and a text tower")
    with Workspace.open(work_dir or embedder.with_suffix(".work")) as work:
        work.rejects = rejects
        features = image_features(folder, images, embedder, work)
        if rejects.rows:
            rejects.write(work.file(REJECTS))
            say(f"{folder}: {len(rejects.rows)} images left out ({rejects.summary()}); see {work.file(REJECTS)}")
    return features


def _accuracy(label_ranks: np.ndarray, labels: int) -> dict[str, Any]:
    """`top-1` and `top-5` in percent with their intervals, from the rank of each image's true label."""
    figures: dict[str, Any] = {}
    for cut in [cut for cut in CUTS if cut < labels]:
        correct = 100.0 * (label_ranks < cut)
        figures |= {f"top-{cut}": round(float(correct.mean()), 2), f"top-{cut}_interval": mean_interval(correct, np.arange(len(correct)))}
    return figures


def _label_accuracy(label_ranks: np.ndarray) -> dict[str, Any]:
    """`images` and `top-1` in percent of one label; None without images."""
    return {"images": len(label_ranks), "top-1": round(100 * float((label_ranks < 1).mean()), 2) if len(label_ranks) else None}


def label_embeddings(embedder: Path, names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """`(labels, d)` float32 of norm 1: the normalised mean over each label's sentences."""
    sentences = [template.replace("{}", name) for name in names for template in templates]
    vectors = _normalized(embed_texts(sentences, embedder))
    return _normalized(vectors.reshape(len(names), len(templates), -1).mean(1))


def read_labels(given: str) -> dict[str, str]:
    """Reads labels from a list separated by commas, or from a file with one label per line.

    A line is a label, or a label, a tab and its name in a sentence.

    Raises:
        DataError: There is neither a file nor a list, the file cannot be read, or a label occurs twice.
    """
    path = Path(given)
    if path.is_file():
        lines = [line for line in read_lines(path, "file of labels") if line.strip()]
    elif "," in given:
        lines = [part.strip() for part in given.split(",") if part.strip()]
    else:
        raise DataError(f"labels {given!r}: expected a file, or several labels separated by commas")
    pairs = [line.split("\t", 1) if "\t" in line else [line.strip(), line.strip().replace("_", " ")] for line in lines]
    labels = {label.strip(): name.strip() for label, name in pairs}
    if len(labels) < len(pairs):
        raise DataError(f"labels {given}: {len(pairs) - len(labels)} labels occur twice; remove the duplicates")
    return labels


def read_truth(path: Path) -> dict[str, str]:
    """Reads the label of each image from a file with lines of image, tab and label.

    Raises:
        DataError: The file cannot be read, or a line has no tab.
    """
    label_of: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, "file of images and labels"), 1):
        image, tab, label = line.partition("\t")
        if not tab and line.strip():
            raise DataError(f"{path}: line {number} is {line[:60]!r}, expected an image, a tab and its label")
        if tab:
            label_of[image.strip()] = label.strip()
    return label_of


def zero_shot_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures of `classify` as lines."""
    lines = [f"{figures['images']} images of {len(figures['labels'])} labels, {figures['rejected']} left out, chance {figures['chance']} %"]
    for name in [f"top-{cut}" for cut in CUTS if f"top-{cut}" in figures]:
        low, high = figures[f"{name}_interval"]
        lines.append(f"{name}  {figures[name]:.1f} %, 95 % interval {low:.1f} to {high:.1f}")
    for label, values in figures["labels"].items():
        lines.append(f"  {label:30} {values['images']:6} images" + ("" if values["top-1"] is None else f"  {values['top-1']:5.1f} %"))
    return lines


def _labels_by_folder(images: Path, rejects: Rejects) -> dict[str, str]:
    label_of = {image: Path(image).parent.name for image in list_images(images, rejects)}
    for image in [image for image, label in label_of.items() if not label]:
        rejects.add(image, "is not in the folder of a label")
        del label_of[image]
    return label_of


def _normalized(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
