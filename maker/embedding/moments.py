"""Joins the moments of a video whose frames look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maker.data.caption import Caption
from maker.embedding.features import Features
from task.format.moment import Moment, moment_of

ALIKE = 0.95  # cosine with the first frame of a moment, from which a frame belongs to it


def joined_moments(features: Features, alike: float = ALIKE) -> Features:
    """Joins consecutive moments whose embeddings are nearly the same.

    A moment grows while its next frame looks like its first one, so that a slow pan does not end far from where it began. It is embedded
    by the frame in its middle, which is also the one that is shown.

    Args:
        features: Frames in the order of their names; items without a time are left as they are.
        alike: The least cosine.
    """
    values = np.asarray(features.values, np.float32)
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    moments = [moment_of(name) for name in features.images]
    runs: list[list[int]] = []
    for place, moment in enumerate(moments):
        run = runs[-1] if runs else []
        if run and _follows(moments[run[-1]], moment) and float(unit[run[0]] @ unit[place]) >= alike:
            run.append(place)
        else:
            runs.append([place])
    names = [_name(features.images, moments, run) for run in runs]
    middle = [run[len(run) // 2] for run in runs]
    whole = None if features.whole is None else features.whole[middle]
    return replace(features, images=names, values=values[middle], hashes=[features.hashes[place] for place in middle], whole=whole)


def captions_of_joined(captions: Sequence[Caption], names: Sequence[str]) -> list[Caption]:
    """Captions of moments as captions of the joined moments that hold them, each once."""
    moments: dict[str, list[tuple[Moment, str]]] = {}
    for name in names:
        moment = moment_of(name)
        if moment is not None:
            moments.setdefault(moment.file, []).append((moment, name))
    kept = {}
    for caption in captions:
        moment = moment_of(caption.image)
        middle = (moment.start + moment.end) / 2 if moment else 0.0
        held = [name for one, name in moments.get(moment.file, []) if one.start <= middle < one.end] if moment else [caption.image]
        for name in held:
            kept[caption.text, name, caption.language] = replace(caption, image=name)
    return list(kept.values())


def _follows(one: Moment | None, other: Moment | None) -> bool:
    return one is not None and other is not None and one.file == other.file and one.end == other.start


def _name(names: Sequence[str], moments: Sequence[Moment | None], run: Sequence[int]) -> str:
    first, last = moments[run[0]], moments[run[-1]]
    return names[run[0]] if first is None or last is None else str(replace(first, end=last.end))
