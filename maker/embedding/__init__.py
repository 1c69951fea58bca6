"""Embeds images and sentences, and keeps the results on disk, so that an interrupted run resumes."""
