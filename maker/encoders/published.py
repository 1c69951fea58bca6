"""Weights that others published and `maker fetch` downloads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maker.errors import DataError
from maker.workspace.download import cache_folder, download


@dataclass(frozen=True)
class Published:
    """A published file.

    Attributes:
        file: Its name.
        url: Its address, of one version for good.
        sha256: The digest of its content.
        about: What it is, and its licence.
    """

    file: str
    url: str
    sha256: str
    about: str


WEIGHTS = {
    "mobilenet_v2": Published(
        "mobilenet_v2_1.0_224_quant.tflite",
        "https://raw.githubusercontent.com/google-coral/test_data/104342d2d3480b3e66203073dac24f4e2dbb4c41/mobilenet_v2_1.0_224_quant.tflite",
        "7aad0c74c5e3c06e5eb3c827e13304fdd68a83da6087d92ee169c24ff9fd4776",
        "MobileNetV2 for ImageNet, 8 bits, 3.6 MB, Apache-2.0",
    ),
}


def fetch(name: str) -> Path:
    """Downloads a file of `WEIGHTS` into the folder of caches, once, and returns its path.

    Raises:
        DataError: The name is unknown, or the file cannot be downloaded or has another digest.
    """
    if name not in WEIGHTS:
        raise DataError(f"{name!r}: unknown weights; expected one of {', '.join(WEIGHTS)}")
    published = WEIGHTS[name]
    target = cache_folder() / published.file
    download(published.url, published.sha256, target)
    return target
