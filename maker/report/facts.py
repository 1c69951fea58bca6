"""The facts of the items as a table of the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maker.report.page import percent
from task.format.facts import Column, Numbers, Tags, Texts
from task.search.facts import SearchedFacts

FREQUENT = 6  # values that are shown
NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class FactsRow:
    """A column of facts.

    Attributes:
        name, type: Its name and type.
        known: The share of items of which something is known there, in words.
        values: What its values are, in words.
    """

    name: str
    type: str
    known: str
    values: str


def facts_rows(facts: SearchedFacts, ids: np.ndarray) -> list[FactsRow]:
    """A row for each column; `ids` are those of the items, ascending."""
    columns = facts.columns(ids) if facts.types else {}
    return [FactsRow(name, column.type, percent(_known(column)), _values(facts, name, column, ids)) for name, column in columns.items()]


def example_filter(rows: Sequence[FactsRow]) -> str:
    """A filter on one of the columns."""
    for row in rows:
        if row.values and row.type == "time":
            return f"year({_written(row.name)}) == {row.values[:4]}"
        if row.values and row.type == "number":
            return f"{_written(row.name)} >= {row.values.partition(' ')[0]}"
    return f"missing({_written(rows[0].name)})" if rows else ""


def _written(column: str) -> str:
    """The name of a column as filters write it."""
    return column if NAME.fullmatch(column) else f"`{column}`"


def _known(column: Column) -> float:
    if isinstance(column, Texts):
        return float(np.mean(column.codes < len(column.words)))
    if isinstance(column, Tags):
        return float(np.mean(np.diff(column.starts.astype(np.int64)) > 0))
    return 1.0 if column.known is None else float(column.known.mean())


def _values(facts: SearchedFacts, name: str, column: Column, ids: np.ndarray) -> str:
    if isinstance(column, Numbers):
        values = column.values if column.known is None else column.values[column.known]
        if not len(values):
            return ""
        low, high = values.min(), values.max()
        return f"{_day(low)} to {_day(high)}" if column.time else f"{low:.6g} to {high:.6g}"
    counts = facts.counts(name, ids)
    if counts and max(counts.values()) == 1 and len(counts) > 1:
        return f"{len(counts):,} different"
    shown = ", ".join(f"{str(value)[:40] or 'empty'} ({count:,})" for value, count in list(counts.items())[:FREQUENT])
    return f"{shown} and {len(counts) - FREQUENT:,} more" if len(counts) > FREQUENT else shown


def _day(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))
