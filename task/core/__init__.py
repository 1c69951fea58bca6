"""What every task is configured with."""

from .base_options import BaseOptions

__all__ = ["BaseOptions"]
