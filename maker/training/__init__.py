"""Trains a dual encoder on captions and images; the only part of the builder that imports TensorFlow."""
