"""Engines that answer queries; the file decides which one."""

from .graph import GraphEngine

__all__ = ["GraphEngine"]
