"""Damaged pictures of six formats."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import numpy as np
from PIL import Image

from maker.data.images import load_image
from maker.errors import DataError
from task.errors import InvalidArgumentError
from task.vision import TensorImage
from tests.faults.cases import alive
from tests.faults.mutation import mutated, with_png_checksums

ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825


def _drawn(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(4)
    smooth = np.kron(rng.integers(0, 256, (6, 8, 4)), np.ones((8, 8, 1))).astype(np.uint8)
    return Image.fromarray(smooth, "RGBA").convert(mode) if mode != "RGBA" else Image.fromarray(smooth)


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "a camera"
    exif.get_ifd(GPS)[1] = "N"
    return exif


def originals() -> list[tuple[str, bytes]]:
    """Name and content of small pictures: each format in several modes, with and without EXIF."""
    grey16 = Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21)
    real = Image.fromarray(np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64))
    frames = [_drawn("P"), _drawn("P").rotate(180)]
    kinds = [
        ("a.jpg", _drawn(), {"exif": _exif()}),
        ("b.jpg", _drawn(), {"exif": _exif(), "progressive": True, "subsampling": 0}),
        ("c.jpg", _drawn("CMYK"), {}),
        ("d.jpg", _drawn("L"), {"restart_marker_blocks": 2}),
        ("a.png", _drawn("RGBA"), {"exif": _exif()}),
        ("b.png", _drawn("P"), {"transparency": 3}),
        ("c.png", grey16, {}),
        ("d.png", _drawn("1"), {}),
        ("a.webp", _drawn(), {"exif": _exif()}),
        ("b.webp", _drawn("RGBA"), {"lossless": True, "exif": _exif()}),
        ("c.webp", _drawn(), {"save_all": True, "append_images": [_drawn().rotate(90)]}),
        ("a.gif", frames[0], {"save_all": True, "append_images": frames[1:], "transparency": 3}),
        ("b.gif", _drawn("L"), {"interlace": True}),
        ("a.tif", _drawn(), {"exif": _exif()}),
        ("b.tif", _drawn("RGBA"), {"compression": "tiff_lzw"}),
        ("c.tif", _drawn(), {"compression": "jpeg"}),
        ("d.tif", real, {"compression": "tiff_adobe_deflate"}),
        ("e.tif", grey16, {}),
        ("f.tif", _drawn("1"), {"compression": "group4"}),
        ("a.bmp", _drawn(), {}),
        ("b.bmp", _drawn("P"), {}),
    ]
    made = []
    for name, image, options in kinds:
        file = io.BytesIO()
        image.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(name[2:], name[2:].upper()), **options)
        made.append((name, file.getvalue()))
    return made


class Images:
    """`load_image` and `TensorImage` read what they can, and refuse the rest alike."""

    def __init__(self, folder: Path) -> None:
        self.originals = originals()

    def case(self, source: random.Random) -> tuple[str, bytes]:
        name, content = source.choice(self.originals)
        changed = mutated(content, source, _directories(content))
        if name.endswith("png") and source.random() < 0.7:
            changed = with_png_checksums(changed)
        return name, changed

    def check(self, path: Path) -> str:
        try:
            pixels = load_image(path)
        except DataError as error:
            told = str(error)
            assert told.isprintable(), told
            for call in (lambda: TensorImage.create_from_file(str(path)), lambda: TensorImage.create_from_buffer(path.read_bytes())):
                try:
                    call()
                except InvalidArgumentError:
                    continue
                raise AssertionError(f"load_image refused what TensorImage read: {told}") from error
            return "refused"
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.size
        alive()
        shape, bytes_of = pixels.shape, _digest(pixels)
        del pixels  # so that the peak is that of one picture
        for image in (lambda: TensorImage.create_from_file(str(path)), lambda: TensorImage.create_from_buffer(path.read_bytes())):
            again = image().buffer
            assert (again.shape, _digest(again)) == (shape, bytes_of)
            assert again.flags.writeable
            del again
            alive()
        assert load_image(path, at_least=12).size
        return "read"


def _digest(pixels: np.ndarray) -> bytes:
    return hashlib.sha256(pixels.data).digest()


def _directories(content: bytes) -> list[tuple[int, int]]:
    """Where EXIF data lie: marks of JPEG, PNG and WebP, and the directories of TIFF."""
    found = []
    for mark in (b"Exif", b"eXIf", b"EXIF", b"II*\0", b"MM\0*"):
        at = content.find(mark)
        if at >= 0:
            found.append((at, min(at + 160, len(content))))
    if content[:4] == b"II*\0":
        start = int.from_bytes(content[4:8], "little")
        found.append((start, min(start + 240, len(content))))
    return found
