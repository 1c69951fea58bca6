"""Writes a static site that runs a searcher in the browser.

`site.preview` writes it, `server.serve` serves it, and `python -m maker.preview.vendor` fetches LiteRT.js from npm. This file imports
nothing, so that the last of these needs only Python.
"""

HOST, PORT = "127.0.0.1", 8000  # where `maker preview --serve` serves
