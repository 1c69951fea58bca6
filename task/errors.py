"""Errors of the runtime.

    TaskError
    ├── InvalidArgumentError (ValueError)       an option, a query or a model cannot be used
    │   └── ArgumentTypeError (TypeError)       a query has the wrong type
    └── SearcherError (RuntimeError)            a file cannot be searched
        ├── MissingFileError (FileNotFoundError)
        ├── DamagedFileError
        └── NewerFormatError

The Task Library raises the builtin base classes in the same cases. Other errors of type `OSError` pass unchanged.
"""


class TaskError(Exception):
    """Base class. The text is one line."""


class InvalidArgumentError(TaskError, ValueError):
    """An option, a query or a model cannot be used."""


class ArgumentTypeError(InvalidArgumentError, TypeError):
    """A query has the wrong type."""


class SearcherError(TaskError, RuntimeError):
    """A file cannot be searched."""


class MissingFileError(SearcherError, FileNotFoundError):
    """A file does not exist."""


class DamagedFileError(SearcherError):
    """The content of a file is damaged or inconsistent."""


class NewerFormatError(SearcherError):
    """A file was written by a newer release, in a format that this release does not know."""
