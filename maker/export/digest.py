"""SHA-256 of a searcher's model and associated files, to detect damage."""

from __future__ import annotations

import hashlib
from pathlib import Path

from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import archive, manifest

BLOCK = 1 << 20
MODEL = "model"


def digests(path: Path) -> dict[str, str]:
    """Hexadecimal SHA-256 of the model's bytes (`model`) and of each associated file except the manifest."""
    with ModelFile(BaseOptions(str(path))) as file:
        parts = {MODEL: (0, archive.model_size(file.content)), **file.entries}
        parts.pop(manifest.FILE, None)
        result = {}
        for name, (offset, size) in parts.items():
            digest = hashlib.sha256()
            for start in range(offset, offset + size, BLOCK):
                digest.update(file.content[start : min(start + BLOCK, offset + size)])
            result[name] = digest.hexdigest()
        return result
