"""The parts of a searcher file in bytes, and what makes each of them smaller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from maker.encoders.layers import HEAD
from maker.graph.source import Source
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import archive, item_table, manifest

ROWS, FINE_ROWS = "item rows", "finer rows"
PARTS = {"rows": ROWS, "residuals": ROWS, "fine_rows": FINE_ROWS, "embedding": "word table", "centroids": "centroids"}
KINDS = {"text": "text", "tokens": "text", "image": "image", "audio": "audio"}
OF_ITEMS = {"index", "centroids", ROWS, FINE_ROWS, item_table.OFFSETS, item_table.BYTES, "model_card.md", "manifest", "directory"}
# In `maker build`.
DIALS = {
    "image tower": "--queries text leaves it out; or a smaller --image-encoder",
    "image head": "--queries text leaves it out; --head-rank 128; --weights int8",
    "audio tower": "--queries text leaves it out; or a smaller --audio-encoder",
    "audio head": "--queries text leaves it out; --head-rank 128; --weights int8",
    "text tower": "a smaller --text-encoder; --weights int8; --prune-vocabulary",
    "text head": "--weights int8",
    "word table": "a higher --min-count; a lower --dimension",
    ROWS: "--bits 4; a lower --dimension; fewer items",
    FINE_ROWS: "--rescore int8, or none",
    item_table.BYTES: "shorter names",
}


def file_parts(path: Path, source: Source) -> dict[str, int]:
    """Bytes by part of a searcher or encoder file; constants that several signatures share count once."""
    parts: defaultdict[str, int] = defaultdict(int)
    for buffer, part in _parts_of_buffers(source).items():
        data = source.model.buffers[buffer].data
        parts[part] += 0 if data is None else int(np.asarray(data).nbytes)
    with ModelFile(BaseOptions(str(path))) as file:
        model = archive.model_size(file.content)
        files = {name: size for name, (_, size) in file.entries.items() if name != manifest.FILE}
        files["manifest"] = file.entries[manifest.FILE][1]
        total = len(file.content)
    parts["graph"] = model - sum(parts.values())
    return {**parts, **files, "directory": total - model - sum(files.values())}


def _parts_of_buffers(source: Source) -> dict[int, str]:
    names: dict[int, str] = {}
    users: defaultdict[int, set[str]] = defaultdict(set)  # kinds of queries by buffer
    for key in source.signatures:
        for tensor in (tensor for graph in source.with_parts(key) for tensor in graph.tensors):
            if tensor.buffer:
                names.setdefault(tensor.buffer, tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)
                users[tensor.buffer].add(key.partition("_")[2])
    return {buffer: PARTS.get(name) or _part(name, users[buffer]) for buffer, name in names.items()}


def _part(name: str, users: Collection[str]) -> str:
    if len(users) > 1 or "embedding" in users:
        return "index"
    kind = KINDS.get("".join(users), "")
    return f"{kind} {'head' if name == HEAD else 'tower'}" if kind else "other constants"


def tower_parts(path: Path, kinds: Collection[str]) -> dict[str, int]:
    """Bytes by part of the towers of some kinds in a searcher or encoder, without its items. Other `.tflite` files are one tower."""
    with ModelFile(BaseOptions(str(path))) as file:
        if manifest.FILE not in file.entries:
            return {"towers": len(file.content)}
    parts = {name: size for name, size in file_parts(path, Source(path)).items() if name not in OF_ITEMS}
    left_out = {"image", "audio", "text"} - {KINDS.get(kind, kind) for kind in kinds}
    return {name: size for name, size in parts.items() if name.split()[0] not in left_out}


def largest_parts(parts: Mapping[str, int], count: int = 3) -> str:
    """The largest parts in words, each with what makes it smaller."""
    ordered = sorted(parts.items(), key=lambda part: -part[1])[:count]
    return "; ".join(f"{name} {size / 1e6:.2f} MB" + (f" ({DIALS[name]})" if name in DIALS else "") for name, size in ordered)
