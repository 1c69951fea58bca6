"""Engines that answer queries; the file decides which one."""

from .engine import Embedder, Engine
from .graph import GraphEngine
from .graph_embedder import GraphEmbedder
from .open import open_embedder, open_engine

__all__ = ["Embedder", "Engine", "GraphEmbedder", "GraphEngine", "open_embedder", "open_engine"]
