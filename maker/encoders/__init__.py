"""Text and image towers, and how each is written into a graph."""
