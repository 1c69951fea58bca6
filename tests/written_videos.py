"""Videos of drawn scenes, which the tests encode themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from maker.sample.corpus import draw_scene
from maker.sample.plan import Scene, plan_corpus
from maker.sample.sentences import write_captions

FRAMES = 10  # a second
SIZE = 96  # pixels


def write_video(path: Path, pictures: Sequence[np.ndarray], seconds: float = 2.0, codec: str = "mpeg4") -> Path:
    """Shows each picture, `(height, width, 3)` uint8, for so many seconds."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FRAMES)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            for _ in range(round(seconds * FRAMES)):
                for packet in stream.encode(frame):
                    container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def scenes(count: int, seed: int = 0) -> list[Scene]:
    """Scenes of the sample corpus."""
    return [scene for scene in plan_corpus(count, 0, seed) if scene.split == "train"][:count]


def drawn(scene: Scene) -> np.ndarray:
    """A scene, `(SIZE, SIZE, 3)` uint8."""
    return np.asarray(draw_scene(scene, SIZE))


def sentences(scene: Scene) -> list[str]:
    """Its captions."""
    return list(write_captions(scene, 0))
