"""Lazy collections of pictures, sentences and other items, worked through shard by shard: here, in worker processes or on Ray."""

from maker.collection.collection import Collection
from maker.collection.rows import REASON, Row

__all__ = ["REASON", "Collection", "Row"]
