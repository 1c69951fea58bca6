"""Writes a static site that runs a searcher in the browser.

`site.preview` writes it, `server.serve` shows it, and `python -m maker.preview.vendor` fetches the part that comes from npm. Nothing
is imported here, so that the last of these needs no more than Python.
"""

HOST, PORT = "127.0.0.1", 8000  # where `maker preview --serve` serves
