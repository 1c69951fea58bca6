"""Writes an encoder file, the result of training: `embed_text` and `embed_image` or `embed_audio`, without an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from maker.encoders import spellings
from maker.encoders.token_tower import declare_queries
from maker.encoders.tokenizer_file import TokenizerFile
from maker.export import digest
from maker.export.description import encoder_metadata
from maker.graph.model import Model
from maker.workspace import atomic
from task.format import archive, tflite_metadata
from task.format import manifest as manifest_format
from task.format.manifest import Manifest
from task.format.preparation import Preparation
from task.format.sound_format import SoundFormat


class Encoder(Protocol):
    """An encoder that can add itself to a graph."""

    @property
    def write(self) -> Callable[..., int]:
        """Adds the encoder to a subgraph, from its queries to `[1, d]` float32."""


def write_encoder(
    path: Path,
    encoders: Mapping[str, Encoder],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    normalize: bool = True,
    dimension: int = 0,
    described: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    example_texts: Sequence[str] = (),
    words: Mapping[str, int] | None = None,
    tokenizer: TokenizerFile | None = None,
    preparation: Preparation | None = None,
    sound: SoundFormat | None = None,
) -> None:
    """Writes the file.

    Args:
        path: The file to write.
        encoders: Encoders by kind: `text`, `tokens`, `image` or `audio`.
        shapes: Input shape of each encoder.
        normalize: Divide embeddings by their Euclidean norm.
        dimension: Dimension of the embeddings.
        described: Descriptions of the encoders, for the manifest.
        training: Options and history of the training, for the manifest.
        example_texts: Sentences from which a searcher's golden queries are chosen.
        words: Row in the text tower's table by spelling; exports to the Task Library need it.
        tokenizer: Makes the queries of a `tokens` encoder.
        preparation: How pictures are brought to the size of an `image` encoder's input; None for the usual way.
        sound: Rate and number of samples of an `audio` encoder's input.
    """
    model = embedding_model("pocket-searcher encoder", encoders, shapes, normalize, tokenizer)
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(encoder_metadata(list(encoders), words is not None, tokenizer)))
    with atomic(path) as temporary:
        model.write(temporary)
        if words is not None:
            archive.append(temporary, spellings.FILE, spellings.encode(words))
        if tokenizer is not None:
            archive.append(temporary, tokenizer.name, tokenizer.content)
        manifest = Manifest(
            distance="dot_product",
            dimension=dimension,
            items=0,
            k=0,
            normalized=normalize,
            query=_queries(shapes, tokenizer, preparation or Preparation(), sound),
            encoders=described or {},
            training=training or {},
            golden=[{"signature": "embed_tokens" if tokenizer else "embed_text", "query": text} for text in example_texts],
            sha256=digest.digests(temporary),
        )
        archive.append(temporary, manifest_format.FILE, manifest_format.encode(manifest))


def embedding_model(
    description: str,
    encoders: Mapping[str, Encoder],
    shapes: Mapping[str, tuple[int, ...]],
    normalize: bool,
    tokenizer: TokenizerFile | None = None,
) -> Model:
    """A graph with the signature `embed_*` of each encoder; for the arguments see `write_encoder`."""
    model = Model(description)
    for kind, encoder in encoders.items():
        g = model.subgraph(f"embed_{kind}")
        queries = declare_queries(g, kind, shapes[kind], tokenizer if kind == "tokens" else None)
        embedding = encoder.write(g, *queries.values())
        if normalize:
            embedding = g.l2_normalize(embedding)
        model.signature(g, queries, {"embedding": embedding})
    return model


def _queries(
    shapes: Mapping[str, tuple[int, ...]], tokenizer: TokenizerFile | None, preparation: Preparation, sound: SoundFormat | None
) -> dict[str, Any]:
    """What the manifest says of queries, by kind."""
    queries: dict[str, Any] = {}
    if tokenizer is not None:
        queries["tokens"] = tokenizer.described
    if "text" in shapes:
        queries["text"] = {"max_bytes": shapes["text"][1], "encoding": "utf-8"}
    if "image" in shapes:
        queries["image"] = preparation.describe(*shapes["image"][1:3])
    if sound is not None:
        queries["audio"] = sound.describe()
    return queries
