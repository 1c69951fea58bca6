"""Finds CPython versions on this machine: on the PATH, or those that pyenv has installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def find_python(*versions: str) -> Path | None:
    """An interpreter of the first of some versions (`3.11`) that there is; None where there is none."""
    for version in versions:
        for path in (shutil.which(f"python{version}"), *_of_pyenv(version), sys.executable):
            if path and _version(path) == version:
                return Path(path)
    return None


def _of_pyenv(version: str) -> list[str]:
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = [path for path in folder.glob(f"{version}.*/bin/python") if re.fullmatch(r"[\d.]+", path.parents[1].name)]
    return [str(path) for path in sorted(found, key=lambda path: [int(n) for n in path.parents[1].name.split(".")], reverse=True)]


def _version(path: str) -> str:
    """`major.minor`, or nothing: a shim of pyenv's stands there for versions that are not chosen, and fails."""
    code = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2] if sys.implementation.name == 'cpython' else '')"
    try:
        return subprocess.run([path, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
