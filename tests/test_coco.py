"""COCO's download, against a small server that drops connections."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from maker.data import coco
from maker.data.captions import read_captions
from maker.data.coco import download_coco
from maker.errors import DataError
from maker.workspace import Rejects

NUMBERS = (9, 3, 7, 5)
ARCHIVE = "/" + coco.ANNOTATIONS


def image_name(split: str, number: int) -> str:
    return f"COCO_{split}_{number:012d}.png"


def captions_json(split: str) -> bytes:
    images = [{"id": number, "file_name": image_name(split, number)} for number in NUMBERS]
    annotations = [
        {"image_id": number, "id": number * 10 + i, "caption": f"caption {i} of {number}"} for number in NUMBERS for i in range(2)
    ]
    return json.dumps({"images": images, "annotations": annotations}).encode()


class Server(ThreadingHTTPServer):
    """Holds the files and counts what is asked for; `cut` names bodies that break off once, `gone` those that are not there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        archive, picture = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
            for split in coco.SPLITS:
                opened.writestr(f"annotations/captions_{split}.json", captions_json(split))
        Image.new("RGB", (64, 48), "red").save(picture, "PNG")
        self.files = {ARCHIVE: archive.getvalue()}
        self.files |= {f"/{split}/{image_name(split, number)}": picture.getvalue() for split in coco.SPLITS for number in NUMBERS}
        self.asked: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.cut: set[str] = set()
        self.gone: set[str] = set()
        self.tagged: set[str] = set()
        self.damaged: set[str] = set()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Server = self.server
        server.asked[self.path] += 1
        if self.path in server.gone or self.path not in server.files:
            self.send_error(404)
            return
        body, start = server.files[self.path], 0
        if "Range" in self.headers:
            server.ranges.append(self.headers["Range"])
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if self.path in server.tagged:
            self.send_header("ETag", f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
        self.end_headers()
        if self.path in server.damaged:
            server.damaged.discard(self.path)
            body = body[:-1] + b"?"
        if self.path in server.cut:
            server.cut.discard(self.path)
            body = body[: start + (len(body) - start) // 2]
        self.wfile.write(body[start:])

    def do_HEAD(self) -> None:
        server: Server = self.server
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.files[self.path])))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch):
    monkeypatch.setattr("maker.data.coco.DELAY_S", 0)


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_split_is_downloaded_and_its_captions_can_be_read(server, tmp_path):
    found = download_coco(tmp_path, "val2014", host=server.host)
    assert sorted(p.name for p in found.images.iterdir()) == sorted(image_name("val2014", n) for n in NUMBERS)
    captions = read_captions(found.captions, Rejects())
    assert len(captions) == 2 * len(NUMBERS)
    assert all((found.images / c.image).is_file() for c in captions)


def test_a_limit_takes_the_first_images_and_only_their_captions_and_a_larger_one_adds_to_them(server, tmp_path):
    few = download_coco(tmp_path, "train2014", 2, host=server.host)
    rejects = Rejects()
    assert {c.image for c in read_captions(few.captions, rejects)} == {image_name("train2014", n) for n in NUMBERS[:2]}
    assert rejects.rows == []
    assert len(list(few.images.iterdir())) == 2
    download_coco(tmp_path, "train2014", 3, host=server.host)
    assert len(list(few.images.iterdir())) == 3
    assert set(server.asked.values()) == {1}  # nothing twice, the archive neither


def test_both_splits_lie_in_one_folder(server, tmp_path):
    train, val = (download_coco(tmp_path, split, 1, host=server.host) for split in coco.SPLITS)
    assert train.images == val.images
    assert len(list(train.images.iterdir())) == 2
    assert server.asked[ARCHIVE] == 1


def test_a_cut_archive_goes_on_where_it_broke_off(server, tmp_path):
    server.cut.add(ARCHIVE)
    download_coco(tmp_path, "val2014", 1, host=server.host)
    assert server.ranges == ["bytes=0-", f"bytes={len(server.files[ARCHIVE]) // 2}-"]


def test_a_cut_image_is_asked_for_again(server, tmp_path):
    path = f"/val2014/{image_name('val2014', NUMBERS[0])}"
    server.cut.add(path)
    found = download_coco(tmp_path, "val2014", 1, host=server.host)
    assert (found.images / image_name("val2014", NUMBERS[0])).read_bytes() == server.files[path]


def test_a_missing_image_stops_with_its_address_and_a_second_call_goes_on(server, tmp_path):
    path = f"/val2014/{image_name('val2014', NUMBERS[3])}"
    server.gone.add(path)
    with pytest.raises(DataError, match=rf"{path}: cannot be downloaded \(HTTP 404 .*run it again"):
        download_coco(tmp_path, "val2014", host=server.host)
    assert server.asked[path] == 1
    server.gone.clear()
    download_coco(tmp_path, "val2014", host=server.host)
    assert server.asked[f"/val2014/{image_name('val2014', NUMBERS[0])}"] == 1


def test_without_a_network_it_is_one_line(tmp_path):
    with pytest.raises(
        DataError, match=r"^http://127.0.0.1:9/annotations/.*cannot be downloaded \(.*refused\).*check the network"
    ) as error:
        download_coco(tmp_path, "val2014", host="http://127.0.0.1:9")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("split", "limit", "problem"), [("train2017", None, "train2014 or val2014"), ("val2014", 0, "at least 1")])
def test_what_is_no_split_or_limit_is_refused_before_any_download(split, limit, problem, tmp_path):
    with pytest.raises(DataError, match=problem):
        download_coco(tmp_path, split, limit, host="http://127.0.0.1:9")


def test_a_damaged_archive_is_named(server, tmp_path):
    server.files[ARCHIVE] = b"<html>a proxy's answer</html>"
    with pytest.raises(DataError, match=r"annotations_trainval2014.zip: not COCO's archive .*delete it"):
        download_coco(tmp_path, "val2014", host=server.host)


def test_a_download_that_was_complete_but_not_renamed_is_taken(server, tmp_path):
    (tmp_path / f"{ARCHIVE.rpartition('/')[2]}.part").write_bytes(server.files[ARCHIVE])
    found = download_coco(tmp_path, "val2014", host=server.host)
    assert found.captions.exists()
    assert server.ranges == []


def test_a_picture_whose_checksum_does_not_match_is_downloaded_again(server, tmp_path):
    path = f"/val2014/{image_name('val2014', NUMBERS[0])}"
    server.tagged, server.damaged = {path}, {path}
    found = download_coco(tmp_path, "val2014", host=server.host)
    assert server.asked[path] == 2
    assert (found.images / image_name("val2014", NUMBERS[0])).read_bytes() == server.files[path]


def test_attempts_wait_longer_each_time(server, tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("maker.data.coco.DELAY_S", 0.5)
    monkeypatch.setattr("maker.data.coco.time.sleep", waits.append)
    with pytest.raises(DataError, match="cannot be downloaded"):
        download_coco(tmp_path, "val2014", host="http://127.0.0.1:9")
    assert waits == [0.5, 1.0, 2.0]
