"""Rejected inputs under the name that they had in 0.1.0."""

from maker.workspace import Rejects

__all__ = ["Rejects"]
