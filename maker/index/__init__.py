"""Turns embeddings into what the search graph scans: leaves, what scores them, coded rows. Imports no TensorFlow."""
