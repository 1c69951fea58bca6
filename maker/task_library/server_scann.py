"""Reads a folder that `searcher.serialize` of ScaNN wrote (scann 1.2 to 1.4), without ScaNN or TensorFlow.

The configuration is a protocol buffer. A few of its fields decide whether the Task Library can search the same index; the numbers below are
the field numbers in the messages of ScaNN. Indexes that a device would search differently from the server are rejected.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import BuildError
from maker.task_library.scann_index import ScannContent, laid_out, search_fraction
from task.task_library import wire
from task.task_library.scann_messages import AsymmetricHashingProto, DistanceMeasure, LookupType, PartitionerProto

CONFIG, PARTITIONER, TOKENS = "scann_config.pb", "serialized_partitioner.pb", "datapoint_to_token.npy"
DATASET, CODES, CODEBOOK = "dataset.npy", "hashed_dataset.npy", "ah_codebook.pb"
DISTANCE, BRUTE_FORCE, PARTITIONING, HASH, REORDERING = 5, 7, 8, 13, 17  # of ScannConfig
QUERY_SPILLING, PARTITIONING_DISTANCE, QUERY_DISTANCE = 21, 10, 25  # of PartitioningConfig
MAX_SPILL_CENTERS = 3  # of QuerySpillingConfig
ASYMMETRIC_HASH = 5  # of HashConfig
PROJECTION, LOOKUP_TYPE, RESIDUALS, SCHEME = 1, 20, 22, 23  # of AsymmetricHasherConfig
CHUNKS = (0, 1, 2, 13)  # types of projection that only split a vector into blocks
PARTITIONING_PROJECTION = 12  # of PartitioningConfig
LOOKUPS = {0: LookupType.FLOAT, 1: LookupType.INT8, 2: LookupType.INT16}
LUT16 = 3
DISTANCES = {"DotProductDistance": DistanceMeasure.DOT_PRODUCT, "SquaredL2Distance": DistanceMeasure.SQUARED_L2_DISTANCE}
MOST_ENTRIES = 256

Fields = dict[int, list[tuple[int, Any]]]


def read_server_scann(folder: Path) -> ScannContent:
    """Reads an index.

    Raises:
        BuildError: A file is missing or damaged, or the index cannot be searched on a device.
    """
    if not folder.is_dir():
        raise BuildError(f"{folder}: is no folder; pass the one that searcher.serialize wrote")
    try:
        config = _fields(_read(folder, CONFIG))
        distance = _distance(folder, _only(config, DISTANCE))
        if REORDERING in config:
            raise BuildError(f"{folder}: exact_reordering is not supported on-device; build without reorder()")
        hashing, rows, dimension = _hashed(folder, config, distance) if HASH in config else _floats(folder)
        leaves, partitioner = _partitioner(folder, config, distance, len(rows), dimension)
    except wire.WireError as error:
        raise BuildError(f"{folder}: a message is damaged ({error}); serialize the searcher again") from error
    return laid_out(rows, leaves, partitioner, hashing, distance, dimension)


def _floats(folder: Path) -> tuple[None, np.ndarray, int]:
    if not (folder / DATASET).exists():
        raise BuildError(f"{folder}: there is no {DATASET}: brute force over int8 or bfloat16 is not supported on-device; do not quantize")
    rows = _array(folder, DATASET, "f")
    return None, np.ascontiguousarray(rows, "<f4"), rows.shape[1]


def _hashed(folder: Path, config: Fields, distance: DistanceMeasure) -> tuple[AsymmetricHashingProto, np.ndarray, int]:
    hasher = _fields(_only(_fields(_only(config, HASH)), ASYMMETRIC_HASH))
    lookup = _number(hasher, LOOKUP_TYPE)
    if lookup == LUT16:
        raise BuildError(f'{folder}: hash_type "lut16" packs its codes for a server\'s CPU; build with score_ah(…, hash_type="lut256")')
    if _number(hasher, RESIDUALS):
        raise BuildError(f"{folder}: residual quantization is not supported on-device; build with residual_quantization=False")
    if _number(hasher, SCHEME) or lookup not in LOOKUPS:
        raise BuildError(f"{folder}: quantization scheme {_number(hasher, SCHEME)} with look-up {lookup} is not supported on-device")
    codebook = _fields(_read(folder, CODEBOOK))
    if PROJECTION in hasher and _number(_fields(_only(hasher, PROJECTION)), 1) not in CHUNKS:
        raise BuildError(f"{folder}: a projection of the embeddings is not supported on-device; build without pca() and truncate()")
    if _number(codebook, 2):
        raise BuildError(f"{folder}: {CODEBOOK} is not of plain product quantization, which is all that is supported on-device")
    books = [_book(folder, wire.to_bytes(*subspace)) for subspace in codebook.get(1, [])]
    codes = _array(folder, CODES, "u")
    if codes.shape[1] != len(books) or codes.dtype != np.uint8:
        raise BuildError(
            f"{folder}: {CODES} is {codes.dtype} of {codes.shape[1]} columns for {len(books)} codebooks, expected uint8, one each"
        )
    if (codes.max(0) >= [len(book) for book in books]).any():
        raise BuildError(f"{folder}: {CODES} has codes beyond its codebooks; serialize the searcher again")
    padded = [np.pad(book, ((0, MOST_ENTRIES - len(book)), (0, 0)), "edge") for book in books]
    hashing = AsymmetricHashingProto(subspace=padded, query_distance=distance, lookup_type=LOOKUPS[lookup])
    return hashing, codes, sum(book.shape[1] for book in books)


def _book(folder: Path, content: memoryview) -> np.ndarray:
    entries = [_numbers(_fields(wire.to_bytes(*entry)), single=4, double=5) for entry in _fields(content).get(1, [])]
    if not 1 <= len(entries) <= MOST_ENTRIES or len({len(e) for e in entries}) != 1:
        raise BuildError(f"{folder}: {CODEBOOK} has a codebook of {len(entries)} entries, expected at most {MOST_ENTRIES} of one length")
    return np.stack(entries)


def _partitioner(
    folder: Path, config: Fields, distance: DistanceMeasure, rows: int, dimension: int
) -> tuple[np.ndarray | None, PartitionerProto | None]:
    if PARTITIONING not in config:
        return None, None
    options = _fields(_only(config, PARTITIONING))
    if PARTITIONING_PROJECTION in options:
        raise BuildError(f"{folder}: a projection of the embeddings is not supported on-device; build without pca() and truncate()")
    searched = _number(_fields(_only(options, QUERY_SPILLING)), MAX_SPILL_CENTERS) if QUERY_SPILLING in options else 1
    chosen_by = next((o for o in (QUERY_DISTANCE, PARTITIONING_DISTANCE) if o in options), None)
    kmeans = _fields(_only(_fields(_read(folder, PARTITIONER)), 2))
    if 6 in kmeans:
        raise BuildError(f"{folder}: a partitioner of several levels is not supported on-device; build with one tree()")
    root = _fields(_only(_fields(_only(kmeans, 1)), 1))
    centres = [_numbers(_fields(wire.to_bytes(*c)), single=2, double=1) for c in root.get(1, [])]
    if not centres or any(len(c) != dimension for c in centres):
        raise BuildError(f"{folder}: {PARTITIONER} has no centres of {dimension} dimensions; serialize the searcher again")
    children = [_fields(wire.to_bytes(*child)) for child in root.get(3, [])]
    if any(child.get(3) for child in children):
        raise BuildError(f"{folder}: a partitioner of several levels is not supported on-device; build with one tree()")
    numbers = [_number(child, 5) for child in children] or list(range(len(centres)))
    if sorted(numbers) != list(range(len(centres))):
        raise BuildError(f"{folder}: {PARTITIONER} has {len(centres)} centres for other leaves; serialize the searcher again")
    leaves = _array(folder, TOKENS, "iu", 1)
    if len(leaves) != rows or any(folder.glob("*soar*")):
        raise BuildError(
            f"{folder}: {len(leaves)} leaves for {rows} rows: items in several leaves are not supported on-device (no soar_lambda)"
        )
    if leaves.min() < 0 or leaves.max() >= len(centres):
        raise BuildError(
            f"{folder}: {TOKENS} names leaves {leaves.min()} to {leaves.max()} of {len(centres)}; serialize the searcher again"
        )
    leaf_distance = distance if chosen_by is None else _distance(folder, _only(options, chosen_by))
    fraction = search_fraction(min(max(1, searched), len(centres)), len(centres))
    ordered = [centres[i] for i in np.argsort(numbers)]
    return leaves.astype(np.int64), PartitionerProto(leaf=ordered, search_fraction=fraction, query_distance=leaf_distance)


def _distance(folder: Path, content: memoryview) -> DistanceMeasure:
    name = bytes(_only(_fields(content), 1)).decode("utf-8", "replace")
    if name not in DISTANCES:
        raise BuildError(f"{folder}: distance {name} is not supported on-device; build with dot_product or squared_l2")
    return DISTANCES[name]


def _fields(content: bytes | memoryview) -> Fields:
    found: Fields = defaultdict(list)
    for number, kind, value in wire.fields(content):
        found[number].append((kind, value))
    return dict(found)


def _only(fields: Fields, number: int) -> memoryview:
    if number not in fields:
        raise wire.WireError(f"field {number} is missing")
    return wire.to_bytes(*fields[number][-1])


def _number(fields: Fields, number: int) -> int:
    """A number; 0 if it is absent."""
    return wire.to_number(*fields[number][-1]) if number in fields else 0


def _numbers(fields: Fields, single: int, double: int) -> np.ndarray:
    """Repeated floats, or doubles in another field, packed or not."""
    number, dtype, width = (single, "<f4", 4) if single in fields else (double, "<f8", 8)
    parts = [bytes(v) if k == wire.BYTES else int(v).to_bytes(width, "little") for k, v in fields.get(number, [])]
    content = b"".join(parts)
    if len(content) % width:
        raise wire.WireError(f"field {number} has {len(content)} bytes")
    return np.frombuffer(content, dtype).astype(np.float32)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise BuildError(f"{folder}: there is no {name}; pass the folder that searcher.serialize wrote") from error


def _array(folder: Path, name: str, kinds: str, dimensions: int = 2) -> np.ndarray:
    try:
        values: np.ndarray = np.load(folder / name, allow_pickle=False)
    except FileNotFoundError as error:
        raise BuildError(f"{folder}: there is no {name}; pass the folder that searcher.serialize wrote") from error
    except (ValueError, EOFError) as error:
        raise BuildError(f"{folder}: {name} is damaged ({error}); serialize the searcher again") from error
    if values.ndim != dimensions or 0 in values.shape or values.dtype.kind not in kinds:
        raise BuildError(f"{folder}: {name} is {values.dtype} {values.shape}, expected {dimensions} dimensions and no emptiness")
    return values
