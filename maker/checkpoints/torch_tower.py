"""Towers that are not written here: PyTorch converts them, in a process and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

from maker.checkpoints import torch_program
from maker.checkpoints.converted import ConvertedTower
from maker.encoders.weights import Weights
from maker.errors import EncoderError
from maker.graph.source import Source
from maker.progress import say
from maker.workspace import temporary_folder

PYTHON = "POCKET_SEARCHER_TORCH"
NEEDED = (
    f"needs PyTorch in an environment of its own (7 GB): python -m venv torch-env, torch-env/bin/pip install 'pocket-searcher[torch]', "
    f"and set {PYTHON}=torch-env/bin/python"
)


def convert_image_tower(config: dict[str, Any], weights_file: Path, weights: Weights) -> ConvertedTower:
    """The tower for pictures of a checkpoint of open_clip, by any of the models that open_clip and timm have.

    Args:
        config: The content of `open_clip_config.json`.
        weights_file: The `.safetensors`.
        weights: How matrices and kernels are stored.

    Raises:
        EncoderError: There is no PyTorch, or it cannot convert the tower.
    """
    python = _python(weights_file)
    say(f"{weights_file}: PyTorch converts the tower for pictures; that takes minutes")
    with temporary_folder() as folder:
        settings, target = Path(folder, "config.json"), Path(folder, "tower.tflite")
        settings.write_text(json.dumps(config), encoding="utf-8")
        # -I: the folder of the program, which has an open_clip.py, is not searched for modules.
        given = [python, "-I", str(Path(torch_program.__file__)), str(settings), str(weights_file), str(target)]
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        if done.returncode or not target.exists():
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300]
            raise EncoderError(f"{weights_file}: PyTorch cannot convert the tower for pictures ({reason})")
        return ConvertedTower(Source(target), weights)


def _python(weights_file: Path) -> str:
    given = os.environ.get(PYTHON)
    if given:
        if not Path(given).is_file():
            raise EncoderError(f"{PYTHON}={given}: no such interpreter; it {NEEDED}")
        return given
    if util.find_spec("litert_torch") is None or util.find_spec("open_clip") is None:
        raise EncoderError(f"{weights_file}: {NEEDED}")
    return sys.executable
