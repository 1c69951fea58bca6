"""The sample corpus: drawn scenes with captions."""
