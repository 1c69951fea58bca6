"""Files, interpreters and the options of every task."""

from .base_options import BaseOptions

__all__ = ["BaseOptions"]
