"""How a checkpoint wants its pictures: `preprocessor_config.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.checkpoints.configuration import Section, read_json
from maker.errors import EncoderError
from task.format.preparation import CENTER, WHOLE, Preparation

FILE = "preprocessor_config.json"
FILTERS = {2: "pillow_bilinear", 3: "pillow_bicubic"}  # PIL.Image.Resampling
NAMED = {"bilinear": 2, "bicubic": 3}
WITHOUT_EFFECT = (
    *("feature_extractor_type", "image_processor_type", "processor_class", "_valid_processor_keys", "do_convert_rgb", "default_to_square"),
    *("data_format", "input_data_format", "return_tensors", "device", "disable_grouping", "size_divisor"),
)


@dataclass(frozen=True)
class Pictures:
    """What is done to a picture before the tower.

    Attributes:
        preparation: How it is brought to its size.
        mean, std: Of each channel, of values in [0, 1], `(3,)` float32; the graph applies them.
    """

    preparation: Preparation
    mean: np.ndarray
    std: np.ndarray


def read_pictures(folder: Path, size: int) -> Pictures:
    """Reads `preprocessor_config.json`.

    Args:
        folder: The checkpoint's.
        size: Height and width that the tower takes.

    Raises:
        EncoderError: It is missing, has an unknown key, or asks for something that this release does not know.
    """
    section = Section(str(folder / FILE), read_json(folder / FILE))
    section.ignore(*WITHOUT_EFFECT)
    section.require("do_resize", True)
    section.require("do_rescale", True)
    if abs(section.real("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        raise EncoderError(f"{section.name}: rescale_factor is {section.value('rescale_factor')!r}, expected 1 / 255")
    section.require("do_pad", False)
    section.ignore("pad_size")
    normalised = section.value("do_normalize", True)
    mean, std = (_channels(section, key) if normalised else default for key, default in (("image_mean", ZEROS), ("image_std", ONES)))
    if normalised is not True:
        section.ignore("image_mean", "image_std")
    preparation = Preparation(_filter(section), *_crop(section, size))
    section.refuse_unread()
    return Pictures(preparation, mean, std)


ZEROS, ONES = np.zeros(3, np.float32), np.ones(3, np.float32)


def channels(values: Any, name: str) -> np.ndarray:
    """Three numbers, or one for all, as `(3,)` float32.

    Raises:
        EncoderError: It is something else.
    """
    given = values if isinstance(values, Sequence) else [values] * 3
    if len(given) != 3 or not all(isinstance(value, (int, float)) for value in given):
        raise EncoderError(f"{name} is {values!r}, expected a number for each of 3 channels")
    return np.array(given, np.float32)


def filter_name(value: Any, name: str) -> str:
    """The filter of a number of Pillow, or of its name.

    Raises:
        EncoderError: It is another one.
    """
    found = NAMED.get(value, value) if isinstance(value, str) else value
    if found not in FILTERS:
        raise EncoderError(f"{name} is {value!r}, of which this release knows 2 (bilinear) and 3 (bicubic)")
    return FILTERS[found]


def _channels(section: Section, key: str) -> np.ndarray:
    return channels(section.value(key), f"{section.name}: {key}")


def _filter(section: Section) -> str:
    return filter_name(section.value("resample", 3), f"{section.name}: resample")


def _crop(section: Section, size: int) -> tuple[str, int]:
    """How the picture is cropped, and to what its shortest side is resized before."""
    whole, cropped = _sides(section, "size"), _sides(section, "crop_size")
    if not section.value("do_center_crop", isinstance(whole, int)):
        shortest_only = isinstance(whole, int) and isinstance(section.value("size"), dict)
        if not shortest_only and whole in (size, (size, size)):
            return WHOLE, 0
    elif isinstance(whole, int) and whole >= size and cropped in (None, size, (size, size)):
        return CENTER, whole
    raise EncoderError(
        f"{section.name}: resizes to {section.value('size')} and crops to {section.value('crop_size')}, but the tower takes {size} x {size}"
    )


def _sides(section: Section, key: str) -> tuple[int, int] | int | None:
    """Height and width, or the shortest side; None if there is none."""
    value = section.value(key)
    if isinstance(value, int):
        return value
    if isinstance(value, dict) and set(value) == {"shortest_edge"}:
        return int(value["shortest_edge"])
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        return int(value["height"]), int(value["width"])
    if value is None:
        return None
    raise EncoderError(f"{section.name}: {key} is {value!r}, expected height and width, or a shortest_edge")
