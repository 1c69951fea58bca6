"""Trains a dual encoder on captions and images."""

import os

# TensorFlow reads it once, when it is imported, and fills the terminal with its own log otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
