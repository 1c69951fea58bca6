"""Errors that the user can act on.

    MakerError (ValueError)
    ├── UsageError    options contradict each other, or one is missing
    ├── DataError     captions, images, embeddings or metadata cannot be used
    ├── EncoderError  an encoder spec or an embedder file cannot be used
    ├── TrainingError a training run cannot start or continue
    └── BuildError    an index or a file cannot be built or written

They derive from ValueError because Model Maker raises ValueError. `OSError` passes unchanged.
"""


class MakerError(ValueError):
    """Base class. The text is one line: the file and place, what was found, what was expected, and what to do."""


class UsageError(MakerError):
    """Options contradict each other, or one is missing; the command line exits with 2."""


class DataError(MakerError):
    """Captions, images, embeddings or metadata cannot be used."""


class EncoderError(MakerError):
    """An encoder spec or an embedder file cannot be used."""


class TrainingError(MakerError):
    """A training run cannot start or continue."""


class BuildError(MakerError):
    """An index or a file cannot be built or written."""
