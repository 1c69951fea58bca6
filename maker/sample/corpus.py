"""A sample corpus: drawn scenes with English captions, small enough to train from scratch in minutes."""

import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from maker.sample.backgrounds import paint_background
from maker.sample.catalogue import COLOURS
from maker.sample.objects import OBJECTS
from maker.sample.pen import Pen
from maker.sample.plan import Scene, plan_corpus
from maker.sample.sentences import write_captions
from maker.sample.truth import typed_queries

Progress = Callable[[Iterable[Scene]], Iterable[Scene]]

OVERSAMPLING = 3
GROUPS = {1: ((0.0, 0.0, 1.0),), 2: ((-0.6, 0.3, 0.58), (0.6, -0.3, 0.58))}
GROUPS[3] = ((-0.66, 0.44, 0.52), (0.0, -0.48, 0.52), (0.66, 0.44, 0.52))
HEADER = "image\tsplit\tlang\tcaption\n"
QUERIES = "queries.tsv"


def draw_scene(scene: Scene, size: int) -> Image.Image:
    """Draws a scene; the same scene always gives the same pixels."""
    rng = random.Random(scene.name + scene.background)
    pixels = size * OVERSAMPLING
    image = Image.new("RGB", (pixels, pixels))
    draw = paint_background(image, scene.background, rng)
    for item in sorted(scene.items, key=lambda item: item.y + item.radius):
        for across, down, share in GROUPS[item.count]:
            centre = ((item.x + across * item.radius) * pixels, (item.y + down * item.radius) * pixels)
            pen = Pen(draw, centre, item.radius * share * pixels, mirrored=item.mirrored)
            if item.row == "lower":
                pen.oval((20, 30, 60, 45), 0, 0.98, 0.9, 0.14)
            OBJECTS[item.kind](pen, COLOURS[item.colour][0])
    return image.reduce(OVERSAMPLING)


def draw_corpus(
    folder: Path,
    *,
    scenes: int = 2400,
    held_out: int = 400,
    size: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Draws a corpus of captioned scenes: `images/*.png` and `captions.tsv`, with three captions per scene.

    `queries.tsv` has queries as people type them, and the scenes that answer each by what is drawn (`maker evaluate --queries`).

    The same arguments always give the same captions and the same pixels. `captions.tsv` is written last, so a folder
    that has it is complete.

    Args:
        folder: Where to write; created if missing.
        scenes: The number of training scenes.
        held_out: The number of validation scenes; each of their combinations of background, object and colour is
            missing from the training scenes.
        size: The width and height of the images in pixels.
        seed: Chooses the scenes and their wording.
        progress: Wraps the scenes while they are drawn, as `tqdm` does.

    Returns:
        The path of `captions.tsv`: columns image, split (train or val), lang (en) and caption.

    Raises:
        ValueError: If there are not enough different scenes.
    """
    plan = plan_corpus(scenes, held_out, seed)
    captions = folder / "captions.tsv"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    captions.unlink(missing_ok=True)
    lines = [HEADER]
    for scene in progress(plan) if progress else plan:
        # Level 1 is three times as fast as the default, and files are only a little larger.
        draw_scene(scene, size).save(folder / scene.name, compress_level=1)
        lines += [f"{scene.name}\t{scene.split}\ten\t{caption}\n" for caption in write_captions(scene, seed)]
    queries = [f"{query.text}\t{'|'.join(query.scenes)}\n" for query in typed_queries(plan)]
    _write(folder / QUERIES, ["query\trelevant\n", *queries])
    _write(captions, lines)
    return captions


def _write(path: Path, lines: list[str]) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text("".join(lines), encoding="utf-8", newline="\n")
    os.replace(unfinished, path)
