"""What moments of videos cost in processor time, and 100 hours of them, from measured rates; `make bench-video` runs it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from maker.data.images import load_image
from maker.data.videos import list_videos, spans
from maker.embedding.features import Features
from maker.embedding.moments import joined_moments
from maker.embedding.tower import ItemTower
from maker.encoders.convert import ImageModelOptions
from maker.encoders.image import ImageEncoder, backbone
from maker.export.encoder_file import write_encoder
from maker.sample.corpus import draw_scene
from maker.sample.plan import plan_corpus
from maker.workspace import Rejects
from task.format.facts import encode, numbers, texts
from task.format.moment import Moment
from task.vision.resize import resize

SCENES, SECONDS = 24, 5.0  # of the video that is drawn, and of each of its scenes
HEIGHT, WIDTH, RATE = 360, 640, 25
HOURS = 100
DIMENSION = 128  # of a row, one byte each


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("build/video"))
    parser.add_argument("--image-encoder", help="a tflite: spec; without it, embedding is not measured")
    given = parser.parse_args()
    video = given.folder / "videos" / "drawn.mp4"
    video.parent.mkdir(parents=True, exist_ok=True)
    if not video.exists():
        draw(video)
    length = SCENES * SECONDS
    figures: dict[str, object] = {"seconds of video": length, "MB": round(video.stat().st_size / 1e6, 1), "size": [HEIGHT, WIDTH, RATE]}
    names = list_videos(video.parent, Rejects(), "1s")
    begin = time.process_time()
    for name in names:
        load_image(video.parent / name)
    read = (time.process_time() - begin) / len(names)
    begin = time.process_time()
    scenes = spans(video, None)
    cuts = (time.process_time() - begin) / length
    figures |= {"ms to read a frame each second": round(1e3 * read, 1), "times real time": round(1 / read)}
    figures |= {"scenes": SCENES, "scenes found": len(scenes), "times real time, scenes": round(1 / cuts)}
    frames, total = HOURS * 3600, read
    if given.image_encoder:
        tower = backbone(given.image_encoder, ImageModelOptions(), given.folder)
        file = given.folder / "tower.tflite"
        given_tower = {"image": ImageEncoder(tower, [])}, {"image": tower.input_shape}
        write_encoder(file, *given_tower, dimension=tower.dimension, preparation=tower.preparation)
        begin = time.process_time()
        made = ItemTower(file).embed([video.parent / name for name in names])
        total = (time.process_time() - begin) / len(names)
        joined = joined_moments(Features(names, made.values, made.hashes.tolist()))
        figures |= {"ms to read and embed a frame": round(1e3 * total, 1), "moments of one a second": len(joined.images)}
    figures |= {f"{HOURS} hours, frames": frames, f"{HOURS} hours, core hours": round(frames * total / 3600, 1)}
    figures[f"{HOURS} hours, MB without joining"] = round(frames * bytes_of_a_moment() / 1e6, 1)
    sys.stdout.write(f"{json.dumps(figures)}\n")


def draw(path: Path) -> None:
    """Encodes drawn scenes, with a little noise, as cameras have it."""
    import av

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for scene in plan_corpus(SCENES, 0, 0)[:SCENES]:
            picture = resize(np.asarray(draw_scene(scene, HEIGHT)), HEIGHT, WIDTH).astype(np.int16)
            for _ in range(round(SECONDS * RATE)):
                noisy = np.clip(picture + rng.integers(-4, 5, (HEIGHT, WIDTH, 1), np.int16), 0, 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode(None))


def bytes_of_a_moment(count: int = 10_000) -> float:
    """What a moment takes in a file: its row, its name, and its facts."""
    moments = [Moment("holidays/clip.mp4", float(second), float(second + 1)) for second in range(count)]
    columns = {
        "video": texts([moment.file for moment in moments]),
        "start": numbers([moment.start for moment in moments]),
        "end": numbers([moment.end for moment in moments]),
    }
    facts = sum(map(len, encode(columns, count)))
    return DIMENSION + 4 + 4 + float(np.mean([len(str(moment)) for moment in moments])) + facts / count


if __name__ == "__main__":
    main()
