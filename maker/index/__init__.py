"""Turns embeddings into an index that the search graph scans: leaves, routers that score leaves, quantised rows. Imports no TensorFlow."""
