"""Shows the first rows of a collection: a table in terminals, with thumbnails in notebooks."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from maker.collection.rows import Row
from task.vision.decode import UnreadableImageError, decode

WIDTH = 40  # characters of a cell
SIDE = 96  # pixels of a thumbnail


@dataclass(frozen=True)
class Shown:
    """Rows to look at. Notebooks call `_repr_html_`."""

    rows: Sequence[Row]

    @property
    def columns(self) -> list[str]:
        """The columns of the rows, in the order in which they come up."""
        return list(dict.fromkeys(column for row in self.rows for column in row))

    def __str__(self) -> str:
        """The rows as a table of text."""
        cells = [self.columns, *([_text(row.get(column)) for column in self.columns] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(f'<td>{_html(row.get(column))}</td>' for column in self.columns)}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {' x '.join(map(str, value.shape))}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(_named(value).split())
    if len(text) <= WIDTH:
        return text
    is_path = "/" in text and " " not in text
    return f"…{text[1 - WIDTH :]}" if is_path else f"{text[: WIDTH - 1]}…"


def _named(value: Any) -> str:
    """A value as text; of what was found, the names without their folders."""
    found = isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value)
    return ", ".join(PurePosixPath(str(one["name"])).name for one in value) if found else str(value)


def _html(value: Any) -> str:
    picture = _thumbnail(value)
    text = html.escape(_text(value))
    if not picture:
        return text
    return f'<img src="data:image/png;base64,{picture}" alt="{text}" title="{text}">'


def _thumbnail(value: Any) -> str:
    """A small PNG of a picture, in base64; empty for anything else."""
    from PIL import Image

    try:
        if isinstance(value, np.ndarray) and value.ndim == 3 and value.dtype == np.uint8:
            pixels = value
        elif isinstance(value, bytes):
            pixels = decode(io.BytesIO(value), SIDE)
        elif isinstance(value, (str, os.PathLike)) and os.path.isfile(value):
            pixels = decode(value, SIDE)
        else:
            return ""
    except (UnreadableImageError, OSError, ValueError):
        return ""
    image, made = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(made, "PNG")
    return base64.b64encode(made.getvalue()).decode()
