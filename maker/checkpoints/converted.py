"""A tower that PyTorch's converter wrote, with its weights rounded here: the converter's own int8 files give NaN on older runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maker.checkpoints.rounded import RoundedProducts
from maker.encoders.weights import Weights
from maker.errors import EncoderError
from maker.graph.source import Source
from maker.graph.subgraph import Subgraph


@dataclass(frozen=True)
class ConvertedTower:
    """A tower for pictures in a float32 `.tflite`, from uint8 `[1, size, size, 3]` to `[1, dimension]`.

    Attributes:
        source: The file.
        weights: How its matrices and kernels are stored.
    """

    source: Source
    weights: Weights

    def __post_init__(self) -> None:
        """Looks at the file's input and output.

        Raises:
            EncoderError: They are not of that kind.
        """
        inputs, outputs = self.source.inputs(), self.source.outputs()
        taken = [(tensor.shape, tensor.dtype) for tensor in inputs]
        square = len(taken) == 1 and len(taken[0][0]) == 4 and taken[0][0][1] == taken[0][0][2] and taken[0][0][3] == 3
        if not square or taken[0][1] != np.uint8 or len(outputs) != 1 or len(outputs[0].shape) != 2:
            raise EncoderError(f"{self.source.path}: takes {taken}, expected pixels uint8 [1, size, size, 3] and one embedding [1, d]")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, size, size, 3)`."""
        return self.source.inputs()[0].shape

    @property
    def size(self) -> int:
        """Height and width of a picture."""
        return self.input_shape[1]

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.source.outputs()[0].shape[1]

    @cached_property
    def _rounded(self) -> RoundedProducts:
        return RoundedProducts(self.source, self.weights)

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower: pixels uint8 of `input_shape` to `[1, dimension]` float32."""
        (embedding,) = g.inline(self.source, {self.source.inputs()[0].index: query}, [self.source.outputs()[0].index], None, self._rounded)
        return embedding
