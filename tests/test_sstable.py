"""The sorted string table, CRC-32C, Snappy and varints."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task.task_library import snappy, varint
from task.task_library.crc32c import FOLD_BYTES, FOLDS, crc32c, mask, unmask
from task.task_library.sstable import BLOCK_BYTES, RESTART_INTERVAL, SSTable, SSTableError, encode, write
from task.task_library.sstable_block import BlockWriter
from tests.outside_data import LEGACY, absent

published = pytest.mark.skipif(not LEGACY.exists(), reason=absent(LEGACY))

COUNTED = bytes(range(256)) + bytes(44)  # 300 bytes
ENTRIES = st.dictionaries(st.binary(max_size=12), st.one_of(st.binary(max_size=80), st.binary(min_size=5000, max_size=5100)), max_size=60)


def items(content: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, bytes(value)) for key, value in SSTable(content)]


def slow_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(("data", "crc"), [(b"123456789", 0xE3069283), (b"", 0), (b"\0" * 32, 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)])
def test_crc_of_known_content(data, crc):
    assert crc32c(data) == crc


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 5000, FOLDS[2], FOLDS[2] + 1, FOLDS[2] + FOLDS[0] + 1, 200_003])
def test_crc_does_not_depend_on_how_content_is_cut_into_chunks(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == crc32c(memoryview(data)) == slow_crc(data)


def test_crc_of_content_that_is_folded_in_several_pieces():
    data = np.random.default_rng(0).integers(0, 256, 2 * FOLD_BYTES + FOLDS[2] + 77, dtype=np.uint8)
    cut = FOLD_BYTES + 4321
    halves = data.copy(), data.copy()
    halves[0][cut:], halves[1][:cut] = 0, 0
    # CRCs of content of one length add up, but for what the start adds.
    assert crc32c(halves[0]) ^ crc32c(halves[1]) ^ crc32c(np.zeros_like(data)) == crc32c(data)
    assert crc32c(data[:3000]) == slow_crc(data[:3000].tobytes())


@given(st.integers(0, 2**32 - 1))
def test_masking_is_undone(crc):
    assert unmask(mask(crc)) == crc


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints_are_read_back(value, tail):
    content = varint.encode(value)
    assert varint.decode(content + tail, 0) == (value, len(content))


@pytest.mark.parametrize(
    ("value", "content"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (2**64 - 1, b"\xff" * 9 + b"\x01")]
)
def test_varints_take_no_byte_too_many(value, content):
    assert varint.encode(value) == content


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff" * 9 + b"\x7f", b"\xff" * 11])
def test_a_varint_that_does_not_end_is_an_error(content):
    with pytest.raises(varint.VarintError):
        varint.decode(content, 0)


@given(ENTRIES, st.booleans())
def test_a_table_is_read_back(entries, packed):
    ordered = sorted(entries.items())
    content = encode(ordered, snappy.compress if packed else None)
    table = SSTable(b"before" + content + b"after", 6, len(content))
    assert [(key, bytes(value)) for key, value in table] == ordered
    for key, value in ordered:
        assert table[key] == value


@given(ENTRIES, st.binary(max_size=12))
def test_a_key_that_is_not_there_is_a_key_error(entries, key):
    entries.pop(key, None)
    with pytest.raises(KeyError):
        SSTable(encode(sorted(entries.items())))[key]


def test_keys_are_lexical_over_many_blocks():
    entries = sorted((f"M_{i}".encode(), f"value {i}".encode() * 9) for i in range(3000))
    table = SSTable(encode(entries, snappy.compress))
    assert len(table._index._content) > 40
    assert all(table[key] == value for key, value in entries)


@pytest.mark.parametrize("entries", [[(b"b", b""), (b"a", b"")], [(b"a", b""), (b"a", b"")]])
def test_keys_that_do_not_ascend_are_refused(entries):
    with pytest.raises(SSTableError, match="ascend"):
        encode(entries)


def test_only_blocks_that_shrink_by_more_than_an_eighth_are_compressed():
    noise = np.random.default_rng(0).bytes(6000)
    assert encode([(b"a", noise)], snappy.compress) == encode([(b"a", noise)])
    assert len(encode([(b"a", b"abc" * 2000)], snappy.compress)) < 1000


@pytest.mark.parametrize(("saved", "kept"), [(0, False), (1, True)])
def test_a_block_that_shrinks_by_an_eighth_alone_is_not_compressed(saved, kept):
    entries = [(b"a", bytes(6000))]
    content = encode(entries, lambda block: block[: len(block) - len(block) // 8 - saved])
    assert (len(content) < len(encode(entries))) is kept


@pytest.mark.parametrize(("less", "blocks"), [(0, 2), (1, 1)])
def test_a_block_is_closed_at_its_size(less, blocks):
    whole = BlockWriter(RESTART_INTERVAL)
    whole.add(b"a", bytes(BLOCK_BYTES))
    value = bytes(2 * BLOCK_BYTES - whole.size - less)
    assert len(list(SSTable(encode([(b"a", value), (b"b", b"")]))._index)) == blocks


def test_the_index_has_the_shortest_keys_between_blocks():
    table = SSTable(encode([(key, bytes(5000)) for key in (b"abc", b"abzz", b"ac", b"kite")]))
    assert [key for key, _ in table._index] == [b"abd", b"abzz", b"b", b"l"]


def test_writing_says_how_many_bytes_were_written():
    target = io.BytesIO(b"before")
    target.seek(6)
    assert write([(b"a", b"value")], target) == len(target.getvalue()) - 6


@published
@pytest.mark.parametrize("name", ["dummy_index.ldb", "universal_sentence_encoder_index.ldb"])
def test_published_tables_are_written_again_byte_for_byte(name):
    content = (LEGACY / name).read_bytes()
    assert encode(items(content)) == content


@pytest.mark.parametrize("packed", [False, True])
def test_truncation_at_every_byte_is_an_error(packed):
    content = encode([(f"k{i}".encode(), b"value " * i) for i in range(10)], snappy.compress if packed else None)
    for size in range(len(content)):
        with pytest.raises(SSTableError):
            SSTable(content[:size])


@pytest.mark.parametrize("packed", [False, True])
def test_a_flipped_bit_is_an_error_or_without_effect(packed):
    entries = [(f"k{i}".encode(), b"value " * i) for i in range(10)]
    content = encode(entries, snappy.compress if packed else None)
    noticed = 0
    for at in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[at // 8] ^= 1 << at % 8
        try:
            assert items(bytes(damaged)) == entries
        except SSTableError:
            noticed += 1
    assert noticed >= 8 * (len(content) - 13 - 40)  # all but the metaindex and the footer's padding


def test_a_bad_entry_with_a_right_checksum_is_an_error():
    content = bytearray(encode([(b"a", b"value")]))
    content[2] = 100  # bytes of the value, more than there are
    content[18:22] = mask(crc32c(bytes(content[:18]))).to_bytes(4, "little")
    table = SSTable(bytes(content))
    with pytest.raises(SSTableError, match="entry"):
        table[b"a"]
    with pytest.raises(SSTableError, match="entry"):
        list(table)


@given(st.binary(max_size=3000))
def test_snappy_is_read_back(content):
    assert snappy.decompress(snappy.compress(content)) == content


@given(st.lists(st.sampled_from([b"abcd", b"abcde", b"x", b"0123456789" * 8]), max_size=200))
def test_snappy_of_repeating_content_is_read_back(parts):
    content = b"".join(parts)
    assert snappy.decompress(snappy.compress(content)) == content


def test_snappy_of_several_fragments_is_read_back():
    content = b"0123456789" * 7000 + np.random.default_rng(0).bytes(70_000) + bytes(70_000)
    packed = snappy.compress(content)
    assert snappy.decompress(packed) == content
    assert len(packed) < 90_000


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x00", b""),
        (b"\x0a\x00a\x15\x01", b"a" * 10),  # a copy of nine that repeats what it writes, with a one-byte offset
        (b"\xb0\x02\xf4\x2b\x01" + COUNTED + b"\x21\x02", COUNTED + COUNTED[42:46]),  # an offset of 258, of 11 bits; a long literal
        (b"\x06\x04ab\x0e\x02\x00", b"ababab"),  # two-byte offset
        (b"\x06\x04ab\x0f\x02\x00\x00\x00", b"ababab"),  # four-byte offset
    ],
)
def test_snappy_reads_each_kind_of_tag(content, expected):
    assert snappy.decompress(content) == expected


@pytest.mark.parametrize(
    "content", [b"", b"\x05\x00a", b"\x01\x04ab", b"\x02\x00a\x01\x05", b"\x02\x00a\x01\x00", b"\x64\xf0", b"\xff\xff\xff\xff\x7f"]
)
def test_damaged_snappy_is_an_error(content):
    with pytest.raises(snappy.SnappyError):
        snappy.decompress(content)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_snappy_of_anything_ends(content):
    with contextlib.suppress(snappy.SnappyError):
        snappy.decompress(content)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_a_table_of_anything_ends(content):
    with contextlib.suppress(SSTableError):
        items(content + bytes.fromhex("57fb808b247547db"))
