"""The Python side of the preview: thumbnails, the site, the server, the rows' places. `tests/web` tests the page."""

from __future__ import annotations

import json
import lzma
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maker import searcher
from maker.cli import main
from maker.data.items import image_of
from maker.errors import BuildError, DataError
from maker.preview import site, thumbnails, vendor
from maker.preview.server import Server
from maker.preview.site import preview
from maker.workspace.own import MARKER
from task.core import BaseOptions
from task.errors import InvalidArgumentError
from task.format.stored_rows import StoredRows, locate_rows
from task.search import GraphEngine, SearchRequest
from tests.written_searcher import write_encoder_file
from tests.written_videos import write_video

NAMES = ["a.png", "deep/b c#1.png", "wide.jpg", "a.png"]
DIMENSION = 8


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    Image.new("RGB", (40, 30), "red").save(folder / "a.png")
    Image.new("RGBA", (900, 700), (0, 0, 255, 0)).save(folder / "deep" / "b c#1.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    Image.new("RGB", (4000, 700), "green").save(folder / "wide.jpg", exif=exif)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return build(tmp_path / "my_pictures.tflite", NAMES)


@pytest.fixture
def litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the files from npm."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    monkeypatch.setattr(vendor, "FOLDER", folder)
    for name in (*vendor.FILES.values(), "NOTICE.txt"):
        content = f"// {name}\n".encode()
        vendor.packed_path(name).write_bytes(lzma.compress(content) if vendor.packed_path(name).suffix == ".xz" else content)
    return folder


def build(path: Path, metadata: list[str], *, seed: int = 0, **options: object) -> Path:
    vectors = np.random.default_rng(seed).standard_normal((len(metadata), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    settings: dict[str, object] = {"distance_measure": "dot_product", "score_ah": searcher.ScoreAH(1), **options}
    data = searcher.DataLoader(None, vectors, metadata)
    searcher.Searcher.create_from_data(data, searcher.ScaNNOptions(**settings), trainer="own").export(export_filename=path)  # type: ignore[arg-type]
    return path


def test_thumbnails_are_upright_opaque_and_small(tmp_path: Path, images: Path) -> None:
    made = thumbnails.make_thumbnails([n.encode() for n in NAMES], images, tmp_path)
    assert (made.made, made.kept, made.missing, made.rejects.rows) == (3, 0, 0, [])
    sizes = {}
    for path in (tmp_path / "thumbnails").rglob("*.webp"):
        with Image.open(path) as image:
            assert image.format == "WEBP"
            sizes[path.name] = image.size
            if path.name.startswith("b c"):
                assert min(image.convert("RGB").getpixel((5, 5))) > 245  # transparent lies over white
    assert sizes["a.png.webp"] == (40, 30)  # not enlarged
    assert sizes["b c#1.png.webp"] == (411, 320)
    assert sizes["wide.jpg.webp"][1] == 960  # upright and not longer than allowed
    assert sizes["wide.jpg.webp"][0] == pytest.approx(168, abs=1)


def test_thumbnails_of_unchanged_images_are_kept(tmp_path: Path, images: Path) -> None:
    entries = [n.encode() for n in NAMES]
    first = thumbnails.make_thumbnails(entries, images, tmp_path)
    again = thumbnails.make_thumbnails(entries, images, tmp_path)
    assert (again.made, again.kept, again.stamp) == (0, 3, first.stamp)
    Image.new("RGB", (40, 30), "yellow").save(images / "a.png")
    os.utime(images / "a.png", ns=(1, 1))  # older than before, and another picture all the same
    third = thumbnails.make_thumbnails(entries, images, tmp_path)
    assert (third.made, third.kept) == (1, 2)
    assert third.stamp != first.stamp


def test_thumbnails_that_nothing_names_are_removed(tmp_path: Path, images: Path) -> None:
    thumbnails.make_thumbnails([n.encode() for n in NAMES], images, tmp_path)
    (tmp_path / "thumbnails" / ".a.png.webp.123.partial").touch()  # what a kill leaves
    again = thumbnails.make_thumbnails([b"deep/../a.png", b"./a.png", b"wide.jpg"], images, tmp_path)
    assert again.rejects.rows == [("deep/../a.png", "", "path outside the folder of images")]
    assert {p.name for p in (tmp_path / "thumbnails").rglob("*.*")} - {MARKER} == {"a.png.webp", "wide.jpg.webp"}


def test_unusable_images_are_named(tmp_path: Path, images: Path) -> None:
    (images / "broken.jpg").write_bytes(b"no picture")
    (images / "empty.png").touch()
    (images / "cut.png").write_bytes((images / "deep" / "b c#1.png").read_bytes()[:300])
    outside = tmp_path / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    entries = [
        b"a.png",
        b"broken.jpg",
        b"empty.png",
        b"cut.png",
        b"gone.png",
        b"../secret.png",
        str(outside).encode(),
        b"\xff.png",
        b"words",
    ]
    made = thumbnails.make_thumbnails(entries, images, tmp_path / "site")
    reasons = {name: reason for name, _, reason in made.rejects.rows}
    assert reasons.pop("cut.png").startswith("cannot be decoded: ")
    outer = "path outside the folder of images"
    assert reasons == {
        "broken.jpg": "not an image",
        "empty.png": "empty file",
        "gone.png": "missing file",
        "../secret.png": outer,
        str(outside): outer,
    }
    assert (made.made, made.missing) == (1, 2)
    assert [p.name for p in (tmp_path / "site").rglob("*.webp")] == ["a.png.webp"]


def test_a_wrong_folder_is_told(tmp_path: Path, images: Path) -> None:
    with pytest.raises(DataError, match="no such folder of images"):
        thumbnails.make_thumbnails([b"a.png"], tmp_path / "none", tmp_path / "site")
    with pytest.raises(
        DataError, match=r"no thumbnail for any of the 1 images that the items name \(x/a.png: missing file\); pass the folder"
    ):
        thumbnails.make_thumbnails([b"x/a.png"], images, tmp_path / "site")


@pytest.mark.parametrize(
    ("metadata", "image"),
    [
        (b"a/b.jpg", "a/b.jpg"),
        (b'{"title": "x", "image": "a.jpg"}', "a.jpg"),
        (b'{"path": "p.png"}', "p.png"),
        (b'{"title": "no image"}', None),
        (b"{broken", None),
        (b"two\nlines.jpg", None),
        (b"just words", None),
        (b"A dog. And a cat", None),
        (b"\xff\xfe.jpg", None),
        (b"", None),
    ],
)
def test_image_of(metadata: bytes, image: str | None) -> None:
    assert image_of(metadata) == image


def test_the_site_is_whole(tmp_path: Path, file: Path, images: Path, litert: Path) -> None:
    report = preview(file, images, tmp_path / "out")
    out = tmp_path / "out"
    assert (report.items, report.made, report.kept, report.rejects.rows) == (4, 3, 0, [])
    assert report.bytes == sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert (out / "searcher.tflite").read_bytes() == file.read_bytes()
    described = json.loads((out / "site.json").read_text())
    assert described["title"] == "my pictures"
    assert described["searcher"]["bytes"] == file.stat().st_size
    assert described["thumbnails"] == {"folder": "thumbnails", "suffix": ".webp", "count": 3}
    worker = (out / "service-worker.js").read_text()
    assert site.PLACEHOLDER not in worker
    line = next(x for x in worker.splitlines() if x.startswith("const SITE = "))
    kept = json.loads(line.removeprefix("const SITE = ").removesuffix(";"))
    assert len(kept["version"]) == 16
    for name in kept["files"]:
        assert (out / ("index.html" if name == "./" else name)).is_file()
    assert {"searcher.tflite", "site.json", "app.js", "vendor/litert/index.js"} <= set(kept["files"])
    assert not [n for n in kept["files"] if n.endswith("_internal.js")]
    assert not [p.name for p in out.rglob("*.partial")]
    # Everything that the page names is there, and nothing is fetched from elsewhere.
    page = (out / "index.html").read_text()
    assert "https://" not in page
    assert "http://" not in page
    policy = page.split("Content-Security-Policy")[1].split('content="')[1].split('"')[0]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "unsafe-inline" not in policy


def test_a_site_without_items_needs_no_images(tmp_path: Path, file: Path, litert: Path) -> None:
    empty = tmp_path / "empty.tflite"
    write_encoder_file(tmp_path / "encoder.tflite")
    assert main(["export", str(tmp_path / "encoder.tflite"), "--empty", "--output", str(empty)]) == 0
    assert main(["preview", str(empty), "--output", str(tmp_path / "out")]) == 0
    described = json.loads((tmp_path / "out" / "site.json").read_text())
    assert (described["thumbnails"]["count"], described["rows"]) == (0, None)
    with pytest.raises(
        DataError, match=r"my_pictures.tflite: has 4 items; pass --images DIR, the folder that their paths are relative to$"
    ):
        preview(file, None, tmp_path / "other")


def test_every_file_of_the_page_is_copied() -> None:
    files = {path.name for path in site.WEB.iterdir() if path.is_file()}
    assert files == {*site.SHELL, site.START, site.WORKER}


def test_the_site_s_wasm_is_unpacked(tmp_path: Path, file: Path, images: Path, litert: Path) -> None:
    site.preview(file, images, tmp_path / "site")
    for name in vendor.FILES.values():
        assert (tmp_path / "site" / "vendor" / "litert" / name).read_text() == f"// {name}\n"


def test_a_site_is_renewed_only_when_asked(tmp_path: Path, file: Path, images: Path, litert: Path) -> None:
    out = tmp_path / "out"
    preview(file, images, out)
    before = (out / "service-worker.js").read_text()
    with pytest.raises(BuildError, match="already contains a site; pass --overwrite to replace it"):
        preview(file, images, out)
    with pytest.raises(DataError, match="no such folder"):
        preview(file, tmp_path / "none", out, overwrite=True)
    assert (out / "index.html").exists()  # a mistake leaves the site as it was
    again = preview(file, images, out, overwrite=True)
    assert (again.made, again.kept) == (0, 3)
    assert (out / "service-worker.js").read_text() == before
    other = build(tmp_path / "other.tflite", NAMES, seed=1)
    preview(other, images, out, overwrite=True)
    assert (out / "service-worker.js").read_text() != before
    (out / "index.html").unlink()  # what a killed run leaves
    assert preview(other, images, out).kept == 3


def test_a_folder_of_others_is_left_alone(tmp_path: Path, file: Path, images: Path, litert: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(BuildError, match=r"holds thesis.txt, which this program did not write; choose a new or empty folder"):
            preview(file, images, out, overwrite=overwrite)
    with pytest.raises(BuildError, match="is a file, expected a folder"):
        preview(file, images, out / "thesis.txt")


def test_missing_parts_are_told(tmp_path: Path, file: Path, images: Path, litert: Path) -> None:
    (litert / "index.js").unlink()
    with pytest.raises(BuildError, match=r"index.js is missing; fetch LiteRT.js with python -m maker.preview.vendor"):
        preview(file, images, tmp_path / "out")
    (litert / "index.js").touch()
    (tmp_path / "no.tflite").write_bytes(b"no model at all")
    with pytest.raises(InvalidArgumentError, match="not a valid Flatbuffer"):
        preview(tmp_path / "no.tflite", images, tmp_path / "out")
    content = file.read_bytes()
    (tmp_path / "bare.tflite").write_bytes(content[: content.index(b"PK\x03\x04")])
    with pytest.raises(DataError, match="has no searcher.json, which the page needs; build a searcher with"):
        preview(tmp_path / "bare.tflite", images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_file_of_the_page_is_shipped() -> None:
    here = {p.name for p in site.WEB.iterdir() if p.is_file()}
    assert here == {*site.SHELL, site.START, site.WORKER}
    assert (site.WEB / site.WORKER).read_text().count(site.PLACEHOLDER) == 1


def test_the_locked_packages_name_no_registry() -> None:
    for lock in (vendor.HERE / "package-lock.json", Path(__file__).parent / "web" / "package-lock.json"):
        for name, package in json.loads(lock.read_text())["packages"].items():
            assert not name or package["integrity"].startswith("sha512-")
            assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"distance_measure": "squared_l2"},
        {"score_ah": None, "score_brute_force": searcher.ScoreBruteForce()},
        {"score_ah": searcher.ScoreAH(2)},
        {"score_ah": searcher.ScoreAH(3)},
        {"tree": searcher.Tree(num_leaves=6, num_leaves_to_search=6)},
        {"tree": searcher.Tree(num_leaves=6, num_leaves_to_search=6), "score_ah": searcher.ScoreAH(2)},
    ],
    ids=["int8", "l2", "float32", "codes", "short last block", "tree", "tree of codes"],
)
def test_rows_are_where_it_is_said(tmp_path: Path, options: dict[str, object]) -> None:
    """Reads rows as the page does and asks with them: each item has to find itself."""
    path = build(tmp_path / "s.tflite", [f"{i}" for i in range(101)], **options)
    content = path.read_bytes()
    rows = locate_rows(content)
    assert rows is not None
    stored = StoredRows(content, rows, DIMENSION)
    vectors, ids = stored.decode(slice(None)), stored.items
    assert sorted(ids[ids >= 0]) == list(range(101))
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    for row, item in enumerate(ids):
        if item >= 0:
            found = [n.metadata for n in engine.search_embedding(vectors[row], SearchRequest(max_results=3)).nearest_neighbors]
            assert str(item).encode() in found
    engine.close()


def test_a_graph_of_others_has_no_rows(tmp_path: Path, file: Path) -> None:
    content = file.read_bytes()
    assert locate_rows(content.replace(b"search_embedding", b"search_something")) is None
    assert locate_rows(content.replace(b"rows\0", b"vows\0")) is None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("index.html", "app.js", "style.css", "icon.svg", "x.wasm", "x.webp", "x.tflite", "site.json"):
        (folder / name).write_text("content")
    with Server(folder, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


def test_the_server_names_types(served: str) -> None:
    expected = {
        "": "text/html; charset=utf-8",
        "app.js": "text/javascript; charset=utf-8",
        "style.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "x.wasm": "application/wasm",
        "x.webp": "image/webp",
        "x.tflite": "application/octet-stream",
        "site.json": "application/json",
    }
    for name, kind in expected.items():
        with urllib.request.urlopen(served + name) as answer:
            assert answer.headers["Content-Type"] == kind
            assert "'wasm-unsafe-eval'" in answer.headers["Content-Security-Policy"]
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(served + "../none")
    caught.value.close()


def test_the_server_refuses(tmp_path: Path, served: str) -> None:
    with pytest.raises(BuildError, match="contains no site; write one with maker preview"):
        Server(tmp_path / "none")
    port = int(served.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(BuildError, match="cannot listen .* pass another --port"):
        Server(tmp_path / "served", port=port)


def test_the_command(
    tmp_path: Path, file: Path, images: Path, litert: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["preview", str(file), "--images", str(images), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures == {"site": "site", "items": 4, "thumbnails": 3, "made": 3, "rejected": 0, "megabytes": figures["megabytes"]}
    served: list[object] = []
    monkeypatch.setattr("maker.preview.server.serve", lambda *arguments: served.extend(arguments))
    assert main(["preview", str(file), "--images", str(images), "--overwrite", "--serve", "--port", "0"]) == 0
    assert served == [Path("site"), "127.0.0.1", 0]
    assert "site: 4 items, 3 thumbnails (0 made now, 0 images rejected)" in capsys.readouterr().out


@pytest.mark.parametrize("mine", ["site.json", "thumbnails/holiday.webp", "notes.txt"])
def test_a_folder_that_preview_did_not_make_is_left_alone(tmp_path: Path, file: Path, images: Path, litert: Path, mine: str) -> None:
    (tmp_path / "out" / mine).parent.mkdir(parents=True)
    (tmp_path / "out" / mine).write_text('{"title": "somebody else\'s"}')
    with pytest.raises(BuildError, match=r"which this program did not write; choose a new or empty folder"):
        preview(file, images, tmp_path / "out", overwrite=True)
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [tmp_path / "out" / mine]


def test_videos_are_copied_to_be_played(tmp_path: Path, litert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    (videos / "deep").mkdir(parents=True)
    for path in (videos / "deep" / "trip #1.webm", tmp_path / "mine.webm"):
        write_video(path, [np.full((32, 32, 3), 90, np.uint8)], codec="libvpx")
    names = ["deep/trip #1.webm#t=0,1", "deep/trip #1.webm#t=1,2", "../mine.webm#t=0,1", "gone.webm#t=0,1"]
    file = build(tmp_path / "moments.tflite", names)
    assert main(["preview", str(file), "--videos", str(videos), "--output", str(out)]) == 0
    copies = [path for path in (out / "media").rglob("*") if path.is_file() and path.name != MARKER]
    assert copies == [out / "media" / "deep" / "trip #1.webm"]
    assert copies[0].read_bytes() == (videos / "deep" / "trip #1.webm").read_bytes()
    assert f"{out / 'media'}: 1 files to play, 0.0 MB" in capsys.readouterr().err
    rejects = (out / "rejects.tsv").read_text()
    assert "../mine.webm#t=0,1" in rejects
    assert "gone.webm#t=0,1" in rejects
    described = json.loads((out / "site.json").read_text())
    assert described["media"] == {"folder": "media", "element": "video", "suffixes": [".webm"]}
    assert '"media/' not in (out / "service-worker.js").read_text()
    before = copies[0].stat().st_ino
    preview(file, videos, out, overwrite=True, player="video")
    assert copies[0].stat().st_ino == before  # kept, not copied again
    preview(file, videos, out, overwrite=True)
    assert not (out / "media").exists()
    assert json.loads((out / "site.json").read_text())["media"] is None


@pytest.mark.parametrize(
    ("asked", "status", "part", "content"),
    [
        ("bytes=0-2", 206, "bytes 0-2/7", b"con"),
        ("bytes=3-", 206, "bytes 3-6/7", b"tent"),
        ("bytes=-2", 206, "bytes 5-6/7", b"nt"),
        ("bytes=5-99", 206, "bytes 5-6/7", b"nt"),
        ("bytes=7-", 416, "bytes */7", b""),
        ("bytes=-0", 416, "bytes */7", b""),
        ("bytes=3-2", 200, None, b"content"),
        ("bytes=0-1,3-4", 200, None, b"content"),
        ("bytes=-", 200, None, b"content"),
        ("lines=0-1", 200, None, b"content"),
    ],
)
def test_the_server_answers_with_parts_of_files(served: str, asked: str, status: int, part: str | None, content: bytes) -> None:
    request = urllib.request.Request(served + "x.tflite", headers={"Range": asked})
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        assert (answer.status, answer.headers["Content-Range"], answer.read()) == (status, part, content)
        assert "media-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_part_of_a_changed_file_is_answered_with_all_of_it(served: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(served + "x.tflite", headers={"Range": "bytes=0-2"})) as answer:
        changed = answer.headers["Last-Modified"]
    for since, status in ((changed, 206), ("Thu, 01 Jan 1970 00:00:00 GMT", 200)):
        request = urllib.request.Request(served + "x.tflite", headers={"Range": "bytes=0-2", "If-Range": since})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == status
