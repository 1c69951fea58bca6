"""Opens `.tflite` embedders: an image model, a text model with its tokenizer, or an encoder or searcher of this project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from maker.encoders.sentence_tower import SentenceTower, sentence_tower
from maker.encoders.token_tower import TokenTower, token_tower
from maker.encoders.tokenizer_file import TextModelOptions, stored_tokenizer
from maker.errors import EncoderError
from maker.graph.source import Source, SourceTensor
from maker.graph.subgraph import Subgraph
from maker.progress import say
from task.format import archive, manifest, tflite_metadata, utf8
from task.format.preparation import Preparation, PreparationError, preparation_of
from task.format.sound_format import SoundFormat, SoundFormatError, sound_format_of

MOBILENET_MEAN = MOBILENET_STD = 127.5  # of float image models without TFLite Metadata: pixels become [-1, 1]


@dataclass(frozen=True)
class Tower:
    """A tower: a part of a model that embeds text, images or sounds.

    Attributes:
        kind: `text`, `image` or `audio`.
        source: The model.
        signature: The signature of the tower in the model; None for the first subgraph.
        query: The input.
        output: The tensor with the embedding; it may be an inner tensor of the model.
        mean, std: Normalisation of a float image input, one value or three; None for uint8 inputs.
        prefix: Number of leading dimensions of the output to take, not normalised again; None for all.
        preparation: How a picture is brought to the size of the input.
        sound: Rate and number of samples of a sound input.
        inner: Feature maps `[1, height, width, channels]` whose means follow behind the output.
    """

    kind: str
    source: Source
    signature: str | None
    query: SourceTensor
    output: SourceTensor
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    prefix: int | None = None
    preparation: Preparation = Preparation()
    sound: SoundFormat | None = None
    inner: tuple[SourceTensor, ...] = ()
    tokenizer = None

    @property
    def dimension(self) -> int:
        """Dimension of the embedding."""
        return self.prefix or int(np.prod(self.output.shape, dtype=np.int64)) + sum(tensor.shape[3] for tensor in self.inner)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, max_bytes)`, `(1, height, width, 3)` or `(1, samples)`."""
        return (1, self.sound.samples) if self.sound else self.query.shape

    def describe_query(self) -> dict[str, Any]:
        """The preprocessing of the query, for the manifest."""
        if self.kind == "text":
            return {"max_bytes": self.query.shape[1], "encoding": "utf-8"}
        if self.sound:
            return self.sound.describe()
        _, height, width, _ = self.query.shape
        return self.preparation.describe(height, width)

    def prepare(self, text: str) -> dict[str, np.ndarray]:
        """The inputs of a text tower for a sentence, by name."""
        return {"query": utf8.encode(text, self.query.shape[1])}

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower to a subgraph.

        Args:
            g: The subgraph.
            query: Tensor of `input_shape`, float32 for sounds, else uint8.

        Returns:
            `[1, dimension]` float32 tensor.
        """
        return self.write_reading(g, query, [])[0]

    def write_reading(self, g: Subgraph, query: int, more: Sequence[SourceTensor]) -> tuple[int, list[int]]:
        """Adds the tower as `write` does, and returns more tensors of its model beside the embedding."""
        x = query
        if self.query.dtype == np.float32 and self.kind == "image":
            assert self.mean is not None
            assert self.std is not None
            x = g.mul(g.sub(g.cast(query, np.float32), self.mean), (1.0 / self.std).astype(np.float32))
        elif self.sound and self.query.shape != self.input_shape:
            x = g.reshape(query, self.query.shape)
        elif self.query.scale is not None:
            # The input of the graph has no quantisation, but the operators of the model read it from this tensor.
            tensor = self.source.subgraph(self.signature).tensors[self.query.index]
            g.table.tensors[query].quantization = tensor.quantization
        read = [self.output, *self.inner]
        wanted = [tensor.index for tensor in (*read, *more)]
        found = g.inline(self.source, {self.query.index: x}, wanted, self.signature)
        output, *maps = [
            g.dequantize(made) if tensor.dtype != np.float32 else made for tensor, made in zip(read, found[: len(read)], strict=True)
        ]
        embedding = g.reshape(output, (1, int(np.prod(self.output.shape, dtype=np.int64))))
        if maps:
            embedding = g.concat([embedding, *(_mean_of_places(g, feature_map) for feature_map in maps)], axis=1)
        embedding = g.slice(embedding, (0, 0), (1, self.prefix)) if self.prefix else embedding
        return embedding, found[len(read) :]


def _mean_of_places(g: Subgraph, feature_map: int) -> int:
    """`[1, channels]`: the mean of `[1, height, width, channels]` float32 over its places."""
    _, height, width, channels = g.shape(feature_map)
    return g.mean(g.reshape(feature_map, (1, height * width, channels)), axis=1)


AnyTower: TypeAlias = "Tower | TokenTower | SentenceTower"
SENTENCES = ("text", "tokens")  # the kinds of towers for sentences; a file has one of them


def open_embedder(path: str | Path, text_model: TextModelOptions | None = None) -> dict[str, AnyTower]:
    """Opens the towers of a `.tflite` embedder, by kind.

    Args:
        path: The file.
        text_model: The tokenizer of a model that takes token ids; None for files of this project and image models.

    Raises:
        EncoderError: The file is not a TFLite model, none of its inputs takes an image, token ids or UTF-8 bytes, or the tokenizer cannot
            be used.
    """
    source = Source(path)
    own = [key for key in source.signatures if key in ("embed_text", "embed_tokens", "embed_image", "embed_audio")]
    if text_model is not None and text_model.tokenizer is not None:
        if own:
            raise EncoderError(f"{path}: already contains the tokenizer of {', '.join(own)}; leave out --tokenizer")
        tower = sentence_tower(token_tower(source, text_model))
        return {tower.kind: tower}
    if own:
        described = embedder_manifest(path)
        return {key.removeprefix("embed_"): _own_tower(source, key, described) for key in own}
    return {"image": image_tower(source)}


def embedder_manifest(path: str | Path) -> manifest.Manifest | None:
    """The manifest of an encoder or searcher of this project; None for other models."""
    content = Path(path).read_bytes()
    place = archive.locate(content).get(manifest.FILE)
    return None if place is None else manifest.decode(content[place[0] : sum(place)])


def example_texts(trained: manifest.Manifest | None) -> list[str]:
    """The sentences of the golden queries in an encoder or searcher."""
    golden = trained.golden if trained else []
    signatures = [f"{verb}_{kind}" for verb in ("embed", "search") for kind in SENTENCES]
    return [g["query"] for g in golden if g["signature"] in signatures]


def image_tower(source: Source, tensor: str | None = None, normalization: tuple[np.ndarray, np.ndarray] | None = None) -> Tower:
    """An image model as a tower.

    Args:
        source: The model; its first subgraph is used.
        tensor: Name of the tensor with the embedding; the first output if None.
        normalization: Mean and standard deviation of a float input; None takes those in its TFLite Metadata.

    Raises:
        EncoderError: The model does not take one RGB image of a fixed size, or the tensor is neither float32 nor 8 bits with one scale.
    """
    query = _image_input(source)
    outputs = [source.tensor(tensor)] if tensor else source.outputs()
    if len(outputs) != 1:
        names = ", ".join(output.name for output in outputs)
        raise EncoderError(f"{source.path}: {len(outputs)} outputs ({names}); name the one that is the embedding: tflite:PATH#TENSOR")
    output = outputs[0]
    if not output.is_readable:
        raise EncoderError(f"{source.path}: tensor {output.name!r} is {output.dtype}, expected float32, or 8 bits with one scale")
    mean = std = None
    if query.dtype == np.float32:
        mean, std = normalization or _normalization(source)
    return Tower("image", source, None, query, output, mean, std)


def _image_input(source: Source) -> SourceTensor:
    """The one input of an image model."""
    inputs = source.inputs()
    if len(inputs) != 1:
        raise EncoderError(f"{source.path}: {len(inputs)} inputs, expected one image; a text model that takes ids needs --tokenizer")
    query, shape = inputs[0], list(inputs[0].shape)
    named = f"{source.path}: input {query.name!r}"
    if query.is_dynamic or (shape and min(shape) < 1):
        raise EncoderError(f"{named} takes images of any size; convert the model again with a fixed input of [1, height, width, 3]")
    if len(shape) == 4 and shape[1] == 3 and shape[3] != 3:
        raise EncoderError(f"{named} has shape {shape}, channels first; convert the model again with channels last: [1, height, width, 3]")
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise EncoderError(f"{named} has shape {shape}, expected an image of [1, height, width, 3]; a text model needs --tokenizer")
    if query.dtype not in (np.dtype(np.uint8), np.dtype(np.float32)):
        raise EncoderError(f"{named} is {query.dtype}, expected uint8 or float32; convert the model again with one of these as input type")
    return query


def _own_tower(source: Source, key: str, described: manifest.Manifest | None) -> AnyTower:
    query = described.query if described else {}
    if key == "embed_tokens":
        content = Path(source.path).read_bytes()
        start, size = archive.locate(content)[query["tokens"]["file"]]
        inputs = {tensor.name: tensor for tensor in source.inputs(key)}
        tokenizer = stored_tokenizer(content[start : start + size], query["tokens"])
        return TokenTower(source, key, inputs["ids"], inputs.get("mask"), [], source.outputs(key)[0], "mean", tokenizer)
    try:
        preparation = preparation_of(query.get("image", {}))
        sound = sound_format_of(query.get("audio", {})) if key == "embed_audio" else None
    except (PreparationError, SoundFormatError) as error:
        raise EncoderError(f"{source.path}: {error}, which this release does not know; update pocket-searcher") from error
    return Tower(
        key.removeprefix("embed_"), source, key, source.inputs(key)[0], source.outputs(key)[0], preparation=preparation, sound=sound
    )


def _normalization(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation in the TFLite Metadata of the model; without metadata, those that map pixels to [-1, 1]."""
    found, content = tflite_metadata.TensorMetadata(), model_metadata(source)
    if content:
        try:
            found = tflite_metadata.first_input(content)
        except tflite_metadata.MetadataError as error:
            raise EncoderError(f"{source.path}: {error}") from error
    if found.std and any(s == 0 for s in found.std):
        raise EncoderError(f"{source.path}: NormalizationOptions.std has a zero")
    if not found.mean or not found.std:
        _say_usual(source.path)
    mean, std = found.mean or [MOBILENET_MEAN], found.std or [MOBILENET_STD]
    if len(mean) not in (1, 3) or len(std) not in (1, 3):
        raise EncoderError(f"{source.path}: NormalizationOptions have {len(mean)} means and {len(std)} stds, expected 1 or 3 of each")
    return np.array(mean, np.float32), np.array(std, np.float32)


def model_metadata(source: Source) -> bytes:
    """The TFLite Metadata of a model; empty if it has none."""
    for entry in source.model.metadata or []:
        name = entry.name.decode() if isinstance(entry.name, bytes) else entry.name
        data = source.model.buffers[entry.buffer].data
        if name == tflite_metadata.NAME and data is not None:
            return bytes(np.asarray(data, np.uint8))
    return b""


@cache
def _say_usual(path: str) -> None:
    """Once a file: that a model says nothing of its pixels."""
    say(f"{path}: no normalisation in its metadata, so pixels become [-1, 1]; maker build takes others by --image-mean and --image-std")
