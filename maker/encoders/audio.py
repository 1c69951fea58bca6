"""Opens sound encoders: a TFLite model that takes samples, the speech embedding of openwakeword, or the built-in `mel`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.encoders.embedder import Tower, model_metadata
from maker.encoders.mel import write_mel
from maker.encoders.speech_embedding import write_speech_embedding
from maker.errors import EncoderError
from maker.graph.fixed_size import with_input_shape
from maker.graph.source import Source
from task.format import tflite_metadata
from task.format.sound_format import SoundFormat, SoundFormatError, sound_format_of

MEL = "mel"
WINDOW = 2.0  # seconds of a sound, where neither the model nor the caller says another length
LONGEST = 60.0
FORMS = {"tflite": "tflite:PATH[#TENSOR]", "openwakeword": "openwakeword:FOLDER", MEL: MEL}


def parse_audio_spec(spec: str) -> tuple[str, str]:
    """Splits a spec `kind:rest`; the rest is empty for `mel`.

    Raises:
        EncoderError: The kind is unknown, or the rest is missing or too much.
    """
    kind, _, rest = spec.partition(":")
    if kind not in FORMS:
        raise EncoderError(f"audio encoder {spec!r}: unknown kind {kind!r}; expected one of {', '.join(FORMS.values())}")
    if bool(rest) == (kind == MEL):
        raise EncoderError(f"audio encoder {spec!r}: expected {FORMS[kind]}")
    return kind, rest


@dataclass(frozen=True)
class SoundModelOptions:
    """What a sound model does not say itself.

    Attributes:
        sample_rate: Samples per second, for a model whose metadata do not say it.
        window: Seconds of a sound, for a model that takes sounds of any length; None for `WINDOW`.
    """

    sample_rate: int | None = None
    window: float | None = None

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            EncoderError: A number is out of its range.
        """
        if self.sample_rate is not None and self.sample_rate < 1:
            raise EncoderError(f"--sample-rate {self.sample_rate}: expected a number above 0, such as 16000")
        if self.window is not None and not 0.5 <= self.window <= LONGEST:
            raise EncoderError(f"--window {self.window:g}: expected from 0.5 to {LONGEST:g} seconds")


def sound_tower(spec: str, options: SoundModelOptions, work: Path) -> Tower:
    """Opens the frozen tower of a spec.

    Args:
        spec: The spec.
        options: What the model does not say.
        work: Keeps encoders that are written here.

    Raises:
        EncoderError: The model is missing, takes no samples of one channel, or does not say how many there are a second.
    """
    kind, rest = parse_audio_spec(spec)
    if kind != "tflite":
        work.mkdir(parents=True, exist_ok=True)
        path, seconds = work / f"{kind}.tflite", options.window or WINDOW
        made = write_mel(path, seconds) if kind == MEL else write_speech_embedding(Path(rest), path, seconds)
        return _tower(Source(path), None, made)
    name, _, tensor = rest.partition("#")
    if not Path(name).is_file():
        raise EncoderError(f"audio encoder: no such file: {name}")
    source = _of_fixed_length(Source(name), options)
    return _tower(source, tensor or None, _format(source, options))


def _tower(source: Source, tensor: str | None, given: SoundFormat) -> Tower:
    outputs = [source.tensor(tensor)] if tensor else source.outputs()
    if len(outputs) != 1:
        names = ", ".join(output.name for output in outputs)
        raise EncoderError(f"{source.path}: {len(outputs)} outputs ({names}); name the one that is the embedding: tflite:PATH#TENSOR")
    (output,) = outputs
    if not output.is_readable:
        raise EncoderError(f"{source.path}: tensor {output.name!r} is {output.dtype}, expected float32, or 8 bits with one scale")
    return Tower("audio", source, None, source.inputs()[0], output, sound=given)


def _of_fixed_length(source: Source, options: SoundModelOptions) -> Source:
    """The model with as many samples as a window has, if it takes any number of them."""
    inputs = source.inputs()
    if len(inputs) != 1 or not (inputs[0].is_open or options.window):
        return source
    samples = round((options.window or WINDOW) * _rate(source, options))
    return with_input_shape(source.path, (1,) * (len(inputs[0].shape) - 1) + (samples,))


def _rate(source: Source, options: SoundModelOptions) -> int:
    rate = _properties(source).get("sample_rate") or options.sample_rate
    if rate is None:
        raise EncoderError(f"{source.path}: does not say how many samples there are a second; pass --sample-rate, such as 16000")
    return rate


def _format(source: Source, options: SoundModelOptions) -> SoundFormat:
    """What a model takes, by its input and its TFLite Metadata."""
    inputs = source.inputs()
    query = inputs[0]
    named = f"{source.path}: input {query.name!r}"
    if len(inputs) != 1 or query.dtype != np.float32 or query.is_dynamic or query.scale is not None:
        found = f"{len(inputs)} inputs" if len(inputs) != 1 else f"input {query.name!r} of {query.dtype} {list(query.shape)}"
        raise EncoderError(f"{source.path}: has {found}, expected one of float32 with a fixed number of samples")
    samples = int(np.prod(query.shape))
    if max(query.shape, default=0) != samples or samples < 2:
        raise EncoderError(f"{named} has shape {list(query.shape)}, expected samples of one channel: [1, samples] or [samples]")
    channels = _properties(source).get("channels") or 1
    try:
        return sound_format_of({"sample_rate": _rate(source, options), "samples": samples, "channels": channels})
    except SoundFormatError as error:
        raise EncoderError(f"{source.path}: {error}") from error


def _properties(source: Source) -> dict[str, int]:
    """The AudioProperties of the first input; empty if there are none."""
    content = model_metadata(source)
    try:
        decoded = tflite_metadata.decode(content) if content else {}
    except tflite_metadata.MetadataError as error:
        raise EncoderError(f"{source.path}: {error}") from error
    for subgraph in decoded.get("subgraph_metadata", [])[:1]:
        for tensor in subgraph.get("input_tensor_metadata", [])[:1]:
            found = tensor.get("content", {})
            if found.get("content_properties_type") == tflite_metadata.AUDIO:
                properties: dict[str, int] = found.get("content_properties", {})
                return properties
    return {}
