"""`maker fetch`, from a server of the test."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from maker.cli import main
from maker.encoders import published
from maker.encoders.published import Published

CONTENT = b"some weights" * 1000


class Quiet(SimpleHTTPRequestHandler):
    requests = 0

    def log_message(self, *_):
        type(self).requests += 1


@pytest.fixture
def server(tmp_path):
    """A server of a folder with the file, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "w.tflite").write_bytes(CONTENT)
    Quiet.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
        thread.join()


@pytest.fixture
def weights(server, tmp_path, monkeypatch):
    """The only weights that are known, and where they are kept."""
    monkeypatch.setenv("POCKET_SEARCHER_CACHE", str(tmp_path / "cache"))
    entry = Published("w.tflite", f"{server}/w.tflite", hashlib.sha256(CONTENT).hexdigest(), "weights")
    monkeypatch.setattr(published, "WEIGHTS", {"w": entry})
    return entry


def test_a_file_is_downloaded_once_and_its_path_is_all_of_stdout(weights, tmp_path, capsys):
    for _ in range(2):
        assert main(["fetch", "w"]) == 0
        printed = capsys.readouterr()
        assert printed.out == f"{tmp_path / 'cache' / 'w.tflite'}\n"
        assert "--image-encoder tflite:" in printed.err
    assert (tmp_path / "cache" / "w.tflite").read_bytes() == CONTENT
    assert Quiet.requests == 1


def test_a_download_of_another_content_is_refused_and_not_kept(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(published, "WEIGHTS", {"w": Published(weights.file, weights.url, "0" * 64, "")})
    assert main(["fetch", "w"]) == 1
    assert "expected 000" in capsys.readouterr().err
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_file_is_named_and_stays(weights, tmp_path, capsys):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "w.tflite").write_bytes(b"damaged")
    assert main(["fetch", "w"]) == 1
    assert "remove the file to download it again" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/w.tflite", "SERVER/absent.tflite", "http://no.such.host.invalid/w.tflite"])
def test_without_the_file_on_the_network_one_line_says_what_to_do(weights, server, tmp_path, monkeypatch, capsys, address):
    url = address.replace("SERVER", server)
    monkeypatch.setattr(published, "WEIGHTS", {"w": Published(weights.file, url, weights.sha256, "")})
    assert main(["fetch", "w"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("maker: error:")]
    assert url in line
    assert f"copy the file from another machine to {tmp_path / 'cache' / 'w.tflite'}" in line
    assert list((tmp_path / "cache").iterdir()) == []


def test_unknown_weights_are_told_what_is_known(weights, capsys):
    assert main(["fetch", "x"]) == 1
    assert "expected one of w" in capsys.readouterr().err
