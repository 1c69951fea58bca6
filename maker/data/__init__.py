"""Captions and images as users have them, and what was rejected of them."""
