"""The verbs of the command line, one module each with `HELP`, `add_arguments(parser)` and `run(given)`.

A verb imports most modules only when it runs, so that `maker --help` is fast.
"""
