"""Finds feature maps inside an image tower whose means say what its last layer no longer does.

The last layer of a classifier keeps what tells its classes apart. Maps before it still hold colours, materials and parts (cf. Zeiler,
Fergus, ECCV 2014), and captions speak of them. So the widest maps of the last two resolutions are read too: one early in the last
resolution, and the last one of the resolution before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile

from maker.encoders.embedder import Tower
from maker.graph.source import SourceTensor

EARLY = 4  # of n maps of the last resolution, number n // 4 is read
WIDEST = 4096  # channels; wider maps would make the trained head large


def with_inner_layers(tower: Tower) -> Tower:
    """The tower with the means of inner feature maps behind its output; the same tower if it has no two resolutions."""
    stages = _by_resolution(_feature_maps(tower))
    if len(stages) < 2:
        return tower
    *_, before, last = stages
    # The output is made of the very last map, or of what an activation made of it.
    earlier = list(dropwhile(lambda tensor: tensor.shape[3] == last[-1].shape[3], reversed(last)))[::-1]
    early, late = _widest(earlier), _widest(before)
    return replace(tower, inner=(*early[len(early) // EARLY :][:1], *late[-1:]))


def _feature_maps(tower: Tower) -> list[SourceTensor]:
    """The feature maps `[1, height, width, channels]` that the output is computed from, in order."""
    return [
        tensor
        for tensor in tower.source.written(tower.output, tower.query, tower.signature)
        if len(tensor.shape) == 4 and min(tensor.shape[1:3]) > 1 and tensor.shape[3] > tower.query.shape[3] and tensor.is_readable
    ]


def _by_resolution(maps: Sequence[SourceTensor]) -> list[list[SourceTensor]]:
    """Maps grouped by height and width, which only shrink from group to group; larger ones after smaller ones are left out."""
    stages: list[list[SourceTensor]] = []
    for tensor in maps:
        if not stages or _places(tensor) < _places(stages[-1][0]):
            stages.append([tensor])
        elif _places(tensor) == _places(stages[-1][0]):
            stages[-1].append(tensor)
    return stages


def _places(tensor: SourceTensor) -> int:
    return tensor.shape[1] * tensor.shape[2]


def _widest(maps: Sequence[SourceTensor]) -> list[SourceTensor]:
    """The maps with the most channels."""
    most = max((tensor.shape[3] for tensor in maps if tensor.shape[3] <= WIDEST), default=0)
    return [tensor for tensor in maps if tensor.shape[3] == most]
