"""Serves a site to this machine's browser; any static host works too."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from maker.errors import BuildError
from maker.preview import HOST, PORT

# Workers have no page that could state a policy, so the server sends one; the page states the same for itself.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Handler(SimpleHTTPRequestHandler):
    """Serves files with the media types that browsers require, whatever types this machine is configured with."""

    protocol_version = "HTTP/1.1"
    extensions_map = {
        "": "application/octet-stream",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".tflite": "application/octet-stream",
        ".txt": "text/plain; charset=utf-8",
        ".wasm": "application/wasm",
        ".webp": "image/webp",
    }

    def end_headers(self) -> None:
        """Adds the headers of every response."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Logs errors only; `log_error` calls this method with a format that starts with "code"."""
        if format.startswith("code"):
            sys.stderr.write(f"maker preview: {self.path}: {format % args}\n")


class Server(ThreadingHTTPServer):
    """Serves one site folder."""

    daemon_threads = True

    def __init__(self, site: Path, host: str = HOST, port: int = PORT) -> None:
        """Binds the address; port 0 selects a free port.

        Raises:
            BuildError: There is no site in the folder, or the address is taken.
        """
        if not (site / "index.html").is_file():
            raise BuildError(f"{site}: contains no site; write one with maker preview")
        try:
            super().__init__((host, port), partial(Handler, directory=str(site)))
        except OSError as error:
            raise BuildError(f"{host}:{port}: cannot listen ({error.strerror}); pass another --port") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores browsers that close the connection during a response."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """The site's URL."""
        host, port = self.server_address[:2]
        return f"http://{str(host)}:{port}/"


def serve(site: Path, host: str = HOST, port: int = PORT) -> None:
    """Serves the site until it is interrupted.

    Raises:
        BuildError: There is no site in the folder, or the address is taken.
    """
    with Server(site, host, port) as server:
        sys.stderr.write(f"serving {site} at {server.address} until Ctrl+C\n")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
