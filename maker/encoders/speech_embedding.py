"""Google's speech embedding as a sound encoder, from the two models that the Python package openwakeword carries.

One model makes a mel spectrogram of samples, the other an embedding of 76 frames of it, 0.76 seconds (Lin, Kilgour, Roblek, Sharifi,
"Training Keyword Spotters with Limited and Synthesized Speech Data", ICASSP 2020).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maker.errors import EncoderError
from maker.graph.fixed_size import with_input_shape
from maker.graph.model import Model
from maker.graph.source import Source
from maker.graph.subgraph import Subgraph
from maker.workspace import atomic
from task.format.sound_format import SoundFormat

MEL_FILE, EMBEDDING_FILE = "melspectrogram.tflite", "embedding_model.tflite"
RATE = 16_000  # samples per second
FULL_SCALE = 32768.0  # the models take samples as whole numbers of 16 bits
FRAME, HOP = 512, 160  # samples of a frame, and between frames
FRAMES, BANDS = 76, 32  # that an embedding is made of
WIDTH = 96  # of an embedding
STEP = 8  # frames between embeddings
PARTS = 8  # of the time, of which each gets its own mean
SHORTEST = 1.4  # seconds, in which each part has an embedding
OUTPUT = "speech_embedding"


def write_speech_embedding(folder: Path, path: Path, seconds: float) -> SoundFormat:
    """Writes the encoder as a `.tflite`, from `[1, samples]` float32 to `[1, f]` float32, and returns what it takes.

    The features are the mean embedding of each eighth of the time, then the largest value of each dimension.

    Args:
        folder: Where the two models are.
        path: The file to write.
        seconds: Length of a sound.

    Raises:
        EncoderError: A model is missing, or is another one; or the sound is too short.
    """
    if seconds < SHORTEST:
        raise EncoderError(f"openwakeword: sounds of {seconds:g} seconds are too short; expected at least {SHORTEST}")
    for name in (MEL_FILE, EMBEDDING_FILE):
        if not (folder / name).is_file():
            raise EncoderError(f"openwakeword: {folder} has no {name}; expected the models of the package openwakeword 0.5.1")
    samples = round(seconds * RATE)
    frames = (samples - FRAME) // HOP + 1
    count = (frames - FRAMES) // STEP + 1
    mel = with_input_shape(folder / MEL_FILE, (1, samples))
    embedding = with_input_shape(folder / EMBEDDING_FILE, (count, FRAMES, BANDS, 1))
    if mel.outputs()[0].shape != (1, 1, frames, BANDS) or embedding.outputs()[0].shape != (count, 1, 1, WIDTH):
        raise EncoderError(f"openwakeword: the models in {folder} are not those of openwakeword 0.5.1")
    model = Model(OUTPUT)
    g = model.subgraph(OUTPUT)
    query = g.tensor("query", (1, samples), np.float32)
    made = _run(g, mel, g.mul(query, np.array(FULL_SCALE, np.float32)))
    scaled = g.add(g.mul(g.reshape(made, (frames, BANDS)), np.array(0.1, np.float32)), np.array(2.0, np.float32))
    windows = (np.arange(count)[:, None] * STEP + np.arange(FRAMES)).reshape(-1).astype(np.int32)
    each = g.reshape(_run(g, embedding, g.reshape(g.gather(scaled, g.constant(windows)), (count, FRAMES, BANDS, 1))), (count, WIDTH))
    model.signature(g, {"query": query}, {OUTPUT: _pooled(g, each, count)})
    with atomic(path) as temporary:
        model.write(temporary)
    return SoundFormat(RATE, samples)


def _run(g: Subgraph, source: Source, query: int) -> int:
    (found,) = g.inline(source, {source.inputs()[0].index: query}, [source.outputs()[0].index])
    return found


def _pooled(g: Subgraph, each: int, count: int) -> int:
    """`[1, (PARTS + 1) * d]` of `[count, d]`."""
    place = np.arange(count) * PARTS // count
    parts = (place == np.arange(PARTS)[:, None]).astype(np.float32)
    means = g.fully_connected(g.transpose(each, (1, 0)), parts / parts.sum(1, keepdims=True))  # [d, PARTS]
    largest = g.reduce_max(each, axis=0)
    return g.concat([g.reshape(means, (1, WIDTH * PARTS)), g.reshape(largest, (1, WIDTH))], axis=1)
