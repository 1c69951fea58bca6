"""Captions in JSON: one object per line, a list of objects, or COCO's `captions_*.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maker.data.caption import Caption, accepted, make_caption, make_captions
from maker.data.text_file import open_text
from maker.errors import DataError
from maker.workspace import Rejects


def read_jsonl(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads one object per line, with `image`, `caption` (a sentence or a list of sentences) and optionally `split` and `lang`.

    Raises:
        DataError: The file is missing or not UTF-8.
    """
    with open_text(path) as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        return accepted(((c, f"line {number}") for number, line in lines for c in _line_captions(line, number)), path.name, rejects)


def read_json_list(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads a list of objects like those of `read_jsonl`.

    Raises:
        DataError: The file is missing, not UTF-8, or not a JSON list.
    """
    content = _load(path)
    if not isinstance(content, list):
        raise DataError(f"{path}: expected a JSON list of objects with 'image' and 'caption', found {_kind(content)}")
    rows = ((caption, f"entry {n}") for n, value in enumerate(content, start=1) for caption in _value_captions(value, n))
    return accepted(rows, path.name, rejects)


def read_coco(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads COCO's `images` and `annotations` (cocodataset.org, "Data format", image captioning).

    Raises:
        DataError: The file is missing, not JSON, or in another form.
    """
    content = _load(path)
    try:
        names = {image["id"]: image["file_name"] for image in content["images"]}
        annotations = [(a["image_id"], a["caption"]) for a in content["annotations"]]
        cells = [(names.get(image, ""), text) for image, text in annotations]
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"missing {error}" if isinstance(error, KeyError) else f"found {_kind(content)}"
        raise DataError(f"{path}: expected images (id, file_name) and annotations (image_id, caption); {problem}") from error
    rows = ((make_caption({"image": i, "caption": text}, n), f"annotation {n}") for n, (i, text) in enumerate(cells, start=1))
    return accepted(rows, path.name, rejects)


def _line_captions(line: str, number: int) -> list[Caption | str]:
    try:
        return _value_captions(json.loads(line), number)
    except (ValueError, RecursionError) as error:
        return [f"not JSON: {_reason(error)}"]


def _value_captions(value: Any, number: int) -> list[Caption | str]:
    return make_captions(value, number) if isinstance(value, dict) else ["not a JSON object"]


def _load(path: Path) -> Any:
    with open_text(path) as file:
        try:
            return json.load(file)
        except UnicodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not JSON ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _kind(value: Any) -> str:
    return "an object of another form" if isinstance(value, dict) else "a list" if isinstance(value, list) else type(value).__name__
