"""Draws queries and their results as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from maker.data.images import OUTSIDE, lies_within
from maker.data.pictures import load_picture
from maker.errors import DataError
from maker.workspace import atomic
from task.format.moment import moment_of
from task.processor import SearchResult

THUMBNAIL, MARGIN, CAPTION, TITLE = 176, 14, 20, 40
INK, GREY, PAPER, EMPTY = "#1d2433", "#6b7280", "#ffffff", "#eef0f4"


def write_contact_sheet(path: Path, images: Path, results: Sequence[tuple[str, SearchResult]]) -> None:
    """Draws one row per query: the sentence, and below it the thumbnails of its neighbours with their distances.

    Args:
        path: The PNG to write.
        images: The folder that the paths in the neighbours' metadata are relative to.
        results: Queries and their results.
    """
    columns = max((len(result.nearest_neighbors) for _, result in results), default=1)
    row_height = TITLE + THUMBNAIL + CAPTION + MARGIN
    width = MARGIN + columns * (THUMBNAIL + MARGIN)
    sheet = Image.new("RGB", (width, MARGIN + row_height * len(results)), PAPER)
    draw = ImageDraw.Draw(sheet)
    title_font, small_font = ImageFont.load_default(20), ImageFont.load_default(12)
    for row, (query, result) in enumerate(results):
        top = MARGIN + row * row_height
        draw.text((MARGIN, top), _fit(draw, f"“{query}”", title_font, width - 2 * MARGIN), INK, title_font)
        for column, neighbor in enumerate(result.nearest_neighbors):
            left, name = MARGIN + column * (THUMBNAIL + MARGIN), neighbor.metadata.decode("utf-8", "replace")
            try:
                if not lies_within(name):
                    raise DataError(OUTSIDE)
                picture = ImageOps.contain(Image.fromarray(load_picture(images / name, 2 * THUMBNAIL)), (THUMBNAIL, THUMBNAIL))
                offset = (THUMBNAIL - picture.width) // 2, (THUMBNAIL - picture.height) // 2
                sheet.paste(picture, (left + offset[0], top + TITLE + offset[1]))
            except DataError:
                draw.rectangle((left, top + TITLE, left + THUMBNAIL, top + TITLE + THUMBNAIL), EMPTY)
            moment = moment_of(name)
            shown = Path(name).name if moment is None else f"{moment.clock}  {Path(moment.file).name}"
            below = f"{neighbor.distance:.3f}  {shown}"
            draw.text((left, top + TITLE + THUMBNAIL + 4), _fit(draw, below, small_font, THUMBNAIL), GREY, small_font)
    with atomic(path) as temporary:
        sheet.save(temporary, "PNG")


def _fit(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, shortened with an ellipsis if it is wider than `width` pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"
