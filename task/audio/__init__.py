"""Search by a sound."""

from ..search.query import Query
from .audio_embedder import AudioEmbedder, AudioEmbedderOptions
from .audio_record import AudioRecord
from .audio_searcher import AudioSearcher, AudioSearcherOptions
from .tensor_audio import TensorAudio

__all__ = ["AudioEmbedder", "AudioEmbedderOptions", "AudioRecord", "AudioSearcher", "AudioSearcherOptions", "Query", "TensorAudio"]
