"""How a sound becomes the samples of a query: `query.audio` of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


class SoundFormatError(Exception):
    """This release cannot make such samples."""


@dataclass(frozen=True)
class SoundFormat:
    """What a tower takes: one channel of float32 samples in `[-1, 1]`.

    Attributes:
        sample_rate: Samples per second.
        samples: Number of samples.
    """

    sample_rate: int
    samples: int

    @property
    def seconds(self) -> float:
        """How long the samples last."""
        return self.samples / self.sample_rate

    def describe(self) -> dict[str, int]:
        """The `query.audio` of the manifest."""
        return {**asdict(self), "channels": 1}


def sound_format_of(query: Mapping[str, Any]) -> SoundFormat:
    """The format in a `query.audio`.

    Raises:
        SoundFormatError: A value is missing, is no whole number above 0, or there are several channels.
    """
    values = [query.get(key) for key in ("sample_rate", "samples", "channels")]
    rate, samples, channels = values
    if not all(type(value) is int and value > 0 for value in values) or channels != 1:
        raise SoundFormatError(f"sounds have sample_rate, samples and channels {values}, expected two numbers above 0, and one channel")
    assert isinstance(rate, int)
    assert isinstance(samples, int)
    return SoundFormat(rate, samples)
