"""Enough of the Hugging Face hub's protocol to download a checkpoint from this machine, and to interrupt the download."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A hub with one repository, whose branches and tags are all at one commit.

    Attributes:
        name: `ORG/NAME`.
        folder: Its files.
        asked: The method, the path and the range of each request.
        commit: The commit.
        fail_after: Bytes of a file after which the connection breaks once; None for never.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.commit = COMMIT
        self.asked: list[tuple[str, str, str]] = []
        self.fail_after: int | None = None
        self.address = ""


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serves the hub on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            path = unquote(self.path.partition("?")[0])
            hub.asked.append((self.command, path, self.headers.get("Range", "")))
            if re.fullmatch(rf"/api/models/{hub.name}(/revision/(main|v1|{hub.commit}))?", path):
                names = [str(p.relative_to(hub.folder)) for p in sorted(hub.folder.rglob("*")) if p.is_file()]
                about = {
                    "id": hub.name,
                    "sha": hub.commit,
                    "siblings": [{"rfilename": name} for name in names],
                    "private": False,
                    "tags": [],
                }
                self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"}, with_body)
                return
            found = re.fullmatch(rf"/api/models/{hub.name}/tree/\w+", path)
            if found:
                files = [p for p in sorted(hub.folder.rglob("*")) if p.is_file()]
                tree = [{"type": "file", "path": str(p.relative_to(hub.folder)), "size": p.stat().st_size, "oid": _etag(p)} for p in files]
                self._send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, with_body)
                return
            found = re.fullmatch(rf"/{hub.name}/resolve/\w+/(.+)", path)
            file = hub.folder / found[1] if found else None
            if file is None or not file.is_file():
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound" if found is None else "EntryNotFound"}, with_body)
                return
            content = file.read_bytes()
            headers = {"ETag": f'"{_etag(file)}"', "X-Repo-Commit": hub.commit, "Accept-Ranges": "bytes"}
            start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if start:
                first = int(start[1])
                headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
                self._send(206, content[first:], headers, with_body)
            elif with_body and hub.fail_after is not None and len(content) > hub.fail_after:
                cut, hub.fail_after = hub.fail_after, None
                self.send_response(200)
                for key, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content[:cut])
                self.close_connection = True
            else:
                self._send(200, content, headers, with_body)

        def _send(self, status: int, content: bytes, headers: dict[str, str], with_body: bool) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
