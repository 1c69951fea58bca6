"""Describes a searcher and its quality for people: a report as one HTML file, and a model card."""
