"""Embeds sounds."""

from __future__ import annotations

from dataclasses import dataclass

from ..embedder import Embedder, EmbedderOptions
from ..processor.embeddings import EmbeddingResult
from .query import query_samples
from .tensor_audio import TensorAudio


@dataclass
class AudioEmbedderOptions(EmbedderOptions):
    """Options of an `AudioEmbedder`."""


class AudioEmbedder(Embedder):
    """Embeds sounds, with an encoder file or a searcher file whose tower takes a waveform."""

    options_type = AudioEmbedderOptions

    @property
    def required_sample_rate(self) -> int:
        """Samples per second that the model takes; other sounds are resampled.

        Raises:
            InvalidArgumentError: The file does not embed sounds.
        """
        return self.engine.sound_format.sample_rate

    @property
    def required_input_buffer_size(self) -> int:
        """Number of samples that the model takes. It raises the error of `required_sample_rate`."""
        return self.engine.sound_format.samples

    def embed(self, audio: TensorAudio) -> EmbeddingResult:
        """Embeds a sound.

        Args:
            audio: The sound, of any length and rate. What is shorter than the model's input is filled up with silence; of what is longer,
                the loudest part counts.

        Returns:
            One embedding, `(d,)` float32; with `embedding_options.quantize`, int8 stored as uint8.

        Raises:
            InvalidArgumentError: The file does not embed sounds, or `audio` is not a TensorAudio.
        """
        engine = self.engine
        return self._result(engine.embed_audio(query_samples(audio, engine)))
