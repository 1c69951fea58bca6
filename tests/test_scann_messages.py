"""The messages that configure an on-device index."""

from __future__ import annotations

import contextlib
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task.task_library import wire
from task.task_library.scann_messages import (
    AsymmetricHashingProto,
    DistanceMeasure,
    EmbeddingType,
    IndexConfig,
    LookupType,
    MessageError,
    PartitionerProto,
    ScannOnDeviceConfig,
)
from task.task_library.sstable import SSTable
from tests.outside_data import LEGACY, absent

published = pytest.mark.skipif(not LEGACY.exists(), reason=absent(LEGACY))


def vectors(length: int) -> st.SearchStrategy[np.ndarray]:
    values = st.lists(st.floats(width=32, allow_nan=False), min_size=length, max_size=length)
    return values.map(lambda v: np.array(v, np.float32))


def matrices() -> st.SearchStrategy[np.ndarray]:
    return st.tuples(st.integers(1, 5), st.integers(0, 4)).flatmap(
        lambda shape: st.lists(vectors(shape[1]), min_size=shape[0], max_size=shape[0]).map(np.stack)
    )


def optional(strategy: Any) -> Any:
    return st.none() | strategy


distances = optional(st.sampled_from(DistanceMeasure))
partitioners = st.builds(
    PartitionerProto,
    leaf=st.lists(vectors(3), max_size=4),
    search_fraction=optional(st.floats(width=32, allow_nan=False)),
    query_distance=distances,
)
hashings = st.builds(
    AsymmetricHashingProto,
    subspace=st.lists(matrices(), max_size=4),
    query_distance=distances,
    lookup_type=optional(st.sampled_from(LookupType)),
)
scann_configs = st.builds(
    ScannOnDeviceConfig,
    query_distance=distances,
    asymmetric_hashing=optional(hashings),
    partitioner=optional(partitioners),
    has_indexer=st.just(True),
)
configs = st.builds(
    IndexConfig,
    scann_config=scann_configs,
    embedding_type=st.sampled_from(EmbeddingType),
    embedding_dim=st.integers(0, 2**32 - 1),
    global_partition_offsets=st.lists(st.integers(0, 2**32 - 1), max_size=10),
)


def plain(value: Any) -> Any:
    """A message as nested lists, which can be compared."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


@given(configs)
def test_a_config_is_read_back(config):
    content = config.encode()
    found = IndexConfig.decode(content)
    assert plain(found) == plain(config)
    assert found.encode() == content


def test_bytes_of_the_published_searcher():
    config = IndexConfig.decode(bytes.fromhex("0a020800100118102201 00".replace(" ", "")))
    assert config.scann_config.query_distance is DistanceMeasure.SQUARED_L2_DISTANCE
    assert config.embedding_type is EmbeddingType.FLOAT
    assert (config.embedding_dim, config.global_partition_offsets) == (16, [0])
    assert not config.scann_config.has_indexer
    assert config.encode().hex() == "0a02080010011810220100"


@published
def test_the_dummy_index_is_what_its_published_test_says():
    table = SSTable((LEGACY / "dummy_index.ldb").read_bytes())
    config = IndexConfig.decode(table[b"INDEX_CONFIG"])
    assert config.scann_config.partitioner is not None
    assert config.scann_config.partitioner.search_fraction == 0.5
    assert config.embedding_type is EmbeddingType.UINT8
    assert (config.embedding_dim, config.global_partition_offsets) == (4, [0, 2])
    assert (bytes(table[b"E_0"]), bytes(table[b"E_1"])) == (bytes(range(8)), bytes(range(8, 12)))
    assert [bytes(table[f"M_{i}".encode()]) for i in range(3)] == [b"metadata_0", b"metadata_1", b"metadata_2"]
    assert table[b"USER_INFO"] == b"user info"
    with pytest.raises(KeyError):
        table[b"M_3"]
    assert config.encode() == table[b"INDEX_CONFIG"]


def test_numbers_that_are_not_packed_are_read():
    vector = wire.single(1, 1.5) + wire.single(1, -2.0)
    message = PartitionerProto.decode(wire.nested(1, vector))
    assert message.leaf[0].tolist() == [1.5, -2.0]
    assert IndexConfig.decode(wire.number(4, 0) + wire.number(4, 7)).global_partition_offsets == [0, 7]


def test_fields_of_unknown_number_are_skipped():
    extra = wire.number(15, 3) + wire.single(16, 1.0) + wire.nested(17, b"x") + bytes([18 << 3 & 127 | 1 | 128, 1]) + bytes(8)
    config = IndexConfig(embedding_dim=3)
    assert plain(IndexConfig.decode(extra + config.encode())) == plain(config)


def test_codebooks_of_uneven_entries_are_refused():
    book = b"".join(wire.nested(1, wire.floats(1, np.ones(n, np.float32))) for n in (2, 3))
    with pytest.raises(MessageError, match="2 to 3 dimensions"):
        AsymmetricHashingProto.decode(wire.nested(1, book))


@pytest.mark.parametrize(
    "content",
    [
        wire.number(2, 9),  # no such embedding type
        wire.nested(2, b""),  # a number as bytes
        wire.number(1, 1),  # a message as a number
        wire.nested(1, wire.nested(3, wire.nested(1, wire.nested(1, b"abcdef")))),  # one and a half floats
        b"\x0b",  # a group
        b"\x02\x00",  # field 0
        b"\x0a\x05a",  # longer than the rest
        b"\x80",
    ],
)
def test_damaged_messages_are_errors(content):
    with pytest.raises(MessageError):
        IndexConfig.decode(content)


@given(configs, st.data())
def test_a_truncated_message_is_an_error_or_a_shorter_message(config, data):
    content = config.encode()
    size = data.draw(st.integers(0, len(content)))
    with contextlib.suppress(MessageError):
        IndexConfig.decode(content[:size])


@given(st.binary(max_size=120))
@settings(max_examples=500)
def test_a_message_of_anything_ends(content):
    with contextlib.suppress(MessageError):
        IndexConfig.decode(content)
