"""Keeps the notes of the TensorFlow Lite runtime out of the output of commands."""

from __future__ import annotations

import os
import sys
import tempfile

import numpy as np

from maker.graph.model import Model
from maker.workspace import temporary_folder

NOTE = b"INFO: "  # such as "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


def quiet_runtime() -> None:
    """Makes the runtime say its notes now, where nobody reads them: it says them once a process, when it first runs a model.

    No setting turns them off. What is not a note goes on to stderr.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # `task` says what is missing when a file is opened
        return
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a program without stderr
        return
    with tempfile.TemporaryFile() as said:
        try:
            os.dup2(said.fileno(), 2)
            Interpreter(model_content=_model()).get_signature_runner("first")(x=np.zeros((1, 1), np.float32))
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said:
                if not line.startswith(NOTE):
                    os.write(2, line)


def _model() -> bytes:
    """A model of one operator."""
    model = Model("first run")
    g = model.subgraph("first")
    x = g.tensor("x", (1, 1), np.float32)
    model.signature(g, {"x": x}, {"y": g.fully_connected(x, np.ones((1, 1), np.float32))})
    with temporary_folder() as folder:
        model.write(folder / "first.tflite")
        return (folder / "first.tflite").read_bytes()
