"""Collections: rows through steps, in this process and in others; errors of single rows; their order."""

from __future__ import annotations

import pytest

from maker import Collection
from maker.errors import DataError, UsageError


def double(row):
    return {**row, "item": row["item"] * 2}


def half(row):
    if row["item"] == 13:
        raise ValueError("thirteen has no half")
    return {**row, "item": row["item"] / 2}


def twice(row):
    yield row["item"]
    yield {"item": row["item"], "again": True}


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_go_through_the_steps_in_order(workers):
    rows = Collection.from_list(range(100), shard_size=7).map(double).filter(is_large).engine(workers=workers).to_list()
    assert rows == [{"item": 2 * number} for number in range(100) if 2 * number > 50]


def is_large(row):
    return row["item"] > 50


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_a_row_with_its_reason_and_passes_the_other_steps(workers):
    collection = Collection.from_list([12, 13, 14], shard_size=2).map(half).map(double).flat_map(twice).engine(workers=workers)
    assert collection.to_list() == [
        {"item": 12.0},
        {"item": 12.0, "again": True},
        {"item": 13, "reason": "ValueError: thirteen has no half"},
        {"item": 14.0},
        {"item": 14.0, "again": True},
    ]


def test_errors_of_the_project_say_all_by_themselves():
    def refuse(_):
        raise DataError("photo.jpg: not an image")

    assert Collection.from_list(["x"]).map(refuse).to_list() == [{"item": "x", "reason": "photo.jpg: not an image"}]


def test_lambdas_run_in_this_process_unless_workers_are_asked_for():
    assert Collection.from_list(range(600)).map(lambda row: row["item"] + 1).to_list()[-1] == {"item": 600}


def test_batches_hold_rows_and_leave_rejected_ones_beside_them():
    rows = Collection.from_list([1, 13, 2, 3]).map(half).batch(2).map(lambda row: len(row["batch"])).to_list()
    assert rows == [{"item": 13, "reason": "ValueError: thirteen has no half"}, {"item": 2}, {"item": 1}]
    with pytest.raises(UsageError, match="at least 1 row, found 0"):
        Collection.from_list([]).batch(0)


def test_select_keeps_columns_and_rejects_rows_without_one():
    rows = Collection.from_list([{"a": 1, "b": 2}, {"b": 3}]).select("a").to_list()
    assert rows == [{"a": 1}, {"reason": "no column 'a'; found b"}]


def test_nothing_runs_before_a_result_is_asked_for():
    seen = []
    collection = Collection.from_list([1, 2, 3], shard_size=1).map(lambda row: seen.append(row["item"]))
    assert seen == []
    assert next(iter(collection)) == {"item": None}
    assert seen == [1]


def test_files_of_a_pattern_are_rows_in_their_order(tmp_path):
    for name in ("b.txt", "a.txt", "below/c.txt", "other.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = Collection.from_glob(f"{tmp_path}/**/*.txt").to_list()
    assert [row["path"] for row in found] == [str(tmp_path / name) for name in ("a.txt", "b.txt", "below/c.txt")]
    with pytest.raises(DataError, match=r"\*\.png: no such files"):
        Collection.from_glob(f"{tmp_path}/*.png")


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="engine 'spark': unknown"):
        Collection.from_list([1]).engine("spark")
    with pytest.raises(UsageError, match="at least 1 worker is needed, found 0"):
        Collection.from_list([1]).engine("local", workers=0)
