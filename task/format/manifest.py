"""`searcher.json`, the manifest: the content of the file and how to query it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

FILE = "searcher.json"
FORMAT = "pocket-searcher"
VERSION = 1
DISTANCES = ("dot_product", "squared_l2")
MEANS = ("text", "image")
MOST = 1 << 31  # ids are int32
KINDS = {"distance": str, "dimension": int, "items": int, "k": int, "normalized": bool, "user_info": str, "golden": list}  # else dict
NORM_TOLERANCE = 1e-3  # an embedding is normalised if its norm differs from 1 by at most this


class ManifestError(Exception):
    """The manifest cannot be used."""


class NewerManifestError(ManifestError):
    """The format version is newer than this release."""


@dataclass(kw_only=True)
class Manifest:
    """The content of the manifest; docs/format.md explains each key.

    Attributes:
        distance: `dot_product`, which is reported negated, or `squared_l2`.
        dimension: Dimension of the embeddings.
        items: Number of items; 0 in an encoder file, which has no index.
        k: Number of neighbours that a signature returns.
        normalized: Whether embeddings have Euclidean norm 1, within `NORM_TOLERANCE`.
        user_info: The text of the builder.
        query: Preprocessing of queries, by `text`, `tokens` and `image`.
        index: Partitioning and quantisation.
        encoders: Description of the towers.
        training: Options and history of the training.
        report: Figures measured on this file, each with its method.
        relevance: For `search_text`, the logistic curve from a distance to the probability that a result is relevant.
        means: The mean embeddings of sentences and of pictures, `text` and `image`, d numbers each; both or none.
        golden: Queries with the results that every runtime has to return.
        sha256: Digests of the bytes of the model (`model`) and of each associated file except this one.
    """

    distance: str
    dimension: int
    items: int
    k: int
    normalized: bool
    user_info: str = ""
    query: dict[str, Any] = field(default_factory=dict)
    index: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    relevance: dict[str, Any] = field(default_factory=dict)
    means: dict[str, list[float]] = field(default_factory=dict)
    golden: list[dict[str, Any]] = field(default_factory=list)
    sha256: dict[str, str] = field(default_factory=dict)


def encode(manifest: Manifest) -> bytes:
    """The content of `searcher.json`: UTF-8, keys in their order, two spaces of indentation."""
    content = {"format": FORMAT, "format_version": VERSION, **asdict(manifest)}
    return (json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def decode(content: bytes) -> Manifest:
    """Reads `searcher.json`. Unknown keys are ignored.

    Raises:
        NewerManifestError: The format version is newer than this release.
        ManifestError: The content is not a manifest, or a key is missing or has the wrong type.
    """
    try:
        values = json.loads(content)
    except RecursionError as error:
        raise ManifestError(f"{FILE} is nested too deeply") from error
    except ValueError as error:
        raise ManifestError(f"{FILE} is not JSON ({error})") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ManifestError(f'{FILE} does not say "format": "{FORMAT}"')
    version = values.get("format_version")
    if not isinstance(version, int):
        raise ManifestError(f"{FILE}: format_version is {_shown(version)}, expected a whole number")
    if version > VERSION:
        raise NewerManifestError(f"{FILE}: format version {version} is newer than {VERSION}, the newest that this release reads")
    known = {f.name: values[f.name] for f in fields(Manifest) if f.name in values}
    try:
        manifest = Manifest(**known)
    except TypeError as error:
        raise ManifestError(f"{FILE} is incomplete ({error})") from error
    _check_types(manifest)
    _check_relevance(manifest.relevance)
    _check_means(manifest)
    if manifest.distance not in DISTANCES:
        raise ManifestError(f"{FILE}: distance is {_shown(manifest.distance)}, expected one of {', '.join(DISTANCES)}")
    return manifest


def _check_types(manifest: Manifest) -> None:
    for name, value in vars(manifest).items():
        kind = KINDS.get(name, dict)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ManifestError(f"{FILE}: {name} is {_shown(value)}, expected {kind.__name__}")
    for name, least in (("dimension", 1), ("items", 0), ("k", 1 if manifest.items else 0)):
        if not least <= getattr(manifest, name) < MOST:
            raise ManifestError(f"{FILE}: {name} is {getattr(manifest, name)}, expected a number from {least} to {MOST - 1}")
    for name, digest in manifest.sha256.items():
        if not isinstance(digest, str):
            raise ManifestError(f"{FILE}: sha256.{name[:80]} is {_shown(digest)}, expected str")


def _shown(value: object) -> str:
    """A value as an error shows it, cut after 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _check_means(manifest: Manifest) -> None:
    for kind in MEANS if manifest.means else ():
        values = manifest.means.get(kind)
        numbers = isinstance(values, list) and all(type(value) in (int, float) and math.isfinite(value) for value in values)
        if not numbers or len(values or ()) != manifest.dimension:
            raise ManifestError(f"{FILE}: means.{kind} is {_shown(values)}, expected {manifest.dimension} numbers")


def _check_found(name: str, described: object) -> None:
    """Checks the part of a curve that looks at the query."""
    found = described if isinstance(described, dict) else {}
    lists = [found.get(key) for key in ("shows", "right")]
    numbers = [found.get(key) for key in ("results", "slope", "cut", "gate")]
    well = all(isinstance(values, list) and len(values) == 3 and all(map(_is_number, values)) for values in lists)
    if well and all(map(_is_number, numbers)):
        results, slope, cut, gate = numbers
        well = type(results) is int and results >= 1 and slope > 0 and 0 <= cut <= 1 and 0 <= gate <= 1  # type: ignore[operator]
        if well:
            return
    raise ManifestError(
        f"{FILE}: relevance.{name[:80]}.found is {_shown(described)}; expected three numbers each as shows and right, a whole number of "
        "results, a slope above 0, cut and gate in [0, 1]"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_relevance(curves: object) -> None:
    if not isinstance(curves, dict):
        raise ManifestError(f"{FILE}: relevance is {_shown(curves)}, expected an object")
    for name, curve in curves.items():
        found = {"gate": 0, **curve} if isinstance(curve, dict) else {}  # files without a gate are older
        values = [found.get(key) for key in ("slope", "intercept", "cut", "gate")]
        slope, intercept, cut, gate = (value if isinstance(value, (int, float)) else math.nan for value in values)
        if not (0 < slope < math.inf and math.isfinite(intercept) and 0 <= cut <= 1 and 0 <= gate <= 1):
            raise ManifestError(
                f"{FILE}: relevance.{name[:80]} has slope, intercept, cut and gate {_shown(values)}; "
                "expected a slope above 0, cut and gate in [0, 1]"
            )
        if "found" in found:
            _check_found(name, found["found"])
