"""Runs a model that was just made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maker.graph.model import Model
from maker.workspace import temporary_folder
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile


@contextmanager
def running(model: Model) -> Iterator[SignatureRunners]:
    """Opens a model from a temporary file, with one thread, until the block ends."""
    with temporary_folder() as folder:
        path = folder / "model.tflite"
        model.write(path)
        options = BaseOptions(str(path), num_threads=1)
        with ModelFile(options) as file:
            runners = SignatureRunners(file, options)
            try:
                yield runners
            finally:
                runners.close()
