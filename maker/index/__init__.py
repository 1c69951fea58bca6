"""Turns embeddings into what the search graph scans: partitions, quantised rows, chunks. Imports no TensorFlow."""
