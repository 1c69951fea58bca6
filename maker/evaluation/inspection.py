"""Describes the contents of a searcher file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from maker.encoders.prefix import prefixes_in_words
from maker.evaluation.file_parts import DIALS, file_parts, tower_parts
from maker.graph.source import Source
from task.core import BaseOptions
from task.search import GraphEngine

WORTH_A_DIAL = 0.01  # share of the file


def inspect(path: Path) -> dict[str, Any]:
    """The contents of a file.

    Returns:
        `file`, `bytes`, `sizes` in bytes by part, `signatures` with their tensors, and `manifest`; vectors of golden queries are replaced
        by their length.

    Raises:
        SearcherError: The file cannot be opened.
    """
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
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sizes": file_parts(path, source),
        "signatures": signatures,
        "manifest": content,
    }


def tower_bytes(path: Path) -> int:
    """Size in bytes of the towers of a searcher or encoder, without its items. Other `.tflite` files only have towers."""
    return sum(tower_parts(path, ("text", "image")).values())


def describe(contents: dict[str, Any]) -> str:
    """The result of `inspect` as text."""
    content = contents["manifest"]
    lines = [f"{contents['file']}: {content['items']} items of {content['dimension']} dimensions, {content['distance']}", "", "signatures"]
    for key, signature in contents["signatures"].items():
        lines.append(f"  {key:18}{', '.join(signature['inputs'])} -> {', '.join(signature['outputs'])}")
    lines += ["", "sizes, and what makes the large parts smaller in maker build"]
    for name, size in contents["sizes"].items():
        dial = f"   {DIALS[name]}" if name in DIALS and size >= WORTH_A_DIAL * contents["bytes"] else ""
        lines.append(f"  {name:18}{size:>14,} bytes  {100 * size / contents['bytes']:5.1f} %{dial}")
    lines += ["", "manifest"]
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


def _tensor(tensor: Any) -> str:
    return f"{tensor.name} {tensor.dtype}{list(tensor.shape)}"
