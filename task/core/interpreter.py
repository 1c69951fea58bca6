"""Runs a model, by its signatures or by its tensors, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from ..format import tflite_model
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


class _Interpreters:
    """An interpreter a thread, made when the thread first asks: an interpreter must not be entered twice at a time.

    The model's bytes are shared between them where the file is mapped.
    """

    def __init__(self, file: ModelFile, options: BaseOptions) -> None:
        self._file = file
        self._threads = None if options.num_threads == -1 else options.num_threads
        self._local = threading.local()

    def _interpreter(self) -> Any:
        if not hasattr(self._local, "interpreter"):
            path = self._file.path
            where = {"model_path": path} if path else {"model_content": self._file.content}
            try:
                self._local.interpreter = _interpreter_class()(num_threads=self._threads, **where)
            except ValueError as error:
                raise InvalidArgumentError(f"{self._file.name}: The model is not a valid Flatbuffer buffer: {error}") from error
        return self._local.interpreter

    def close(self) -> None:
        """Drops this thread's interpreter; those of other threads go with the threads."""
        self._local = threading.local()


class SignatureRunners(_Interpreters):
    """A model's signatures."""

    def __init__(self, file: ModelFile, options: BaseOptions) -> None:
        super().__init__(file, options)
        self.signatures: dict[str, dict[str, list[str]]] = self._interpreter().get_signature_list()
        self._shapes: dict[str, tuple[int, ...]] = {}

    def input_shape(self, signature: str) -> tuple[int, ...]:
        """The shape of a signature's `query`."""
        if signature not in self._shapes:  # asked for at every query, and slow to find out
            self._file.check_unchanged()
            details = self._runner(signature).get_input_details()["query"]
            self._shapes[signature] = tuple(int(d) for d in details["shape"])
        return self._shapes[signature]

    def output_size(self, signature: str) -> int:
        """The number of values of a signature's one output."""
        (details,) = self._runner(signature).get_output_details().values()
        return int(np.prod(details["shape"], dtype=np.int64))

    def run(self, signature: str, query: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: A key of `signatures`.
            query: Its input `query`, or its inputs by name, of the shapes and types that the signature declares.

        Returns:
            Output name to array, owned by the caller.
        """
        inputs = query if isinstance(query, Mapping) else {"query": query}
        self._file.check_unchanged()
        result: dict[str, np.ndarray] = self._runner(signature)(**inputs)
        return result

    def _runner(self, signature: str) -> Any:
        runners = self._local.__dict__.setdefault("runners", {})
        if signature not in runners:
            runners[signature] = self._interpreter().get_signature_runner(signature)
        return runners[signature]


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model.

    Attributes:
        name: Its name in the model.
        shape: Its shape.
        dynamic: Whether the last dimension is left open.
        dtype: Its type; an object one for strings.
        scale: Real value of a step where it is quantised, else 0.
        zero_point: The quantised value that stands for 0.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: bool
    dtype: np.dtype
    scale: float
    zero_point: int


class TensorRunner(_Interpreters):
    """A model's first subgraph, by the order of its inputs and outputs.

    Attributes:
        inputs: The inputs.
        outputs: The outputs.
    """

    def __init__(self, file: ModelFile, options: BaseOptions) -> None:
        """Loads the model.

        Raises:
            InvalidArgumentError: It is no valid model, or an operator is not built into the runtime.
        """
        super().__init__(file, options)
        interpreter = self._interpreter()
        self.inputs = [_info(details) for details in interpreter.get_input_details()]
        self.outputs = [_info(details) for details in interpreter.get_output_details()]
        self._ready()

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the model.

        Args:
            values: One an input; a shape other than the input's resizes it.

        Returns:
            One an output, as they are in the model, owned by the caller.
        """
        self._file.check_unchanged()
        interpreter = self._interpreter()
        given = [value.shape for value in values]
        if getattr(self._local, "shapes", [info.shape for info in self.inputs]) != given:
            for details, shape in zip(interpreter.get_input_details(), given, strict=True):
                interpreter.resize_tensor_input(details["index"], shape)
            self._local.allocated = False
        self._ready()
        self._local.shapes = given
        for details, value in zip(interpreter.get_input_details(), values, strict=True):
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
        return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]

    def _ready(self) -> None:
        if getattr(self._local, "allocated", False):
            return
        try:
            self._interpreter().allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise self._unusable(error) from error
        self._local.allocated = True

    def _unusable(self, error: Exception) -> InvalidArgumentError:
        try:
            custom = tflite_model.custom_operators(self._file.content)
        except tflite_model.ModelError:
            custom = []
        missing = [name for name in custom if name in str(error)] or custom
        if not missing:
            return InvalidArgumentError(f"{self._file.name}: the model cannot be run: {str(error).strip()}")
        return InvalidArgumentError(
            f"{self._file.name}: the model needs the custom operator {', '.join(missing)}, which LiteRT does not have; build it again with "
            "builtin operators only (a tokenizer outside the graph, described in the TFLite Metadata) or with `maker build`."
        )


def _info(details: dict[str, Any]) -> TensorInfo:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"])
    return TensorInfo(
        name=details["name"],
        shape=tuple(int(d) for d in details["shape"]),
        dynamic=len(details["shape_signature"]) > 0 and int(details["shape_signature"][-1]) == -1,
        dtype=np.dtype(object) if dtype.kind in "SU" else dtype,
        scale=float(scale),
        zero_point=int(zero_point),
    )
