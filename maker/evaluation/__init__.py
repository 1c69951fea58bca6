"""Measures retrieval against captions, index recall against exact search, and latency."""
