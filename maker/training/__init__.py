"""Trains a dual encoder on captions and images."""

import os

# TensorFlow reads this once, at import. Without it, its own log fills the terminal.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
