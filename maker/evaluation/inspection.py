"""Describes the contents of a searcher file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from maker.encoders.prefix import prefixes_in_words
from maker.evaluation.file_parts import DIALS, file_parts
from maker.graph.source import Source
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import manifest
from task.opening import open_engine
from task.processor import EmbeddingOptions, SearchOptions
from task.search import GraphEngine

WORTH_A_DIAL = 0.01  # share of the file


def inspect(path: Path) -> dict[str, Any]:
    """The contents of a file.

    Returns:
        `file`, `bytes`, `sizes` in bytes by part, `signatures` with their tensors, `facts` (the type of each column) and `manifest`;
        vectors of golden queries are replaced by their length. Of a Task Library file: `file`, `bytes`, `sizes`, `inputs` and `outputs`,
        `items`, `dimension`, `distance` and `user_info`.

    Raises:
        SearcherError: The file cannot be opened.
    """
    if is_task_library(path):
        return _inspect_task_library(path)
    engine = GraphEngine(BaseOptions(str(path)))
    content, facts = asdict(engine.manifest), dict(sorted(engine.facts.types.items()))
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
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sizes": file_parts(path, source),
        "signatures": signatures,
        "facts": facts,
        "manifest": content,
    }


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
    lines = ["", "sizes, and what makes the large parts smaller in maker build"]
    for name, size in contents["sizes"].items():
        share = size / contents["bytes"]
        dial = f"   {DIALS[name]}" if name in DIALS and share >= WORTH_A_DIAL else ""
        lines.append(f"  {name:18}{size:>14,} bytes  {100 * share:5.1f} %{dial}")
    return lines


def describe(contents: dict[str, Any]) -> str:
    """The result of `inspect` as text."""
    if "manifest" not in contents:
        return "\n".join(_describe_task_library(contents))
    content = contents["manifest"]
    lines = [f"{contents['file']}: {content['items']} items of {content['dimension']} dimensions, {content['distance']}", "", "signatures"]
    for key, signature in contents["signatures"].items():
        lines.append(f"  {key:18}{', '.join(signature['inputs'])} -> {', '.join(signature['outputs'])}")
    lines += _size_lines(contents)
    if contents["facts"]:
        lines += ["", "facts", *(f"  {name:18}{kind}" for name, kind in contents["facts"].items())]
    lines += ["", "manifest"]
    for name in ("index", "query", "encoders", "report"):
        lines.append(f"  {name}")
        lines += [f"    {key:23} {value}" for key, value in content[name].items()]
    prefixes = prefixes_in_words(content["training"])
    if prefixes:
        lines.append(f"  dimensions: {prefixes}")
    for name, curve in content["relevance"].items():
        values = [f"{key} {curve[key]}" for key in ("slope", "intercept", "gate", "cut") if key in curve]
        lines.append(f"  relevance of {name}: {', '.join(values)}")
    lines.append(f"  {len(content['golden'])} golden queries, user info {content['user_info']!r}")
    return "\n".join(lines)


def _tensor(tensor: Any) -> str:
    return f"{tensor.name} {tensor.dtype}{list(tensor.shape)}"
