"""Writes searcher files: the search graph, the towers, the metadata. Imports no TensorFlow."""
