"""Serves a site to this machine's browser; any static host works too."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from maker.errors import BuildError
from maker.preview import HOST, PORT

# Workers have no page that could state a policy, so the server sends one; the page states the same for itself.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
BLOCK = 1 << 16  # bytes


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
        **{f".{suffix}": f"video/{suffix}" for suffix in ("mp4", "webm")},
        **{".m4v": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".ogv": "video/ogg"},
        **{f".{suffix}": f"audio/{suffix}" for suffix in ("aac", "flac", "ogg", "wav")},
        **{".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".oga": "audio/ogg", ".opus": "audio/ogg"},
    }

    def do_GET(self) -> None:
        """Answers with the part of a file that is asked for: players seek by asking for parts.

        As RFC 9110, section 14, allows, the answer to several parts, or to a part of a file that has changed, is the whole file.
        """
        path, asked = self.translate_path(self.path), RANGE.fullmatch(self.headers.get("Range", ""))
        if asked is None or not os.path.isfile(path):
            super().do_GET()
            return
        with open(path, "rb") as file:
            about = os.fstat(file.fileno())
            changed = self.date_time_string(about.st_mtime)
            part = part_of(asked[1], asked[2], about.st_size)
            if part is None or self.headers.get("If-Range", changed) != changed:
                super().do_GET()
                return
            self._send_part(file, path, part, about.st_size, changed)

    def _send_part(self, file: BinaryIO, path: str, part: range, size: int, changed: str) -> None:
        self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{size}" if part else f"bytes */{size}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Last-Modified", changed)
        self.end_headers()
        file.seek(part.start)
        left = len(part)
        while left and (block := file.read(min(BLOCK, left))):
            self.wfile.write(block)
            left -= len(block)

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


def part_of(first: str, last: str, size: int) -> range | None:
    """The bytes that `bytes=FIRST-LAST` names in a file: empty if they are behind its end, None if the two name no part."""
    if not first and not last or first and last and int(first) > int(last):
        return None
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(int(last) + 1 if last else size, size))


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
