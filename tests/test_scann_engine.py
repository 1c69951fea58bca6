"""The on-device index engine against the definitions of its distances, and against damage."""

from __future__ import annotations

import math
import random
import threading

import numpy as np
import pytest
from task_library_files import DOT, L2, float_index, hashed_index

from task.errors import DamagedFileError, InvalidArgumentError, TaskError
from task.search import SearchRequest
from task.task_library import scann_file, snappy
from task.task_library.hashing import LookupTable
from task.task_library.index import ScannIndex
from task.task_library.scann_messages import (
    AsymmetricHashingProto,
    EmbeddingType,
    IndexConfig,
    LookupType,
    PartitionerProto,
    ScannOnDeviceConfig,
)
from task.task_library.sstable import SSTable, encode

ITEMS, DIMENSION = 600, 10
METADATA = [f"item {i}".encode() for i in range(ITEMS)]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((ITEMS, DIMENSION)).astype(np.float32)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((20, DIMENSION)).astype(np.float32)


def search(content: bytes, query: np.ndarray, count: int = 10, leaves: int | None = None) -> list[tuple[bytes, float]]:
    return [
        (n.metadata, n.distance)
        for n in ScannIndex("test", content).search(query, SearchRequest(max_results=count, num_leaves=leaves)).nearest_neighbors
    ]


def distances_to(rows: np.ndarray, query: np.ndarray, distance) -> np.ndarray:
    rows, query = rows.astype(np.float64), query.astype(np.float64)
    return -(rows @ query) if distance is DOT else ((rows - query) ** 2).sum(1)


@pytest.mark.parametrize("distance", [DOT, L2])
@pytest.mark.parametrize("leaves", [0, 9])
@pytest.mark.parametrize("compress", [None, snappy.compress])
def test_all_leaves_of_floats_are_exact_search(rows, queries, distance, leaves, compress):
    content = float_index(rows, METADATA, distance=distance, leaves=leaves, searched=leaves or 1, compress=compress)
    for query in queries:
        expected = distances_to(rows, query, distance)
        order = np.argsort(expected)[:10]
        found = search(content, query)
        assert [name for name, _ in found] == [METADATA[i] for i in order]
        np.testing.assert_allclose([d for _, d in found], expected[order], atol=1e-5)


@pytest.mark.parametrize("distance", [DOT, L2])
@pytest.mark.parametrize("lookup", [LookupType.FLOAT, LookupType.INT16, LookupType.INT8])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_codes_are_scored_by_their_codebooks(rows, queries, distance, lookup, block):
    content = hashed_index(rows, METADATA, block=block, distance=distance, lookup=lookup, entries=64)
    table = SSTable(content)
    config = IndexConfig.decode(table[b"INDEX_CONFIG"])
    books = config.scann_config.asymmetric_hashing.subspace
    codes = np.frombuffer(table[b"E_0"], np.uint8).reshape(ITEMS, len(books))
    decoded = np.concatenate([book[codes[:, s]] for s, book in enumerate(books)], axis=1)
    for query in queries[:5]:
        expected = distances_to(decoded, query, distance)
        found = dict(search(content, query, ITEMS))
        worst = max(abs(found[METADATA[i]] - expected[i]) for i in range(ITEMS))
        steps = {LookupType.FLOAT: math.inf, LookupType.INT16: 2047, LookupType.INT8: 255}[lookup]
        spread = 60.0  # of the shares of a subspace, generously
        assert worst <= len(books) * spread / steps / 2 + 1e-4


def test_shares_are_cut_to_whole_steps():
    assert LookupTable(np.array([[0.0, 36.7, 255.0]], np.float32), LookupType.INT8)._shares.tolist() == [0, 36, 255]
    assert LookupTable(np.array([[-1.0, 294.9, 2046.0]], np.float32), LookupType.INT16)._shares.tolist() == [0, 295, 2047]


def test_a_quantised_distance_adds_half_a_step_for_each_subspace():
    shares = np.array([[-1.0, 0.3, 4.1], [2.0, 0.0, 1.0]], np.float32)
    codes = np.array([[1, 0], [2, 2]], np.uint8)
    step = 5.1 / 255
    expected = [
        (np.trunc(1.3 / step) + np.trunc(3.0 / step)) * step + 2 * (-1 + step / 2),
        (255 + np.trunc(2 / step)) * step + 2 * (-1 + step / 2),
    ]
    np.testing.assert_allclose(LookupTable(shares, LookupType.INT8).distances(codes), expected, rtol=1e-5)


def test_equal_shares_are_no_division_by_zero():
    table = LookupTable(np.full((3, 4), 2.0, np.float32), LookupType.INT8)
    assert table.distances(np.zeros((2, 3), np.uint8)).tolist() == [6.0, 6.0]


@pytest.mark.parametrize(("leaves", "searched", "looked_into"), [(13, 7, 8), (15, 1, 1), (4, 4, 4), (10, 3, 3), (7, 0, 0)])
def test_as_many_leaves_are_chosen_as_the_task_library_does(rows, leaves, searched, looked_into):
    index = ScannIndex("test", float_index(rows, METADATA, leaves=leaves, searched=searched))
    assert len(index._choose(rows[0], None)) == looked_into


def test_fifteen_of_a_hundred_leaves_become_sixteen(rows):
    index = ScannIndex("test", float_index(rows, METADATA, leaves=100, searched=15))
    assert len(index._choose(rows[0], None)) == 16


@pytest.mark.parametrize("distance", [DOT, L2])
def test_the_nearest_leaves_are_looked_into(rows, queries, distance):
    index = ScannIndex("test", float_index(rows, METADATA, leaves=30, searched=30, leaf_distance=distance))
    for query in queries:
        assert index._choose(query, 5).tolist() == np.argsort(distances_to(rows[:30], query, distance))[:5].tolist()


def test_leaves_can_be_chosen_at_query_time(rows, queries):
    content = float_index(rows, METADATA, leaves=20, searched=1)
    exact = float_index(rows, METADATA)
    assert search(content, queries[0], ITEMS, 1) == search(content, queries[0], ITEMS)
    sizes = [len(search(content, queries[0], ITEMS, n)) for n in range(1, 21)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == ITEMS
    assert [name for name, _ in search(content, queries[0], 10, 99)] == [name for name, _ in search(exact, queries[0], 10)]
    with pytest.raises(InvalidArgumentError, match="must be > 0, found 0"):
        search(content, queries[0], 5, 0)


def test_more_results_than_rows_are_all_rows(rows, queries):
    assert len(search(float_index(rows, METADATA), queries[0], ITEMS + 5)) == ITEMS


def test_rows_that_are_no_number_are_left_out(rows, queries):
    damaged = rows.copy()
    damaged[::3, 4] = np.nan
    names = {name for name, _ in search(float_index(damaged, METADATA), queries[0], ITEMS)}
    assert names == {m for i, m in enumerate(METADATA) if i % 3}
    assert len(search(float_index(damaged, METADATA), queries[0], 5)) == 5


def test_ties_go_to_the_lower_row():
    content = float_index(np.ones((20, 3), np.float32), METADATA[:20])
    assert [name for name, _ in search(content, np.ones(3, np.float32), 5)] == METADATA[:5]


def test_empty_leaves_are_legal():
    rows = np.repeat(np.eye(3, dtype=np.float32)[:1], 3, axis=0)  # all in the first leaf
    content = float_index(rows, METADATA[:3], leaves=3, searched=3)
    assert len(SSTable(content)[b"E_1"]) == 0
    assert len(search(content, rows[0], 5)) == 3


def test_the_published_index_builder_test_is_met():
    rows = np.arange(48, dtype=np.float32).reshape(24, 2)
    config = IndexConfig(
        scann_config=ScannOnDeviceConfig(query_distance=L2, partitioner=PartitionerProto(leaf=[np.zeros(2, np.float32)] * 12)),
        embedding_type=EmbeddingType.FLOAT,
    )
    order = [i + 12 * j for i in range(12) for j in range(2)]
    content = encode_index(config, [rows[[i, i + 12]] for i in range(12)], [str(i).encode() for i in order])
    table = SSTable(content)
    assert IndexConfig.decode(table[b"INDEX_CONFIG"]).global_partition_offsets == list(range(0, 24, 2))
    assert [key for key, _ in table][:5] == [b"E_0", b"E_1", b"E_10", b"E_11", b"E_2"]
    for i in range(12):
        assert np.frombuffer(table[f"E_{i}".encode()], "<f4").tolist() == rows[[i, i + 12]].reshape(-1).tolist()
    for i in range(24):
        assert int(bytes(table[f"M_{i}".encode()])) == i // 2 + (12 if i % 2 else 0)


def encode_index(config: IndexConfig, partitions: list[np.ndarray], metadata: list[bytes], user_info: bytes = b"") -> bytes:
    import io

    target = io.BytesIO()
    scann_file.encode(target, config, partitions, metadata, user_info)
    return target.getvalue()


@pytest.mark.parametrize("count", [ITEMS - 1, ITEMS + 1])
def test_metadata_of_another_number_are_refused(rows, count):
    config = IndexConfig(embedding_type=EmbeddingType.FLOAT)
    with pytest.raises(scann_file.ScannFileError, match="metadata for 600 rows"):
        encode_index(config, [rows], [b""] * count)


@pytest.mark.parametrize("info", [b"", "你好".encode(), b"a\0b", b"\xff\xfe\0", b"\x00\x22\x33"])
def test_user_info_survives(rows, info):
    found = ScannIndex("test", float_index(rows, METADATA, user_info=info)).user_info
    assert found.encode("utf-8", "surrogateescape") == info


def test_queries_of_another_dimension_are_refused(rows):
    for content in (float_index(rows, METADATA), hashed_index(rows, METADATA, block=2)):
        with pytest.raises(InvalidArgumentError, match="the query has 11 dimensions, the index 10"):
            search(content, np.ones(11, np.float32))


def scann(**values) -> ScannOnDeviceConfig:
    return ScannOnDeviceConfig(**{"query_distance": L2, **values})


def hashing(entries: int = 4, subspaces: int = DIMENSION, **values) -> AsymmetricHashingProto:
    return AsymmetricHashingProto(subspace=[np.ones((entries, 1), np.float32)] * subspaces, **values)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (IndexConfig(scann_config=scann()), "UNSPECIFIED"),
        (IndexConfig(scann_config=scann(query_distance=None), embedding_type=EmbeddingType.FLOAT), "query distance"),
        (IndexConfig(scann_config=scann(has_indexer=True), embedding_type=EmbeddingType.FLOAT), "no indexer"),
        (IndexConfig(scann_config=scann(), embedding_type=EmbeddingType.UINT8), "must have an indexer"),
        (IndexConfig(scann_config=scann(asymmetric_hashing=hashing(subspaces=3)), embedding_type=EmbeddingType.UINT8), "for 3 codebooks"),
        (IndexConfig(scann_config=scann(asymmetric_hashing=hashing(entries=300)), embedding_type=EmbeddingType.UINT8), r"\[300\] entries"),
        (
            IndexConfig(
                scann_config=scann(asymmetric_hashing=hashing(lookup_type=LookupType.INT8_LUT16)), embedding_type=EmbeddingType.UINT8
            ),
            "INT8_LUT16",
        ),
        (IndexConfig(scann_config=scann(partitioner=PartitionerProto()), embedding_type=EmbeddingType.FLOAT), "0 centroids"),
        (
            IndexConfig(
                scann_config=scann(partitioner=PartitionerProto(leaf=[np.ones(3, np.float32)])), embedding_type=EmbeddingType.FLOAT
            ),
            r"centroids of \[3\] dimensions, expected 1 of 10",
        ),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(config, message):
    config.embedding_dim, config.global_partition_offsets = DIMENSION, [0]
    content = encode([(b"E_0", b""), (b"INDEX_CONFIG", config.encode())])
    with pytest.raises(DamagedFileError, match=message):
        ScannIndex("test", content)


def test_codes_without_an_entry_are_refused(rows):
    content = dict(SSTable(hashed_index(rows, METADATA, block=1, entries=16)))
    content[b"E_0"] = b"\x10" * ITEMS * DIMENSION
    with pytest.raises(DamagedFileError, match="the code 16, but a codebook has 16 entries"):
        search(encode([(k, bytes(v)) for k, v in content.items()]), rows[0])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (b"E_0", b"abc", "3 bytes, expected a multiple of 40"),
        (b"INDEX_CONFIG", b"\xff", "INDEX_CONFIG is damaged"),
        (b"M_0", None, "there is no M_"),
    ],
)
def test_damaged_entries_are_named(rows, key, value, message):
    content = {k: bytes(v) for k, v in SSTable(float_index(rows[:5], METADATA[:5]))}
    content[key] = value
    with pytest.raises(DamagedFileError, match=message):
        search(encode([(k, v) for k, v in content.items() if v is not None]), rows[0])


def test_no_table_is_what_the_task_library_says():
    with pytest.raises(RuntimeError, match=r"Unable to open levelDB table: Corruption: not an sstable \(bad magic number\)"):
        ScannIndex("test", b"x" * 100)
    with pytest.raises(RuntimeError, match="file is too short to be an sstable"):
        ScannIndex("test", b"x")


def test_a_flipped_byte_of_a_row_is_noticed(rows):
    content = bytearray(float_index(rows, METADATA))
    at = bytes(content).index(rows[300].tobytes())
    content[at] ^= 1
    with pytest.raises(DamagedFileError, match="CRC-32C"):
        search(bytes(content), rows[0])


def answers(content: bytes, query: np.ndarray) -> list[tuple[bytes, float]] | None:
    """What an index says, or None where it is damaged."""
    try:
        index = ScannIndex("test", content)
        return [(n.metadata, n.distance) for n in index.search(query, SearchRequest(max_results=30)).nearest_neighbors] + [
            (index.user_info.encode(), 0.0)
        ]
    except TaskError:
        return None


@pytest.mark.parametrize("compress", [None, snappy.compress])
def test_truncation_at_every_byte_is_an_error(rows, compress):
    content = float_index(rows[:12, :3].copy(), METADATA[:12], leaves=3, searched=3, compress=compress)
    assert answers(content, rows[0, :3]) is not None
    assert all(answers(content[:size], rows[0, :3]) is None for size in range(len(content)))


@pytest.mark.parametrize("kind", ["float", "hashed"])
@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_mutations_are_an_error_or_without_effect(rows, kind, count):
    few = rows[:20, :4].copy()
    make = float_index if kind == "float" else lambda *a, **k: hashed_index(*a, block=2, entries=5, **k)
    content = make(few, METADATA[:20], leaves=3, searched=3, compress=snappy.compress)
    expected, source = answers(content, few[0]), random.Random(3)
    assert expected is not None
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(damaged))
            action = source.random()
            if action < 0.7:
                damaged[at] = source.randrange(256)
            elif action < 0.85:
                del damaged[at : at + source.randint(1, 8)]
            else:
                damaged[at:at] = source.randbytes(source.randint(1, 8))
        assert answers(bytes(damaged), few[0]) in (None, expected)


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_mutated_configurations_end_in_an_error_or_an_answer(rows, count):
    few = rows[:20, :4].copy()
    entries = {k: bytes(v) for k, v in SSTable(hashed_index(few, METADATA[:20], block=2, entries=5, leaves=3, searched=3))}
    config, source = entries[b"INDEX_CONFIG"], random.Random(4)
    for _ in range(count):
        damaged = bytearray(config)
        for _ in range(source.randint(1, 3)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        entries[b"INDEX_CONFIG"] = bytes(damaged)
        with np.errstate(all="ignore"):  # centroids and codebooks may have become huge
            answers(encode(list(entries.items())), few[0])


def test_several_threads_get_the_answers_of_one(rows, queries):
    index = ScannIndex("test", hashed_index(rows, METADATA, block=2, leaves=9, searched=3, compress=snappy.compress))
    expected = [
        ScannIndex("test", hashed_index(rows, METADATA, block=2, leaves=9, searched=3)).search(q, SearchRequest(max_results=5))
        for q in queries
    ]
    found: dict[int, list] = {}

    def ask(number: int) -> None:
        found[number] = [index.search(q, SearchRequest(max_results=5)) for q in queries]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[i] == expected for i in range(6))
