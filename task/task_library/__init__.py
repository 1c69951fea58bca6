"""Everything that only Task Library files need; graph searchers work without this folder."""
