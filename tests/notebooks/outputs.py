"""What a notebook's outputs must be: no error, no warning, a picture where one belongs; and how they are cleaned to be committed."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

FIGURE = "figure"  # tag of the cells that show a picture
WARNING = re.compile(r"\w*Warning\b|\bWARNING\b|\bwarning:|^[WE]\d{4} ", re.MULTILINE)
TRACES = re.compile(r"(?<!\w)(?:/tmp|/home|/root|/Users|/work)/\S*|\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*")  # of a machine and an hour
NOISE = re.compile(r"(?:INFO: )*(?:Created TensorFlow Lite|INFO:tensorflow:).*\n?")  # what libraries say of themselves
LARGEST = 2_000_000  # bytes of a notebook


def problems(notebook: Any) -> list[str]:
    """What is wrong with the outputs, a line a finding; none where all is well."""
    return [f"cell {number}: {what}" for number, cell in enumerate(notebook.cells) for what in _of_cell(cell)]


def _of_cell(cell: Any) -> Iterator[str]:
    if cell.cell_type != "code":
        return
    if cell.execution_count is None:
        yield "was not run"
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"{output.ename}: {output.evalue}"
        if found := WARNING.search(text_of(output)):
            line = text_of(output)[found.start() :].splitlines()[0]
            yield f"warns: {line}"
    if FIGURE in cell.metadata.get("tags", ()):
        pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        if not pictures:
            yield "shows no picture"
        if any(_is_empty(picture) for picture in pictures):
            yield "shows an empty picture"


def text_of(output: Any) -> str:
    """The text of an output, as far as it has any."""
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return "".join(text)


def _is_empty(picture: str) -> bool:
    with Image.open(io.BytesIO(base64.b64decode(picture))) as opened:
        colours = opened.convert("RGB").getcolors(2)
    return colours is not None and len(colours) == 1


def clean(notebook: Any, names: Mapping[str, str]) -> None:
    """Leaves of the outputs what a reader sees in the end.

    The pieces of a stream become one; finished progress bars and what libraries log are taken out; paths of this machine become the names
    given.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell["outputs"] = [output for output in _joined(cell.outputs, names) if output.output_type != "stream" or output.text]


def _joined(outputs: list[Any], names: Mapping[str, str]) -> list[Any]:
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last["text"] += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output["text"] = _as_seen(output.text, names)
    return joined


def _as_seen(text: str, names: Mapping[str, str]) -> str:
    """What a terminal shows in the end: behind a carriage return a line is written anew. Logs break into bars, so they go first."""
    for path, name in names.items():
        text = text.replace(path, name)
    lines = (line.rstrip("\r").split("\r")[-1].rstrip() for line in NOISE.sub("", text).split("\n"))
    return "\n".join(lines).strip("\n")
