"""Sound queries: brings a sound to the rate and length of a model."""

from __future__ import annotations

import numpy as np

from ..errors import ArgumentTypeError
from ..search.engine import Embedder
from .tensor_audio import TensorAudio


def query_samples(audio: TensorAudio, embedder: Embedder) -> np.ndarray:
    """The samples of a query, `(samples,)` float32, as many as the embedder takes.

    Raises:
        InvalidArgumentError: The embedder does not take sounds, or `audio` is not a TensorAudio.
    """
    wanted = embedder.sound_format
    if not isinstance(audio, TensorAudio):
        raise ArgumentTypeError(f"the query has to be a TensorAudio, found {type(audio).__name__}.")
    return audio.samples_for(wanted)
