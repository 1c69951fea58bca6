"""Fits a matrix behind each ready tower: adapters trained on captions, and a rotation that lets the last dimensions be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maker.data.captions import Caption
from maker.embedding.features import Features
from maker.embedding.rotation import mapped, rotation
from maker.encoders.embedder import SENTENCES, Tower, embedder_manifest, example_texts, open_embedder
from maker.encoders.layers import Dense, Layer
from maker.encoders.mapped import Mapped
from maker.encoders.prefix import trained_prefixes
from maker.errors import BuildError
from maker.export.encoder_file import write_encoder
from maker.pipeline.corpus_stage import OpenedCorpus
from maker.pipeline.dimension import check_trained
from maker.pipeline.encoder import Encoder
from maker.pipeline.measure_stage import spread
from maker.pipeline.options import BuildOptions, Corpus
from maker.pipeline.query_list_stage import listed_queries
from maker.pipeline.report import line
from maker.progress import say
from maker.training.adapters import Adapters, Pairs, train_adapters
from maker.workspace import Workspace, content_digest, digest

MANY, FEW_DIMENSIONS = 1_000_000, 256  # from so many items on, embeddings are cut to so many dimensions by default
ROTATING = 20_000  # captions that the rotation is fitted to


@dataclass(frozen=True)
class _Maps:
    """What follows the towers.

    Attributes:
        text, image: `(d, e)` float32.
        described: For the manifest's `training`.
        lines: For the summary.
    """

    text: np.ndarray
    image: np.ndarray
    described: dict[str, Any]
    lines: list[str]


def fit_maps(encoder: Encoder, corpus: Corpus, opened: OpenedCorpus, options: BuildOptions, work: Workspace) -> Encoder:
    """The encoder with what was fitted behind its towers; itself where nothing was.

    Args:
        encoder: A ready encoder.
        corpus: Where its queries come from.
        opened: The photos, and the captions if there are any.
        options: Says whether adapters are trained, and how many dimensions are kept.
        work: Keeps embeddings and the new encoder file.

    Raises:
        BuildError: There are fewer dimensions than asked for.
    """
    photos = encoder.embed_images(opened.training, work)
    whole = photos.values.shape[1]
    identity = np.eye(whole, dtype=np.float32)
    maps = _Maps(identity, identity, {}, [])
    if opened.splits.train and opened.splits.validation and options.towers.adapt:
        maps = _adapted(encoder, opened, photos, options.training_options().seed, work)
    lengths = tuple(options.training.get("matryoshka") or ())
    dimension = options.training.get("dimension") or _default_dimension(len(opened.searched.images), whole)
    if dimension > whole:
        raise BuildError(f"--dimension {dimension}: {options.towers.ready} has {whole} dimensions; expected at most {whole}")
    if dimension < whole or lengths:
        items = encoder.embed_images(opened.searched, work) if opened.searches_another_folder else photos
        maps = _rotated(maps, items, _queries(encoder, corpus, opened, work), dimension, lengths)
    fitted = encoder if maps.text is maps.image is identity else _written(encoder, maps, work)
    known = lengths or (trained_prefixes(embedder_manifest(fitted.file)) if fitted is encoder else ())
    check_trained(options.index.dimension, dimension, known, options.towers.ready)
    return replace(fitted, lines=maps.lines)


def _default_dimension(items: int, whole: int) -> int:
    if items <= MANY or whole <= FEW_DIMENSIONS:
        return whole
    say(f"{items} items: keeping {FEW_DIMENSIONS} of {whole} dimensions; --dimension chooses another number")
    return FEW_DIMENSIONS


def _adapted(encoder: Encoder, opened: OpenedCorpus, photos: Features, seed: int, work: Workspace) -> _Maps:
    """Adapters trained on the captions; the identity if no epoch is better on the held-out ones."""
    train, held_out = (_pairs(encoder, captions, photos, work) for captions in (opened.splits.train, opened.splits.validation))
    say(f"training adapters on {len(train.texts)} captions")
    made: Adapters = train_adapters(train, held_out, seed)
    before, best = made.history[0]["R@10"], made.best
    described: dict[str, Any] = {"adapters": {"kept": made.kept, "history": made.history}}
    if not made.kept:
        text = f"left out: no epoch was better than the towers as they are, R@10 {before:.1f} % on the held-out captions"
        return _Maps(made.text, made.image, described, [line("adapters", text)])
    described |= {"captions": len(train.texts), "images": len(np.unique(train.targets)), "split": opened.splits.how}
    text = f"R@10 {before:.1f} % as the towers are, {best['R@10']:.1f} % with adapters of epoch {best['epoch']}, on the held-out captions"
    return _Maps(made.text, made.image, described, [line("adapters", text)])


def _pairs(encoder: Encoder, captions: Sequence[Caption], photos: Features, work: Workspace) -> Pairs:
    """Captions and the photos that they describe, embedded."""
    rows = photos.rows()
    usable = [c for c in captions if c.image in rows]
    images = sorted({c.image for c in usable})
    places = {image: place for place, image in enumerate(images)}
    values = np.asarray(photos.values[[rows[image] for image in images]], np.float32)
    return Pairs(encoder.embed_texts([c.text for c in usable], work), values, np.array([places[c.image] for c in usable]))


def _queries(encoder: Encoder, corpus: Corpus, opened: OpenedCorpus, work: Workspace) -> np.ndarray:
    """What is asked, `(q, d)`: training captions, or the list of queries."""
    if corpus.captions is None:
        return listed_queries(corpus, opened, encoder, work).embeddings
    captions = opened.splits.train or opened.splits.validation
    return encoder.embed_texts(spread([c.text for c in captions], ROTATING), work)


def _rotated(maps: _Maps, items: Features, queries: np.ndarray, dimension: int, lengths: Sequence[int]) -> _Maps:
    """The maps, followed by the first axes of a rotation."""
    whole = maps.text.shape[0]
    axes = rotation(mapped(items.values, maps.image), mapped(queries, maps.text))[:, :dimension]
    text = f"{dimension} of {whole}, by a rotation fitted to {len(items.images)} pictures and {len(queries)} queries"
    described = {**maps.described, "rotation": {"from": whole, "pictures": len(items.images), "queries": len(queries)}}
    described["options"] = {"dimension": dimension, "matryoshka": list(lengths)}
    return _Maps(maps.text @ axes, maps.image @ axes, described, [*maps.lines, line("dimensions", text)])


def _written(encoder: Encoder, maps: _Maps, work: Workspace) -> Encoder:
    """The encoder whose file has the maps behind the towers."""
    key = digest(content_digest(encoder.file), maps.text.tobytes().hex(), maps.image.tobytes().hex())
    file = work.file(f"fitted-{key}.tflite")
    if not file.exists():
        towers, described = open_embedder(encoder.file), embedder_manifest(encoder.file)
        assert described is not None
        layers: dict[str, list[Layer]] = {kind: [Dense(maps.text if kind in SENTENCES else maps.image)] for kind in towers}
        (items,) = [tower for kind, tower in towers.items() if kind not in SENTENCES]
        assert isinstance(items, Tower)
        tokenizers = [tower.tokenizer for tower in towers.values() if tower.tokenizer is not None]
        write_encoder(
            file,
            {kind: Mapped(tower, layers[kind]) for kind, tower in towers.items()},
            {kind: tower.input_shape for kind, tower in towers.items()},
            dimension=maps.text.shape[1],
            described=described.encoders,
            training={**described.training, **maps.described},
            example_texts=example_texts(described),
            tokenizer=tokenizers[0] if tokenizers else None,
            preparation=items.preparation,
            sound=items.sound,
        )
    return replace(encoder, file=file, text_map=maps.text, image_map=maps.image)
