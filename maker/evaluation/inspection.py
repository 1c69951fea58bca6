"""Describes the contents of a searcher file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.prefix import prefixes_in_words
from maker.graph.source import Source
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import archive, manifest
from task.opening import open_engine
from task.processor import EmbeddingOptions, SearchOptions
from task.search import GraphEngine

PARTS = {"rows": "item rows", "fine_rows": "finer rows", "embedding": "word table", "centroids": "centroids"}
OF_ITEMS = {"index", "centroids", "item rows", "finer rows", "items.offsets", "items.bytes", "model_card.md", "manifest", "directory"}
TOWERS = {"text": "text tower", "tokens": "text tower", "image": "image tower"}


def inspect(path: Path) -> dict[str, Any]:
    """The contents of a file.

    Returns:
        `file`, `bytes`, `sizes` in bytes by part, `signatures` with their tensors, and `manifest`; vectors of golden queries are replaced
        by their length. Of a Task Library file: `file`, `bytes`, `sizes`, `inputs` and `outputs`, `items`, `dimension`, `distance` and
        `user_info`.

    Raises:
        SearcherError: The file cannot be opened.
    """
    if is_task_library(path):
        return _inspect_task_library(path)
    engine = GraphEngine(BaseOptions(str(path)))
    content = asdict(engine.manifest)
    engine.close()
    source = Source(path)
    signatures = {
        key: {"inputs": [_tensor(t) for t in source.inputs(key)], "outputs": [_tensor(t) for t in source.outputs(key)]}
        for key in source.signatures
    }
    content["golden"] = [
        {**entry, "query": entry["query"] if isinstance(entry["query"], str) else f"vector of {len(entry['query'])}"}
        for entry in content["golden"]
    ]
    return {"file": str(path), "bytes": path.stat().st_size, "sizes": _sizes(path, source), "signatures": signatures, "manifest": content}


def is_task_library(path: Path) -> bool:
    """Whether a searcher is a Task Library file: it has no manifest, but an index.

    Raises:
        TaskError: The file is no searcher at all.
    """
    with ModelFile(BaseOptions(str(path))) as file:
        if manifest.FILE in file.entries:
            return False
    open_engine(BaseOptions(str(path)), EmbeddingOptions(), SearchOptions()).close()
    return True


def _inspect_task_library(path: Path) -> dict[str, Any]:
    source = Source(path)
    engine = open_engine(BaseOptions(str(path)), EmbeddingOptions(), SearchOptions())
    try:
        described = {"items": engine.items, "dimension": engine.dimension, "distance": engine.distance, "user_info": engine.user_info}
    finally:
        engine.close()
    with ModelFile(BaseOptions(str(path))) as file:
        files, size = {name: size for name, (_, size) in file.entries.items()}, len(file.content)
    sizes = {"model": size - sum(files.values()), **files}
    tensors = {"inputs": [_tensor(t) for t in source.inputs()], "outputs": [_tensor(t) for t in source.outputs()]}
    return {"file": str(path), "bytes": size, "sizes": sizes, **tensors, **described}


def _describe_task_library(contents: dict[str, Any]) -> list[str]:
    described = f"{contents['items']} items of {contents['dimension']} dimensions, {contents['distance']}"
    lines = [
        f"{contents['file']}: {described}, for the Task Library",
        "",
        f"  {', '.join(contents['inputs'])} -> {', '.join(contents['outputs'])}",
    ]
    return [*lines, *_size_lines(contents), f"  user info {contents['user_info']!r}"]


def _size_lines(contents: dict[str, Any]) -> list[str]:
    shares = {name: 100 * size / contents["bytes"] for name, size in contents["sizes"].items()}
    return ["", "sizes", *(f"  {name:18}{size:>14,} bytes  {shares[name]:5.1f} %" for name, size in contents["sizes"].items())]


def tower_bytes(path: Path) -> int:
    """Size in bytes of the towers of a searcher or encoder, without its items. Other `.tflite` files only have towers."""
    with ModelFile(BaseOptions(str(path))) as file:
        if manifest.FILE not in file.entries:
            return len(file.content)
    return sum(size for name, size in _sizes(path, Source(path)).items() if name not in OF_ITEMS)


def describe(contents: dict[str, Any]) -> str:
    """The result of `inspect` as text."""
    if "manifest" not in contents:
        return "\n".join(_describe_task_library(contents))
    content = contents["manifest"]
    lines = [f"{contents['file']}: {content['items']} items of {content['dimension']} dimensions, {content['distance']}", "", "signatures"]
    for key, signature in contents["signatures"].items():
        lines.append(f"  {key:18}{', '.join(signature['inputs'])} -> {', '.join(signature['outputs'])}")
    lines += [*_size_lines(contents), "", "manifest"]
    for name in ("index", "query", "encoders", "report"):
        lines.append(f"  {name}")
        lines += [f"    {key:16}{value}" for key, value in content[name].items()]
    prefixes = prefixes_in_words(content["training"])
    if prefixes:
        lines.append(f"  dimensions: {prefixes}")
    for name, curve in content["relevance"].items():
        values = [f"{key} {curve[key]}" for key in ("slope", "intercept", "gate", "cut") if key in curve]
        lines.append(f"  relevance of {name}: {', '.join(values)}")
    lines.append(f"  {len(content['golden'])} golden queries, user info {content['user_info']!r}")
    return "\n".join(lines)


def _sizes(path: Path, source: Source) -> dict[str, int]:
    """Bytes by part; constants that several signatures share count once."""
    named: dict[int, str] = {}
    used: defaultdict[int, set[str]] = defaultdict(set)  # kinds of queries by buffer
    for key in source.signatures:
        for tensor in (tensor for graph in source.with_parts(key) for tensor in graph.tensors):
            name = tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name
            if tensor.buffer:
                named.setdefault(tensor.buffer, PARTS.get(name, ""))
                used[tensor.buffer].add(key.partition("_")[2])
    for index, part in named.items():
        if not part:
            (kind, *others) = used[index]
            named[index] = "index" if others or kind == "embedding" else TOWERS.get(kind, "other constants")
    sizes: dict[str, int] = {}
    for index, part in named.items():
        data = source.model.buffers[index].data
        sizes[part] = sizes.get(part, 0) + (0 if data is None else int(np.asarray(data).nbytes))
    with ModelFile(BaseOptions(str(path))) as file:
        model = archive.model_size(file.content)
        files = {name: size for name, (_, size) in file.entries.items() if name != manifest.FILE}
        files["manifest"] = file.entries[manifest.FILE][1]
        total = len(file.content)
    sizes["graph"] = model - sum(sizes.values())
    sizes.update(files)
    sizes["directory"] = total - model - sum(files.values())
    return sizes


def _tensor(tensor: Any) -> str:
    return f"{tensor.name} {tensor.dtype}{list(tensor.shape)}"
