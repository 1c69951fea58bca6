"""Sounds, and a file with a small tower for them, that the tests make themselves."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from maker.export.encoder_file import write_encoder
from maker.graph.model import Model
from maker.graph.subgraph import Subgraph
from task.format import tflite_metadata
from task.format.sound_format import SoundFormat
from tests.conftest import DIMENSION, TEXTS, words_tower

RATE = 8000
FORMAT = SoundFormat(RATE, 1600)


class LoudParts:
    """A sound encoder of a few operators: the loudness of 16 parts of the time, mixed."""

    weights = np.random.default_rng(5).standard_normal((DIMENSION, 16)).astype(np.float32)

    def write(self, g: Subgraph, query: int) -> int:
        parts = g.reshape(query, (16, FORMAT.samples // 16))
        return g.fully_connected(g.reshape(g.mean(g.mul(parts, parts), axis=1), (1, 16)), self.weights)


def sound_encoder(path: Path) -> Path:
    """Writes an encoder file with a text and a sound tower."""
    text = words_tower()
    shapes = {"text": (1, text.size.max_bytes), "audio": (1, FORMAT.samples)}
    write_encoder(
        path,
        {"text": text, "audio": LoudParts()},
        shapes,
        dimension=DIMENSION,
        example_texts=TEXTS[:2],
        sound=FORMAT,
        described={"audio": {}},
    )
    return path


def tone(frequency: float, seconds: float, rate: int = RATE, start: float = 0.0) -> np.ndarray:
    """A tone at half of full scale that begins after `start` seconds of silence, float32."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * time) * (time >= start)).astype(np.float32)


def write_wave(path: Path, samples: np.ndarray, rate: int = RATE, width: int = 2) -> Path:
    """Writes a WAV of `(n,)` or `(n, channels)` samples whose numbers have `width` bytes."""
    values = samples if samples.ndim == 2 else samples[:, None]
    numbers = np.rint(values * (2 ** (8 * width - 1) - 1)).astype("<i4") + (128 if width == 1 else 0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(values.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(numbers).view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
    return path


def plain_model(path: Path, shape: tuple[int, ...], rate: int | None = None, channels: int = 1, is_open: bool = False) -> Path:
    """A model that returns 8 of its samples; its metadata may say how many there are a second."""
    model = Model("plain")
    g = model.subgraph("plain")
    query = g.tensor("samples", shape, np.float32)
    samples = query if is_open else g.reshape(query, (1, int(np.prod(shape))))
    model.signature(g, {"samples": query}, {"embedding": g.slice(samples, (0, 0), (1, 8))})
    if rate is not None:
        content = {"content_properties_type": tflite_metadata.AUDIO, "content_properties": {"sample_rate": rate, "channels": channels}}
        described = {"subgraph_metadata": [{"input_tensor_metadata": [{"name": "samples", "content": content}]}]}
        model.metadata(tflite_metadata.NAME, tflite_metadata.encode(described))
    if is_open:
        g.table.tensors[query].shapeSignature = [*shape[:-1], -1]
    model.write(path)
    return path
