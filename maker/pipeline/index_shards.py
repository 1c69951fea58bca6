"""Indexes shards of embeddings: as many searchers as the largest possible file asks for, which are searched as one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.collection.engines import Engine, Local
from maker.embedding.shards import EmbeddingShards, Slice, gather, names_of, open_embedding_shards
from maker.encoders.embedder import embedder_manifest
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import BuildError
from maker.evaluation.index_quality import index_recall
from maker.pipeline.index import index_embeddings
from maker.pipeline.report import BuildReport, line
from maker.pipeline.tuning import IndexSettings
from maker.progress import progress, say
from maker.workspace import atomic, claim_folder, content_digest, digest, sole_writer
from maker.workspace.atomic import scratch
from task.format import searcher_folder
from task.format.searcher_folder import FolderContent

LARGEST = 1_900_000_000  # bytes of a searcher; the format ends at 2 GiB
OTHER_PARTS = 2_000_000  # bytes of graph, manifest and model card
PADDING = 1.05  # rows of a leaf that is not full
ROW, FLOAT = 12, 4  # bytes of a row besides its values: scale, id and place of its name; of a float32


def index_shards(
    shards: Path,
    output: Path,
    *,
    embedder: Path | None = None,
    text_model: TextModelOptions | None = None,
    queries: np.ndarray | None = None,
    lexical: bool = False,
    items_per_searcher: int | None = None,
    user_info: str = "",
    settings: IndexSettings | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> BuildReport:
    """Indexes a folder of shards, as `maker embed` and `Collection.to_shards` write it, into a folder of searchers.

    The items are spread evenly over the searchers. The first searcher is tuned; the others scan the same share of their leaves. A searcher
    that is finished is not built again. `TextSearcher.create_from_file(output)` opens all of them as one.

    Args:
        shards: The folder of shards.
        output: The folder of searchers. `manifest.json` lists them; it is written last.
        embedder: A `.tflite` that embeds queries. Without it, the searchers only take embeddings as queries.
        text_model: The tokenizer of an embedder that takes token ids.
        queries: `(q, d)` float32, typical queries, which tune and measure each searcher; None is that of `index_embeddings`.
        lexical: Also index the words of the names.
        items_per_searcher: The most items of a searcher; None for as many as 2 GB hold.
        user_info: Text that `get_user_info` returns.
        settings: Settings of the indexes.
        engine: Where to build; None for this process. Each task holds the items of a searcher in memory.
        overwrite: Build finished searchers again.

    Returns:
        A summary with figures.

    Raises:
        MakerError: An input cannot be used, or a searcher would be too large. Finished searchers stay.
    """
    begin = time.perf_counter()
    settings, source = settings or IndexSettings(), open_embedding_shards(shards)
    most = _most_items(source, settings, embedder) if items_per_searcher is None else items_per_searcher
    if most < 1:
        raise BuildError(f"a searcher has at least 1 item, found {most}")
    claim_folder(output)
    listed = output / searcher_folder.FILE
    with sole_writer(output):
        if overwrite:
            for stale in (listed, *output.glob("part-*.json")):
                stale.unlink(missing_ok=True)
        count = -(-source.items // most)
        bounds = [source.items * number // count for number in range(count + 1)]
        asked = None if queries is None else hashlib.sha256(queries.tobytes()).hexdigest()
        key = digest(
            source.key, content_digest(embedder) if embedder else None, repr(text_model), lexical, user_info, asdict(settings), asked
        )
        parts = [
            _Part(output / f"part-{number:05d}.tflite", source.slices(start, end), digest(key, start, end))
            for number, (start, end) in enumerate(zip(bounds, bounds[1:], strict=False))
        ]
        _refuse_others(output, parts)
        if not all(part.figures() for part in parts):
            listed.unlink(missing_ok=True)  # it would list new searchers beside old ones if this run is killed
        work = _Build(settings, embedder, text_model, queries, lexical, user_info)
        engine = engine or Local(1)
        say(f"{shards}: {source.items} items in {len(source.shards)} shards: {count} searchers of at most {most} items")
        (first,) = [figures for _, figures in engine.run(work, parts[:1])]
        made = {0: first}
        share = first["share_scanned"]
        others = engine.run(replace(work, settings=replace(settings, share=share)), parts[1:])
        for number, figures in progress(others, "index", total=count - 1, quiet=count < 3):
            made[number + 1] = figures
        searchers = [made[number] for number in range(count)]
        content = FolderContent(
            [{"file": part.file.name, **figures} for part, figures in zip(parts, searchers, strict=True)],
            {"items": source.items, "dimension": source.dimension, "distance": settings.distance, "rejected": source.rejected},
        )
        with atomic(listed) as temporary:
            temporary.write_bytes(searcher_folder.encode(content))
    return _report(output, content, round(time.perf_counter() - begin, 1))


def _report(output: Path, content: FolderContent, seconds: float) -> BuildReport:
    sizes = [(output / name).stat().st_size for name in content.files]
    recalls = [one["recall"] for one in content.searchers]
    lines = [
        line("searchers", f"{len(sizes)} in {output}, {sum(sizes) / 1e6:.1f} MB, the largest {max(sizes) / 1e6:.1f} MB"),
        line("items", f"{content.figures['items']} of {content.figures['dimension']} dimensions"),
    ]
    share = content.searchers[0]["share_scanned"]
    lines.append(line("index recall", f"{min(recalls):.3f} to {max(recalls):.3f} at 10, scanning {100 * share:.1f} % of the items"))
    lines.append(line("time", f"{seconds} s"))
    return BuildReport({**content.figures, "searchers": list(content.searchers), "seconds": seconds}, lines)


@dataclass(frozen=True)
class _Part:
    """A searcher to build.

    Attributes:
        file: The searcher. Beside it, a `.json` with the figures says that it is finished.
        slices: Where its items are.
        key: The digest of what it is built from.
    """

    file: Path
    slices: list[Slice]
    key: str

    @property
    def name(self) -> str:
        """Its name, for errors."""
        return self.file.name

    @property
    def stamp(self) -> Path:
        """The file with its figures."""
        return self.file.with_suffix(".json")

    def figures(self) -> dict[str, Any]:
        """Its figures; empty if it is not finished."""
        known = json.loads(self.stamp.read_text(encoding="utf-8")) if self.stamp.exists() and self.file.exists() else {}
        return dict(known["figures"]) if known.get("key") == self.key else {}


@dataclass(frozen=True)
class _Build:
    """The work of an engine: builds a searcher, unless it is finished."""

    settings: IndexSettings
    embedder: Path | None
    text_model: TextModelOptions | None
    queries: np.ndarray | None
    lexical: bool
    user_info: str

    def __call__(self, part: _Part) -> dict[str, Any]:
        """The figures of the searcher."""
        if finished := part.figures():
            return finished
        part.stamp.unlink(missing_ok=True)
        names = names_of(part.slices)
        with scratch(part.file.with_suffix(".npy")) as gathered:
            report = index_embeddings(
                gather(part.slices, gathered),
                names,
                part.file,
                embedder=self.embedder,
                text_model=self.text_model,
                queries=self.queries,
                lexical=self.lexical,
                overwrite=True,
                user_info=self.user_info,
                settings=self.settings,
                names=(f"embeddings of {part.name}", "names"),
            ).figures
        described = embedder_manifest(part.file)
        assert described is not None
        figures = {"items": len(names), "share_scanned": described.index["share_scanned"], "recall": index_recall(report["index"])[1]}
        with atomic(part.stamp) as temporary:
            temporary.write_text(json.dumps({"key": part.key, "figures": figures}), encoding="utf-8")
        return figures


def _most_items(source: EmbeddingShards, settings: IndexSettings, embedder: Path | None) -> int:
    """The number of items whose searcher has about the largest size."""
    dimension = min(settings.dimension or source.dimension, source.dimension)
    scanned = min(settings.scan_dimension or dimension, dimension)
    finer = {"float32": FLOAT, "int8": 1, "rest4": 1 / 2, "rest8": 1}.get(
        settings.rescore or ("int8" if settings.scan_dimension else ""), 0
    )
    row = PADDING * (scanned * settings.bits / 8 + finer * dimension + ROW) + source.bytes_per_name
    largest = min(LARGEST, settings.max_size or LARGEST)
    return int((largest - OTHER_PARTS - (embedder.stat().st_size if embedder else 0)) / row)


def _refuse_others(output: Path, parts: Sequence[_Part]) -> None:
    """Raises BuildError if the folder has searchers of another division: they would lie there unlisted."""
    known = {part.file.name for part in parts}
    for file in sorted(output.glob("part-*.tflite")):
        if file.name not in known:
            raise BuildError(
                f"{file}: belongs to none of the {len(parts)} searchers that are built here; remove it, or choose another folder"
            )
