"""The parts of a searcher file, each with its encoder and decoder."""
