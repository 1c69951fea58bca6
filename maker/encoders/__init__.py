"""Text and image towers, which write themselves into a graph."""
