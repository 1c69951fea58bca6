"""SHA-256 over a searcher's model and associated files, by which damage is told."""

from __future__ import annotations

import hashlib
from pathlib import Path

from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format import archive, manifest

BLOCK = 1 << 20
MODEL = "model"


def digests(path: Path) -> dict[str, str]:
    """Hexadecimal SHA-256 of the model's bytes (`model`) and of each associated file but the manifest."""
    with ModelFile(BaseOptions(str(path))) as file:
        places = {MODEL: (0, archive.model_size(file.content)), **file.entries}
        places.pop(manifest.FILE, None)
        found = {}
        for name, (offset, size) in places.items():
            digest = hashlib.sha256()
            for start in range(offset, offset + size, BLOCK):
                digest.update(file.content[start : min(start + BLOCK, offset + size)])
            found[name] = digest.hexdigest()
        return found
