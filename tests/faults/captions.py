"""Damaged captions files of every format, plain and gzipped."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import tarfile
from pathlib import Path

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

from maker.data.captions import Caption, open_captions
from maker.errors import MakerError
from maker.workspace import Rejects
from tests.faults.mutation import mutated

TEXTS = ["a red kite, above a hill", '"two" dogs; play|in snow', "一只黑猫", "an old boat\tat sea", "naïve café", "nan"]
# What damage does to the meaning, where random bytes would seldom reach.
PHRASES = [
    b'"',
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\\ud800",
    b"null",
    b"NaN",
    b"1e999",
    b"[[[[",
    b"{",
    b"]",
    b"../",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b",",
    b":",
]


def originals() -> list[tuple[str, bytes]]:
    """Name and content of a small file of each format."""
    picture = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), 90, np.uint8)).save(picture, "PNG")
    image, names = picture.getvalue(), [f"{n}.png" for n in range(len(TEXTS))]
    splits = ["train", "val", "", "test", "train", "dev"]
    plain = [" ".join(text.split()) for text in TEXTS]
    table = [["image", "split", "lang", "caption"], *([n, s, "en", t] for n, s, t in zip(names, splits, plain, strict=True))]
    objects = [{"image": n, "caption": [t, t[::-1]], "split": s} for n, t, s in zip(names, TEXTS, splits, strict=True)]
    coco = {
        "images": [{"id": i, "file_name": n} for i, n in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "caption": t} for i, t in enumerate(TEXTS)],
    }
    texts = {
        "a.tsv": "".join("\t".join(row) + "\n" for row in table),
        "b.tsv": "".join("\t".join(f'"{cell}"' for cell in row) + "\r\n" for row in table),
        "a.csv": "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in table),
        "b.csv": "".join(";".join(row) + "\n" for row in table),
        "a.jsonl": "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in objects),
        "a.json": json.dumps(objects),
        "coco.json": json.dumps(coco),
        "flickr.txt": "".join(f"{n}#{i}\t{t}\n" for i, (n, t) in enumerate(zip(names, plain, strict=True))),
        "easynlp.tsv": "".join(f"{t}\t{base64.b64encode(image).decode()}\n" for t in plain),
    }
    made = [(name, text.encode()) for name, text in texts.items()]
    made.append(("utf16.csv", texts["a.csv"].encode("utf-16")))
    made += [(f"{name}.gz", gzip.compress(content, mtime=0)) for name, content in made[::3]]
    rows = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": [image] * len(TEXTS), "caption": TEXTS, "split": splits}), rows)
    made += [("a.parquet", rows.getvalue()), ("a.tar", _shard(image)), ("b.tar.gz", gzip.compress(_shard(image), mtime=0))]
    return made


def _shard(image: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number, text in enumerate(TEXTS):
            fields = json.dumps({"caption": text, "split": "val"}).encode()
            members = {"png": image, "txt": text.encode()} if number % 2 else {"png": image, "json": fields}
            for suffix, content in members.items():
                member = tarfile.TarInfo(f"a/{number:03}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


class Captions:
    """`open_captions` gives valid captions and rejects, or raises one line."""

    def __init__(self, folder: Path) -> None:
        self.originals = originals()

    def case(self, source: random.Random) -> tuple[str, bytes]:
        name, content = source.choice(self.originals)
        packed = name.endswith(".gz") and source.random() < 0.7  # changed inside, then packed again
        changed = mutated(gzip.decompress(content) if packed else content, source)
        if source.random() < 0.5:
            at = source.randrange(len(changed) + 1)
            changed = changed[:at] + source.choice(PHRASES) * source.choice((1, 1, 3, 2000)) + changed[at:]
        return name, gzip.compress(changed, mtime=0) if packed else changed

    def check(self, path: Path) -> str:
        images, unpacked, rejects = path.parent / "images", path.parent / "unpacked", Rejects()
        images.mkdir()
        try:
            found = open_captions(path, images, unpacked, rejects)
        except (MakerError, OSError) as error:
            text = str(error)
            assert len(text) < 3000, f"an error of {len(text)} characters"
            text.encode()
            word = "refused"
        else:
            assert found.captions
            for caption in found.captions:
                _check(caption)
            if found.images == unpacked:
                assert all((unpacked / caption.image).is_file() for caption in found.captions)
            word = "read with rejects" if rejects.rows else "read"
        _check_rejects(rejects, path.parent / "rejects.tsv")
        assert {p.name for p in path.parent.iterdir()} <= {path.name, "images", "unpacked", "rejects.tsv"}
        assert not any(images.iterdir())
        return word


def _check(caption: Caption) -> None:
    for text in (caption.image, caption.text, caption.split, caption.language, caption.cell):
        text.encode()
    assert caption.text.strip() == caption.text != ""
    assert caption.image
    assert caption.line > 0


def _check_rejects(rejects: Rejects, file: Path) -> None:
    """What is written is read back, a row for a row."""
    rejects.write(file)
    again = Rejects()
    again.read(file)
    assert len(again.rows) == len({tuple(" ".join(cell.split()) for cell in row) for row in rejects.rows})
