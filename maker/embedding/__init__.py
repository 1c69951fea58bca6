"""Runs image towers over folders, resumably."""
