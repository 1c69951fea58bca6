"""Builds one searcher.tflite from pictures and captions."""
