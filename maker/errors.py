"""Errors that a builder's user can act on.

    MakerError (ValueError)
    ├── DataError     captions, images, embeddings or metadata that cannot be used as they are
    ├── EncoderError  an encoder spec or an embedder file that cannot be used
    ├── TrainingError a training run that cannot go on
    └── BuildError    an index or a file that cannot be built or written

They derive from ValueError because Model Maker raises that. An `OSError` passes unwrapped.
"""


class MakerError(ValueError):
    """Base of the builder's errors; its text is one line that names file, place, finding and remedy."""


class DataError(MakerError):
    """Captions, images, embeddings or metadata that cannot be used as they are."""


class EncoderError(MakerError):
    """An encoder spec or an embedder file that cannot be used."""


class TrainingError(MakerError):
    """A training run that cannot go on."""


class BuildError(MakerError):
    """An index or a file that cannot be built or written."""
