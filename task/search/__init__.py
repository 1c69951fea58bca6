"""Engines that answer queries; `task.opening` picks the one that a file is for."""

from .engine import Embedder, Engine
from .graph import GraphEngine
from .graph_embedder import GraphEmbedder
from .request import SearchRequest

__all__ = ["Embedder", "Engine", "GraphEmbedder", "GraphEngine", "SearchRequest"]
