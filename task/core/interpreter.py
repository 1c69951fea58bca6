"""Runs a model from any thread, by its signatures or by its tensors."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DamagedFileError, InvalidArgumentError
from ..format import tflite_model
from .base_options import BaseOptions
from .model_file import ModelFile


def _interpreter_class() -> type[Any]:
    """The interpreter of LiteRT, or of its predecessor tflite_runtime on old devices."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise ImportError("task needs a TFLite interpreter: pip install ai-edge-litert") from error
    return Interpreter


class _Interpreters:
    """One interpreter per thread, created when the thread first needs it: an interpreter is not thread-safe.

    The interpreters share the bytes of a mapped file.
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
        """Releases the interpreters."""
        self._local = threading.local()


class SignatureRunners(_Interpreters):
    """Runs a model by its signatures."""

    def __init__(self, file: ModelFile, options: BaseOptions) -> None:
        super().__init__(file, options)
        self.signatures: dict[str, dict[str, list[str]]] = self._interpreter().get_signature_list()
        self._shapes: dict[str, tuple[int, ...]] = {}

    def input_shape(self, signature: str) -> tuple[int, ...]:
        """The shape of the input `query` of a signature."""
        if signature not in self._shapes:  # needed for every query, and slow to look up
            self._file.check_unchanged()
            details = self._runner(signature).get_input_details()["query"]
            self._shapes[signature] = tuple(int(d) for d in details["shape"])
        return self._shapes[signature]

    def output_size(self, signature: str) -> int:
        """The number of values of the only output of a signature."""
        (details,) = self._runner(signature).get_output_details().values()
        return int(np.prod(details["shape"], dtype=np.int64))

    def run(self, signature: str, query: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: A key of `signatures`.
            query: The input `query`, or the inputs by name, with the shapes and types that the signature declares.

        Returns:
            The outputs by name; the caller owns the arrays.

        Raises:
            DamagedFileError: The runtime refuses the model.
            SearcherError: The file was overwritten.
        """
        inputs = {"query": query} if isinstance(query, np.ndarray) else query
        self._file.check_unchanged()
        runner = self._runner(signature)
        try:
            result: dict[str, np.ndarray] = runner(**inputs)
        except RuntimeError as error:
            raise self._damaged(error) from error
        return result

    def _runner(self, signature: str) -> Any:
        runners = self._local.__dict__.setdefault("runners", {})
        runner = runners.get(signature)
        if runner is None:
            try:
                runner = runners[signature] = self._interpreter().get_signature_runner(signature)
            except RuntimeError as error:
                raise self._damaged(error) from error
        return runner

    def _damaged(self, error: RuntimeError) -> DamagedFileError:
        return DamagedFileError(f"{self._file.name}: the model cannot be run: {' '.join(str(error).split())}")


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model.

    Attributes:
        name: Name of the tensor in the model.
        shape: Shape of the tensor.
        dynamic: Whether the size of the last dimension is open.
        dtype: Type of the tensor; object for strings.
        scale: Real value of one code if the tensor is quantised, else 0.
        zero_point: The code of the real value 0.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: bool
    dtype: np.dtype
    scale: float
    zero_point: int


class TensorRunner(_Interpreters):
    """Runs the first subgraph of a model, by the order of its inputs and outputs.

    Attributes:
        inputs: The inputs.
        outputs: The outputs.
    """

    def __init__(self, file: ModelFile, options: BaseOptions) -> None:
        """Loads the model.

        Raises:
            InvalidArgumentError: The model is not valid, or the runtime lacks one of its operators.
        """
        super().__init__(file, options)
        interpreter = self._interpreter()
        self.inputs = [_info(details) for details in interpreter.get_input_details()]
        self.outputs = [_info(details) for details in interpreter.get_output_details()]
        self._ready()

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the model.

        Args:
            values: One array per input. An input is resized if its array has another shape.

        Returns:
            One array per output, with the type in the model; the caller owns them.
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
