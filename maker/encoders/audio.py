"""Opens sound encoders: a TFLite model that takes samples, or the built-in `mel`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maker.encoders.embedder import Tower, model_metadata
from maker.encoders.mel import write_mel
from maker.errors import EncoderError
from maker.graph.source import Source
from task.format import tflite_metadata
from task.format.sound_format import SoundFormat, SoundFormatError, sound_format_of

MEL = "mel"
MEL_SECONDS = 2.0  # of a sound, unless the spec says another length
FORMS = {"tflite": "tflite:PATH[#TENSOR]", MEL: f"{MEL}[:SECONDS]"}


def parse_audio_spec(spec: str) -> tuple[str, str]:
    """Splits a spec `kind:rest`; the rest may be empty for `mel`.

    Raises:
        EncoderError: The kind is unknown, the rest is missing or no number of seconds.
    """
    kind, _, rest = spec.partition(":")
    if kind not in FORMS:
        raise EncoderError(f"audio encoder {spec!r}: unknown kind {kind!r}; expected one of {', '.join(FORMS.values())}")
    if kind == "tflite" and not rest:
        raise EncoderError(f"audio encoder {spec!r}: expected {FORMS[kind]}")
    if kind == MEL and rest and not _is_length(rest):
        raise EncoderError(f"audio encoder {spec!r}: expected a number of seconds from 0.5 to 60 behind {MEL}:")
    return kind, rest


def sound_tower(spec: str, sample_rate: int | None, work: Path) -> Tower:
    """Opens the frozen tower of a spec.

    Args:
        spec: The spec.
        sample_rate: Samples per second, for a model whose metadata do not say it.
        work: Keeps the built-in encoder.

    Raises:
        EncoderError: The model is missing, takes no samples of one channel, or does not say how many there are a second.
    """
    kind, rest = parse_audio_spec(spec)
    if kind == MEL:
        work.mkdir(parents=True, exist_ok=True)
        path = work / f"{MEL}.tflite"
        made = write_mel(path, float(rest or MEL_SECONDS))
        return _tower(Source(path), None, made)
    name, _, tensor = rest.partition("#")
    if not Path(name).is_file():
        raise EncoderError(f"audio encoder: no such file: {name}")
    source = Source(name)
    return _tower(source, tensor or None, _format(source, sample_rate))


def _tower(source: Source, tensor: str | None, given: SoundFormat) -> Tower:
    outputs = [source.tensor(tensor)] if tensor else source.outputs()
    if len(outputs) != 1:
        names = ", ".join(output.name for output in outputs)
        raise EncoderError(f"{source.path}: {len(outputs)} outputs ({names}); name the one that is the embedding: tflite:PATH#TENSOR")
    (output,) = outputs
    if not output.is_readable:
        raise EncoderError(f"{source.path}: tensor {output.name!r} is {output.dtype}, expected float32, or 8 bits with one scale")
    return Tower("audio", source, None, source.inputs()[0], output, sound=given)


def _format(source: Source, sample_rate: int | None) -> SoundFormat:
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
    properties = _properties(source)
    rate = properties.get("sample_rate") or sample_rate
    if rate is None:
        raise EncoderError(f"{source.path}: does not say how many samples there are a second; pass --sample-rate, such as 16000")
    try:
        return sound_format_of({"sample_rate": rate, "samples": samples, "channels": properties.get("channels") or 1})
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


def _is_length(text: str) -> bool:
    try:
        return 0.5 <= float(text) <= 60
    except ValueError:
        return False
