"""How a picture becomes the pixels of a query: `query.image` of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRIANGLE = "triangle"
TASK_LIBRARY = "bilinear"  # the Task Library's own; no manifest has it
PILLOW = ("pillow_bilinear", "pillow_bicubic")
WHOLE, CENTER, CENTER_EVEN = "none", "center", "center_half_to_even"
CROPS = (WHOLE, CENTER, CENTER_EVEN)


class PreparationError(Exception):
    """This release does not know the preparation."""


@dataclass(frozen=True)
class Preparation:
    """How a picture is brought to the size of a query.

    Attributes:
        resize: The filter: `triangle`, or `pillow_bilinear` or `pillow_bicubic`, which are Pillow's bit by bit; for Task Library models
            `bilinear`.
        crop: `none` stretches the whole picture. `center` resizes its shortest side and keeps the middle; where the margins differ by a
            pixel, top and left have the smaller one. `center_half_to_even` gives them half of all, rounded to the even number.
        shortest_side: With a crop, the length that the shortest side is resized to, in pixels.
    """

    resize: str = TRIANGLE
    crop: str = WHOLE
    shortest_side: int = 0

    def describe(self, height: int, width: int) -> dict[str, Any]:
        """The value of `query.image`."""
        described = {"height": height, "width": width, "color": "rgb", "resize": self.resize, "crop": self.crop}
        if self.crop != WHOLE:
            described["shortest_side"] = self.shortest_side
        return {**described, "in_graph_after_resize": True}


def preparation_of(query: Mapping[str, Any]) -> Preparation:
    """The preparation in a `query.image`; the stretching triangle filter where it is empty.

    Raises:
        PreparationError: A value is unknown; the message names it.
    """
    side = query.get("shortest_side", 0)
    found = Preparation(query.get("resize", TRIANGLE), query.get("crop", WHOLE), side if isinstance(side, int) else 0)
    if found.resize not in (TRIANGLE, *PILLOW):
        raise PreparationError(f"pictures are resized by {found.resize!r}")
    if found.crop not in CROPS:
        raise PreparationError(f"pictures are cropped by {found.crop!r}")
    size = [query.get(key) for key in ("height", "width")]
    if found.crop != WHOLE and not all(isinstance(side, int) and side <= found.shortest_side for side in size):
        raise PreparationError(f"pictures are resized to a shortest side of {found.shortest_side}, and cropped to {size}")
    return found
