"""The parts of a searcher file, encoding and decoding side by side."""
