"""Errors of the runtime.

    TaskError
    ├── InvalidArgumentError (ValueError)       an option, a query or a model that cannot be used as given
    │   └── ArgumentTypeError (TypeError)       a query of the wrong type
    └── SearcherError (RuntimeError)            a file that cannot be searched
        ├── MissingFileError (FileNotFoundError)
        ├── DamagedFileError
        └── NewerFormatError

The builtin bases are those that the Task Library raises in the same cases. Other `OSError`s pass unwrapped.
"""


class TaskError(Exception):
    """Base of the runtime's errors; its text is one line."""


class InvalidArgumentError(TaskError, ValueError):
    """An option, a query or a model that cannot be used as given."""


class ArgumentTypeError(InvalidArgumentError, TypeError):
    """A query of the wrong type."""


class SearcherError(TaskError, RuntimeError):
    """A file that cannot be searched."""


class MissingFileError(SearcherError, FileNotFoundError):
    """There is no file at the path given."""


class DamagedFileError(SearcherError):
    """The file's content contradicts itself."""


class NewerFormatError(SearcherError):
    """The file was written by a newer release in a format that this one does not know."""
