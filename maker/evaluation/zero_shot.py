"""Zero-shot classification: an image belongs to the label whose sentence is nearest (Radford et al., 2021, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.images import list_images
from maker.embedding.features import image_features
from maker.embedding.texts import embed_texts
from maker.errors import DataError, EncoderError
from maker.graph.source import Source
from maker.progress import say
from maker.training.metrics import mean_interval, ranks
from maker.workspace import Rejects, Workspace

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
    """Classifies a folder's images and counts how many are right.

    Args:
        embedder: A searcher or encoder file that embeds text and images; only its towers are used.
        images: The folder. An image's label is the name of the folder that it lies in, unless `truth` says it.
        labels: Label to what it is called in a sentence; those of the images, underscores as spaces, where None.
        templates: Sentences with `{}` for the label; a label's embedding is the mean of theirs.
        truth: A tab-separated file of image and label.
        work_dir: Where image embeddings are kept; the embedder's name with suffix `.work` where None.

    Returns:
        `top-1` and, of more than five labels, `top-5` in percent with `…_interval`, the bootstrap 95 % interval drawn by image; `images`,
        `rejected`, `chance` in percent, and `labels`: of each its `images` and `top-1`.

    Raises:
        DataError: A template has no place for the label, there are fewer than two labels, or no image has one.
        EncoderError: The file embeds no images.
        InvalidArgumentError: The file embeds no text.
    """
    wrong = [template for template in templates if "{}" not in template]
    if wrong or not templates:
        raise DataError(f"template {(wrong or [''])[0]!r}: expected a sentence with {{}} for the label, as in {TEMPLATE!r}")
    rejects = Rejects()
    label_of = _labels_by_folder(images, rejects) if truth is None else read_truth(truth)
    named = labels if labels is not None else {label: label.replace("_", " ") for label in sorted(set(label_of.values()))}
    if len(named) < 2:
        raise DataError(f"{len(named)} labels ({', '.join(named) or 'none'}); there is nothing to choose between, expected at least two")
    for image in [image for image, label in label_of.items() if label not in named]:
        rejects.add(image, f"label {label_of.pop(image)!r} is none of the labels")
    if not label_of:
        raise DataError(
            f"{truth or images}: no image with one of the labels {', '.join(list(named)[:5])}; {rejects.summary() or 'no images'}"
        )
    if "embed_image" not in (signatures := Source(embedder).signatures):
        raise EncoderError(f"{embedder}: has {', '.join(signatures) or 'no signatures'}, expected embed_image and a text tower")
    with Workspace.open(work_dir or embedder.with_suffix(".work")) as work:
        work.rejects = rejects
        found = image_features(images, list(label_of), embedder, work)
        if rejects.rows:
            rejects.write(work.file(REJECTS))
            say(f"{images}: {len(rejects.rows)} images left out ({rejects.summary()}); see {work.file(REJECTS)}")
    names = list(named)
    targets = np.array([names.index(label_of[image]) for image in found.images])
    places = ranks(_normalized(np.asarray(found.values, np.float32)), label_embeddings(embedder, list(named.values()), templates), targets)
    figures: dict[str, Any] = {}
    for cut in [cut for cut in CUTS if cut < len(names)]:
        right = 100.0 * (places < cut)
        figures |= {f"top-{cut}": round(float(right.mean()), 2), f"top-{cut}_interval": mean_interval(right, np.arange(len(right)))}
    return figures | {
        "chance": round(100 / len(names), 2),
        "images": len(targets),
        "rejected": len(rejects.rows),
        "templates": list(templates),
        "labels": {
            name: {"images": int(of.sum()), "top-1": round(100 * float((places[of] < 1).mean()), 2) if of.any() else None}
            for number, name in enumerate(names)
            for of in [targets == number]
        },
    }


def label_embeddings(embedder: Path, names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """`(labels, d)` float32 of norm 1: the direction of the mean of each label's sentences."""
    sentences = [template.replace("{}", name) for name in names for template in templates]
    vectors = _normalized(embed_texts(sentences, embedder))
    return _normalized(vectors.reshape(len(names), len(templates), -1).mean(1))


def read_labels(given: str) -> dict[str, str]:
    """Labels from a list with commas, or from a file of a line each: a label, or a label, a tab and what it is called in a sentence.

    Raises:
        DataError: The file cannot be read, or a label comes twice.
    """
    path = Path(given)
    if path.is_file():
        lines = [line for line in _read(path).splitlines() if line.strip()]
    elif "," in given:
        lines = [part.strip() for part in given.split(",") if part.strip()]
    else:
        raise DataError(f"labels {given!r}: neither a file nor several labels with commas")
    pairs = [line.split("\t", 1) if "\t" in line else [line.strip(), line.strip().replace("_", " ")] for line in lines]
    labels = {label.strip(): name.strip() for label, name in pairs}
    if len(labels) < len(pairs):
        raise DataError(f"labels {given}: {len(pairs) - len(labels)} labels come twice")
    return labels


def read_truth(path: Path) -> dict[str, str]:
    """Label by image, from a file of image, tab and label.

    Raises:
        DataError: The file cannot be read, or a line has no tab.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(_read(path).splitlines(), 1):
        image, tab, label = line.partition("\t")
        if not tab and line.strip():
            raise DataError(f"{path}: line {number} is {line[:60]!r}, expected an image, a tab and its label")
        if tab:
            found[image.strip()] = label.strip()
    return found


def zero_shot_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures as lines to print."""
    lines = [f"{figures['images']} images of {len(figures['labels'])} labels, {figures['rejected']} left out, chance {figures['chance']} %"]
    for name in [f"top-{cut}" for cut in CUTS if f"top-{cut}" in figures]:
        low, high = figures[f"{name}_interval"]
        lines.append(f"{name}  {figures[name]:.1f} %, 95 % interval {low:.1f} to {high:.1f}")
    for label, values in figures["labels"].items():
        lines.append(f"  {label:30} {values['images']:6} images" + ("" if values["top-1"] is None else f"  {values['top-1']:5.1f} %"))
    return lines


def _labels_by_folder(images: Path, rejects: Rejects) -> dict[str, str]:
    found = {image: Path(image).parent.name for image in list_images(images, rejects)}
    for image in [image for image, label in found.items() if not label]:
        rejects.add(image, "lies in no label's folder")
        del found[image]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected UTF-8 text") from error


def _normalized(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
