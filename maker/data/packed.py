"""Captions files that hold their images: the images become files once, and everything after works on files."""

from __future__ import annotations

import binascii
import json
import re
import shutil
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maker.data.caption import NAMES, Caption
from maker.data.tabular import open_text, read_table
from maker.errors import DataError
from maker.progress import progress
from maker.workspace import Rejects, atomic, file_state

DONE, STAMP = "captions.tsv", "unpacked.json"
SUFFIXES = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"RI": ".webp", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif"}
IMAGE_KEYS = ("jpg", "jpeg", "png", "webp", "gif", "bmp")
# A row of a packed file: a name for the image, its bytes, its captions, split and language.
Row = tuple[str, bytes, list[str], str, str]


def unpack(path: Path, format: str, folder: Path, rejects: Rejects) -> list[Caption]:
    """Writes the images below `folder` and its captions to `folder/captions.tsv`, which is written last.

    A second call only reads that, as long as the file is the same by name, size and time of change.

    Args:
        path: The file; of numbered WebDataset shards (`train-000.tar`) any one stands for all.
        format: `easynlp`, `parquet` or `webdataset`.
        folder: Where the images go.
        rejects: Gets the rows that are left out.

    Raises:
        DataError: The file is damaged, or a library that it needs is not installed.
    """
    done, stamp = folder / DONE, folder / STAMP
    source = _source(path, format)
    if not (done.exists() and stamp.exists() and json.loads(stamp.read_text(encoding="utf-8"))["source"] == source):
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "images").mkdir(parents=True)
        rows = {"easynlp": _easynlp_rows, "parquet": _parquet_rows, "webdataset": _webdataset_rows}[format](path)
        left_out: list[tuple[str, str]] = []
        lines = ["image\tsplit\tlang\tcaption\n"]
        for number, row in enumerate(progress(rows, f"unpack {path.name}"), start=1):
            if isinstance(row, str):
                left_out.append((row, f"row {number}"))
                continue
            name, image, texts, split, language = row
            suffix = SUFFIXES.get(image[:2])
            if suffix is None:
                left_out.append(("not an image", f"row {number}"))
                continue
            relative = f"images/{name}{suffix}"
            (folder / relative).write_bytes(image)
            lines += [f"{relative}\t{split}\t{language}\t{' '.join(text.split())}\n" for text in texts]
        with atomic(stamp) as temporary:
            temporary.write_text(json.dumps({"source": source, "left_out": left_out}, ensure_ascii=False), encoding="utf-8")
        with atomic(done) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
    for reason, place in json.loads(stamp.read_text(encoding="utf-8"))["left_out"]:
        rejects.add(path.name, reason, place)
    captions = read_table(done, "\t", rejects)
    if not captions:
        raise DataError(f"{path}: no captions with an image in it")
    return captions


def _source(path: Path, format: str) -> list[Any]:
    """By what a change of the file is noticed."""
    files = _shards(path) if format == "webdataset" else [path]
    return [format, [[f.name, file_state(f)] for f in files]]


def _easynlp_rows(path: Path) -> Iterator[Row | str]:
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            text, _, encoded = line.rstrip("\r\n").partition("\t")
            try:
                image = b64decode(encoded.encode(), validate=True)
            except (binascii.Error, ValueError) as error:
                yield f"image is not base64: {error}"
                continue
            yield (f"row-{number:07d}", image, [text], "", "") if text.strip() else "empty caption"


def _parquet_rows(path: Path) -> Iterator[Row | str]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'pocket-searcher[formats]'") from error
    from pyarrow import ArrowInvalid

    number = 0
    try:
        batches = parquet.ParquetFile(path).iter_batches(256)
    except (ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a Parquet file, or damaged ({error})") from error
    for batch in batches:
        for values in batch.to_pylist():
            number += 1
            cells = {wanted: next((values[n] for n in names if n in values), None) for wanted, names in NAMES.items()}
            image = cells["image"]["bytes"] if isinstance(cells["image"], dict) else cells["image"]
            texts = cells["caption"] if isinstance(cells["caption"], list) else [cells["caption"]]
            sentences = [str(t) for t in texts if t]
            if not isinstance(image, bytes):
                yield "image is not bytes"
            else:
                split, language = str(cells["split"] or ""), str(cells["lang"] or "")
                yield (f"row-{number:07d}", image, sentences, split, language) if sentences else "empty caption"


def _webdataset_rows(path: Path) -> Iterator[Row | str]:
    for shard_number, shard in enumerate(_shards(path)):
        sample: dict[str, bytes] = {}
        key = None
        with _open_tar(shard) as archive:
            for member in _members(archive, shard):
                if not member.isfile():
                    continue
                name, _, extension = Path(member.name).name.partition(".")
                if key is not None and name != key:
                    yield _webdataset_row(f"{shard_number:05d}-{key}", sample)
                    sample = {}
                key = name
                content = archive.extractfile(member)
                sample[extension.lower()] = content.read() if content else b""
        if key is not None:
            yield _webdataset_row(f"{shard_number:05d}-{key}", sample)


def _open_tar(shard: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(shard)
    except tarfile.TarError as error:
        raise DataError(f"{shard}: not a tar file, or damaged ({error})") from error


def _members(archive: tarfile.TarFile, shard: Path) -> Iterator[tarfile.TarInfo]:
    try:
        yield from archive
    except tarfile.TarError as error:
        raise DataError(f"{shard}: the tar file is cut off or damaged ({error})") from error


def _webdataset_row(name: str, sample: dict[str, bytes]) -> Row | str:
    image = next((sample[key] for key in IMAGE_KEYS if key in sample), None)
    if image is None:
        return f"no image among {', '.join(sample)}"
    cells: dict[str, Any] = {}
    if "json" in sample:
        try:
            cells = json.loads(sample["json"])
        except ValueError as error:
            return f"not JSON: {error}"
        if not isinstance(cells, dict):
            return "not a JSON object"
    text = sample["txt"].decode("utf-8", "replace") if "txt" in sample else next((cells[n] for n in NAMES["caption"] if n in cells), "")
    texts = [str(t) for t in (text if isinstance(text, list) else [text]) if t is not None and str(t).strip()]
    if not texts:
        return "empty caption"
    return re.sub(r"[^\w.-]", "_", name), image, texts, str(cells.get("split") or ""), str(cells.get("lang") or "")


def _shards(path: Path) -> list[Path]:
    """All shards that differ from `path` only in the zero-padded number behind its last - or _, which counts from 0 without gaps."""
    match = re.fullmatch(r"(.*[-_])(\d{2,})(\D*)", path.name)
    if match is None:
        return [path]
    shards: list[Path] = []
    while (shard := path.with_name(f"{match[1]}{len(shards):0{len(match[2])}d}{match[3]}")).exists():
        shards.append(shard)
    return shards if path in shards else [path]
