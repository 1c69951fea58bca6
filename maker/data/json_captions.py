"""Captions in JSON: a line an object, or COCO's `captions_*.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maker.data.caption import NAMES, Caption, accepted, make_caption
from maker.data.tabular import open_text
from maker.errors import DataError
from maker.workspace import Rejects


def read_jsonl(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads objects with `image` and `caption` (a sentence, or a list of them), and maybe `split` and `lang`.

    Raises:
        DataError: The file is missing or not UTF-8.
    """
    with open_text(path) as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        return accepted(((c, f"line {number}") for number, line in lines for c in _captions(line, number)), path.name, rejects)


def _captions(line: str, number: int) -> list[Caption | str]:
    try:
        values = json.loads(line)
    except ValueError as error:
        return [f"not JSON: {error}"]
    if not isinstance(values, dict):
        return ["not a JSON object"]
    cells = {wanted: next((values[n] for n in names if values.get(n) is not None), "") for wanted, names in NAMES.items()}
    texts = cells["caption"] if isinstance(cells["caption"], list) else [cells["caption"]]
    return [make_caption({**{k: str(v) for k, v in cells.items()}, "caption": "" if text is None else str(text)}, number) for text in texts]


def read_coco(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads COCO's `images` and `annotations` (cocodataset.org, "Data format", image captioning).

    Raises:
        DataError: The file is missing, no JSON, or not of this form.
    """
    with open_text(path) as file:
        try:
            content: Any = json.load(file)
            names = {image["id"]: image["file_name"] for image in content["images"]}
            annotations = [(a["image_id"], a["caption"]) for a in content["annotations"]]
        except ValueError as error:
            raise DataError(f"{path}: not JSON ({error})") from error
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: expected images (id, file_name) and annotations (image_id, caption); missing {error}") from error
    rows = (
        (make_caption({"image": str(names.get(image, "")), "caption": "" if text is None else str(text)}, number), f"annotation {number}")
        for number, (image, text) in enumerate(annotations, start=1)
    )
    return accepted(rows, path.name, rejects)
