"""Searches a searcher file: `task.text.TextSearcher`, `task.vision.ImageSearcher`."""
