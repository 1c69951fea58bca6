"""The verbs of the command line, a module each: `HELP`, `add_arguments(parser)` and `run(given)`.

A verb imports what it needs when it runs, so that `maker --help` answers at once.
"""
