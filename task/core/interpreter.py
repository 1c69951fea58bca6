"""Runs a model's signatures, from any thread."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from .base_options import BaseOptions
from .model_file import ModelFile


def _interpreter_class() -> type[Any]:
    """LiteRT's interpreter, or that of its predecessors where an old device has only those."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise ImportError("task needs a TFLite interpreter: pip install ai-edge-litert") from error
    return Interpreter


class SignatureRunners:
    """An interpreter a thread, made when the thread first asks: an interpreter must not be entered twice at a time.

    The model's bytes are shared between them where the file is mapped.
    """

    def __init__(self, file: ModelFile, options: BaseOptions) -> None:
        self._file = file
        self._threads = None if options.num_threads == -1 else options.num_threads
        self._local = threading.local()
        self.signatures: dict[str, dict[str, list[str]]] = self._interpreter().get_signature_list()

    def input_shape(self, signature: str) -> tuple[int, ...]:
        """The shape of a signature's `query`."""
        details = self._runner(signature).get_input_details()["query"]
        return tuple(int(d) for d in details["shape"])

    def output_size(self, signature: str) -> int:
        """The number of values of a signature's one output."""
        (details,) = self._runner(signature).get_output_details().values()
        return int(np.prod(details["shape"], dtype=np.int64))

    def run(self, signature: str, query: np.ndarray) -> dict[str, np.ndarray]:
        """Calls a signature with one input.

        Args:
            signature: A key of `signatures`.
            query: Of the shape and type that the signature declares.

        Returns:
            Output name to array, owned by the caller.
        """
        result: dict[str, np.ndarray] = self._runner(signature)(query=query)
        return result

    def _runner(self, signature: str) -> Any:
        runners = self._local.__dict__.setdefault("runners", {})
        if signature not in runners:
            runners[signature] = self._interpreter().get_signature_runner(signature)
        return runners[signature]

    def _interpreter(self) -> Any:
        if not hasattr(self._local, "interpreter"):
            where = {"model_path": self._file.path} if self._file.path else {"model_content": self._file.content}
            try:
                self._local.interpreter = _interpreter_class()(num_threads=self._threads, **where)
            except ValueError as error:
                raise InvalidArgumentError(f"{self._file.name}: The model is not a valid Flatbuffer buffer: {error}") from error
        return self._local.interpreter

    def close(self) -> None:
        """Drops this thread's interpreter; those of other threads go with the threads."""
        self._local = threading.local()
