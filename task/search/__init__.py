"""Engines that search; `task.opening` chooses the engine for a file."""

from .engine import Embedder, Engine
from .graph import GraphEngine
from .graph_embedder import GraphEmbedder
from .request import SearchRequest

__all__ = ["Embedder", "Engine", "GraphEmbedder", "GraphEngine", "SearchRequest"]
