"""Reads captions, images, embeddings and metadata in the formats that users have."""
