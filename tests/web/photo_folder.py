"""Draws a folder of photos of all kinds, among them broken ones, as people's folders have them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, features

ORIENTATION = 0x0112  # EXIF tag
KINDS = (
    *("exif", "exif", "jpeg", "progressive", "grey", "cmyk", "png", "alpha"),
    *("palette", "grey_png", "webp", "lossless", "gif", "moving", "bmp", "deep"),
)
BROKEN = {  # why the page cannot add a file
    "broken/cut.jpg": "the picture is damaged or incomplete",
    "broken/empty.jpg": "the file is empty",
    "broken/half.png": "the picture is damaged or incomplete",
    "broken/letter.jpg": "it is a text, not a picture",
    "broken/noise.webp": "it is not a picture, or of a kind that this browser cannot decode",
    "broken/phone.heic": "it is HEIC, which this browser cannot decode",
    "broken/scan.tif": "it is TIFF, which this browser cannot decode",
}
OTHERS = ("notes.txt", "trip/film.mp4", "trip/.nomedia")


def draw(folder: Path, scenes: Sequence[Path], count: int) -> None:
    """Writes pictures of the scenes in all kinds, `count` files that can be added, and those that cannot."""
    for number in range(count):
        with Image.open(scenes[number % len(scenes)]) as scene:
            _save(folder, number, scene.convert("RGB"))
    for name in (*BROKEN, *OTHERS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(_broken(name, scenes[0]))


def _save(folder: Path, number: int, scene: Image.Image) -> None:
    """Writes a scene as one of the kinds."""
    size = (160 + number * 37 % 400, 160 + number * 53 % 300)
    scene = scene.resize(size, Image.Resampling.BICUBIC)
    kind = KINDS[number % len(KINDS)]
    if features.check("avif") and number % 23 == 7:
        kind = "avif"
    place = folder / ("trip" if number % 3 else "home/älter")
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{number:03} {kind}"
    if kind == "exif":
        exif = Image.Exif()
        exif[ORIENTATION] = number // 16 % 8 + 1
        scene.save(path.with_suffix(".jpg"), quality=90, exif=exif)
    elif kind in ("jpeg", "progressive"):
        scene.save(path.with_suffix(".JPG"), quality=85, progressive=kind == "progressive")
    elif kind == "grey":
        scene.convert("L").save(path.with_suffix(".jpeg"), quality=90)
    elif kind == "cmyk":
        scene.convert("CMYK").save(path.with_suffix(".jpg"), quality=90)
    elif kind == "alpha":
        scene.putalpha(Image.fromarray((np.indices(scene.size[::-1]).sum(0) // 20 % 2 * 255).astype(np.uint8)))
        scene.save(path.with_suffix(".png"))
    elif kind == "palette":
        scene.quantize(64).save(path.with_suffix(".png"))
    elif kind == "grey_png":
        scene.convert("L").save(path.with_suffix(".png"))
    elif kind == "deep":
        Image.fromarray(np.asarray(scene.convert("L")).astype(np.uint16) * 257).save(path.with_suffix(".png"))
    elif kind in ("webp", "lossless"):
        scene.save(path.with_suffix(".webp"), lossless=kind == "lossless")
    elif kind == "moving":
        scene.save(path.with_suffix(".gif"), save_all=True, append_images=[scene.transpose(Image.Transpose.ROTATE_180)])
    else:
        scene.save(path.with_suffix(f".{kind}"))


def _broken(name: str, scene: Path) -> bytes:
    """The content of a file that is no picture, or is not whole."""
    with Image.open(scene) as image:
        picture = io.BytesIO()
        kind = {".png": "PNG", ".tif": "TIFF"}.get(Path(name).suffix, "JPEG")
        image.convert("RGB").resize((200, 150)).save(picture, kind)
    content = picture.getvalue()
    return {
        "cut": content[:200],
        "empty": b"",
        "half": content[:60],
        "letter": b"Dear all,\nthis was renamed.\n",
        "noise": np.random.default_rng(3).bytes(900),
        "phone": b"\0\0\0\x18ftypheic" + bytes(64),
        "scan": content,
    }.get(Path(name).stem, b"nothing to see\n")
