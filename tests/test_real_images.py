"""Image files and folders as people have them: read whatever their extension, or rejected with name and reason."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import run_fresh
from PIL import Image, features

from maker.data.images import list_images, load_image
from maker.errors import DataError
from maker.workspace import Rejects, Workspace
from task.vision import TensorImage
from task.vision import decode as decode_module
from task.vision.decode import MAX_PIXELS

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def save(path: Path, format: str, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).save(path, format, **options)
    return path


def test_whatever_pillow_reads_is_listed_and_read(tmp_path):
    formats = {"web.jfif": "JPEG", "a.TIFF": "TIFF", "plain": "PNG", "photo.backup": "JPEG", "a.ppm": "PPM", "a.tga": "TGA"}
    formats |= {"scan.jp2": "JPEG2000"} if features.check("jpg_2000") else {}
    formats |= {"phone.avif": "AVIF"} if features.check("avif") else {}
    for name, format in formats.items():
        save(tmp_path / name, format)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "captions").write_text("image,caption\n")
    assert list_images(tmp_path) == sorted(formats)
    for name in formats:
        assert load_image(tmp_path / name).shape == PIXELS.shape


def test_photos_that_need_help_are_listed_and_say_which(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert list_images(tmp_path) == ["IMG_1.HEIC"]
    if "pillow_heif" in sys.modules:
        pytest.skip("pillow-heif is installed and says something else of a damaged file")
    with pytest.raises(DataError, match="HEIC needs the package pillow-heif: pip install"):
        load_image(tmp_path / "IMG_1.HEIC")


def test_linked_folders_are_followed_once_and_cycles_end(tmp_path):
    save(tmp_path / "photos" / "a.png", "PNG")
    save(tmp_path / "elsewhere" / "b.png", "PNG")
    (tmp_path / "photos" / "album").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "photos")
    save(tmp_path / "photos" / "z" / "c.png", "PNG")
    (tmp_path / "photos" / "c").symlink_to(tmp_path / "photos" / "z")  # a real folder keeps its own name
    assert list_images(tmp_path / "photos") == ["a.png", "again/b.png", "z/c.png"]


def test_what_cannot_be_listed_is_rejected_with_the_reason(tmp_path):
    save(tmp_path / "a.png", "PNG")
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0)
    rejects = Rejects()
    assert list_images(tmp_path, rejects) == ["a.png"]
    (tmp_path / "locked").chmod(0o700)
    found = {name: reason for name, _, reason in rejects.rows}
    assert found["broken.jpg"] == "broken link"
    if os.getuid():  # root reads everything
        assert found["locked"].startswith("folder cannot be read")


def test_what_this_program_wrote_is_no_input(tmp_path):
    save(tmp_path / "a.png", "PNG")
    with Workspace.open(tmp_path / "elsewhere") as work:
        save(work.file("encoder-1.png"), "PNG")
    (tmp_path / "old.work").mkdir()
    (tmp_path / "old.work" / "rejects.tsv").touch()
    save(tmp_path / "old.work" / "encoder-2.png", "PNG")
    (tmp_path / "searcher.tflite").touch()
    save(tmp_path / "searcher.index.png", "PNG")
    save(tmp_path / "holiday.index.png", "PNG")  # beside no searcher: somebody's picture
    assert list_images(tmp_path) == ["a.png", "holiday.index.png"]


def jpeg_with_exif(orientation: int, tail: bytes) -> bytes:
    """A JPEG whose EXIF has that orientation and an XResolution of another type than Pillow writes."""
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG", quality=95)
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + tail
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + entries + struct.pack("<I", 0) + struct.pack("<ii", -72, 1)
    block = b"Exif\0\0" + tiff
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(block) + 2) + block + stream.getvalue()[2:]


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<HHII", 0x011A, 10, 1, 8 + 2 + 24 + 4),  # a negative signed rational
        struct.pack("<HHII", 0x011A, 5, 0, 0),
        struct.pack("<HHII", 0x011A, 99, 1, 0),
        struct.pack("<HHII", 0x8769, 4, 1, 0xFFFFFFF0),
    ],
)
def test_odd_exif_does_not_keep_a_photo_from_being_read_upright(tmp_path, tail):
    (tmp_path / "phone.jpg").write_bytes(jpeg_with_exif(6, tail))
    assert load_image(tmp_path / "phone.jpg").shape == (30, 20, 3)
    assert TensorImage.create_from_file(str(tmp_path / "phone.jpg")).width == 20
    assert TensorImage.create_from_buffer((tmp_path / "phone.jpg").read_bytes()).width == 20


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_damaged_images_are_read_or_refused_by_this_projects_errors(tmp_path, format):
    rng = np.random.default_rng(5)
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, format, **({"exif": exif} if format in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
    whole = stream.getvalue()
    path = tmp_path / "image"
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 6)):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content[: rng.integers(1, len(content))] if rng.random() < 0.3 else content)
        with contextlib.suppress(DataError):
            assert load_image(path).dtype == np.uint8


def test_float_tiffs_from_0_to_1_are_not_black(tmp_path):
    values = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    Image.fromarray(values, "F").save(tmp_path / "a.tiff")
    Image.fromarray(values * 255, "F").save(tmp_path / "b.tiff")
    assert np.array_equal(load_image(tmp_path / "a.tiff"), load_image(tmp_path / "b.tiff"))
    assert load_image(tmp_path / "a.tiff").max() == 255


MEASURE = """
import resource, sys
from pathlib import Path
from maker.data.images import load_image

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(*load_image(Path(sys.argv[1])).shape, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_a_large_transparent_picture_takes_less_than_half_a_gigabyte(tmp_path, mode):
    Image.new(mode, (8000, 8000)).save(tmp_path / "poster.png", **({"transparency": 0} if mode == "P" else {}))
    height, width, _, megabytes = map(int, run_fresh(MEASURE, str(tmp_path / "poster.png")).split())
    assert (height, width) == (8000, 8000)
    assert megabytes < 500


NO_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from maker.data.images import load_image
from maker.errors import DataError

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), used + (100 << 20)))
try:
    load_image(Path(sys.argv[1]))
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS and /proc are Linux's")
def test_a_picture_that_does_not_fit_into_memory_is_a_reject(tmp_path):
    Image.new("RGB", (7000, 7000)).save(tmp_path / "a.png")
    assert run_fresh(NO_MEMORY, str(tmp_path / "a.png")) == "too large for this machine's memory"


def test_a_picture_of_too_many_pixels_says_so(tmp_path):
    side = int(MAX_PIXELS**0.5) + 10
    stream = io.BytesIO()
    Image.new("1", (8, 8)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match="too large: .* at most 210 megapixels are read; scale it down"):
        load_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "F"])
def test_a_large_picture_is_reduced_strip_by_strip_as_it_would_be_whole(tmp_path, monkeypatch, rng, mode):
    whole = Image.fromarray(rng.integers(0, 256, (53, 37, 4), np.uint8), "RGBA").convert(mode)
    whole.save(tmp_path / "a.tif")
    whole.reduce(4).save(tmp_path / "b.tif")
    expected = load_image(tmp_path / "b.tif")
    monkeypatch.setattr(decode_module, "LARGE", 200)  # 53 x 37 / 4 ** 2 pixels are fewer
    monkeypatch.setattr(decode_module, "STRIP", 37 * 9)
    np.testing.assert_array_equal(load_image(tmp_path / "a.tif"), expected)


def test_a_small_animation_with_a_huge_canvas_is_refused(tmp_path):
    """Its decoder would take 2 GB for 64 x 2,097,200 pixels that no frame fills."""
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    content = bytearray((tmp_path / "a.webp").read_bytes())
    assert content[12:16] == b"VP8X"
    content[27:30] = (2_097_199).to_bytes(3, "little")  # canvas height less one
    (tmp_path / "a.webp").write_bytes(content)
    with pytest.raises(DataError, match="too large: 64 x 2097200 pixels, at most 40 megapixels of an animated WebP are read"):
        load_image(tmp_path / "a.webp")


def test_the_pixels_of_a_picture_file_are_not_copied_again(monkeypatch):
    """A picture of 159 megapixels, in a TIFF of 6 kB, took twice 480 MB."""
    pixels = np.zeros((2, 3, 3), np.uint8)
    monkeypatch.setattr("task.vision.tensor_image.decode", lambda source: pixels)
    assert TensorImage.create_from_buffer(b"").buffer is pixels
    pixels.flags.writeable = False
    assert TensorImage.create_from_buffer(b"").buffer.flags.writeable
